//! Fetches the mail of channel accounts. Each account's mailbox is watched by one process at a time, the one
//! that holds its lease; what it fetches goes the way of every received mail, and the place in the
//! mailbox moves on only after a mail was kept. What is fetched twice, because a process died in between, is
//! recognised by its Message-ID.

use std::sync::Arc;
use std::time::Duration;

use courier::{Credential, Next, Patience, Reason, Trouble, chance, later};
use jiff::{SignedDuration, Timestamp};
use kit::Fault;
use prost::bytes::Bytes;
use proto::tickets::v1::ReceiveEmailRequest;
use proto::tickets::v1::tickets_service_client::TicketsServiceClient;
use tenantdb::Due;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use super::imap::{self, Mailbox};
use crate::domain::connection::{Connection, Cursor, Use};
use crate::domain::ids::{ChannelAccountId, Uuid};
use crate::domain::intake::quarantine::{Entry, INTAKE_FAILED};
use crate::store;
use crate::store::pulls::Fetched;
use crate::work::Desk;

/// Mailboxes watched at once by one process.
const AT_ONCE: usize = 250;
/// Mails held in memory at once by one process.
const IN_HAND: usize = 4;
/// The pause between rounds.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Pause before a server that cannot tell of news is asked again.
const ASK_EVERY: Duration = Duration::from_secs(60);
/// After so long a mailbox is let go, so that where there are more than can be watched each has its turn.
const TURN: Duration = Duration::from_secs(600);
/// Longest pause after failures.
const LONGEST: Duration = Duration::from_secs(900);
/// A mail that could not be taken in so often, for reasons that waiting does not mend, is set aside.
const STUCK: i32 = 5;
/// Clocks of mail servers may be behind ours by so much.
const SKEW: SignedDuration = SignedDuration::from_secs(300);

/// Longest wait for the server's word before the lease is renewed.
fn idle(desk: &Desk) -> Duration {
    (desk.mail.settings.attempt_limit / 15).clamp(Duration::from_secs(1), Duration::from_secs(20))
}

/// A lease that is not renewed for so long while nothing is fetched is taken over.
fn lease(desk: &Desk) -> Duration {
    idle(desk) * 3
}

/// Watches until told to stop.
pub async fn watch(desk: Arc<Desk>, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let hands = Arc::new(Semaphore::new(IN_HAND));
    let mut tasks = JoinSet::new();
    while !stop.is_cancelled() {
        if let Err(fault) = look(&desk, &places, &hands, &mut tasks, &stop).await {
            tracing::warn!(error = kit::fault::chain(&fault), "mailboxes were not looked for");
        }
        while tasks.try_join_next().is_some() {}
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
    while tasks.join_next().await.is_some() {}
}

async fn look(
    desk: &Arc<Desk>,
    places: &Arc<Semaphore>,
    hands: &Arc<Semaphore>,
    tasks: &mut JoinSet<()>,
    stop: &CancellationToken,
) -> Result<(), Fault> {
    let free = i64::try_from(places.available_permits()).unwrap_or(i64::MAX);
    if free == 0 {
        return Ok(());
    }
    let due = desk
        .deps
        .db
        .due(
            "select provider_id, seller_id, channel_account_id from tickets.mail_pull
              where due_at <= $1 order by due_at limit $2",
            desk.deps.clock.now(),
            free,
        )
        .await?;
    for due in due {
        let Ok(permit) = Arc::clone(places).try_acquire_owned() else { return Ok(()) };
        let (desk, hands, stop) = (Arc::clone(desk), Arc::clone(hands), stop.clone());
        tasks.spawn(async move {
            if let Err(fault) = turn(&desk, due, &hands, &stop).await {
                tracing::error!(
                    account.id = %ChannelAccountId(due.id),
                    error = kit::fault::chain(&fault),
                    "a mailbox was not fetched"
                );
            }
            drop(permit);
        });
    }
    Ok(())
}

/// A mailbox whose lease is held.
struct Held<'a> {
    desk: &'a Desk,
    due: Due,
    account: ChannelAccountId,
    holder: Uuid,
    cursor: Cursor,
    hands: &'a Semaphore,
}

/// Why a turn ends.
enum End {
    /// Begin again at once, or after a pause.
    Again(Duration),
    Trouble(Trouble),
    /// Somebody else holds the lease, or nobody shall.
    Lost,
}

impl From<Trouble> for End {
    fn from(trouble: Trouble) -> End {
        End::Trouble(trouble)
    }
}

/// One process's turn at one mailbox.
async fn turn(desk: &Desk, due: Due, hands: &Semaphore, stop: &CancellationToken) -> Result<(), Fault> {
    let account = ChannelAccountId(due.id);
    let holder = desk.deps.clock.new_uuid();
    let mut tx = desk.deps.db.begin(&due.scope()).await?;
    // Connecting may take long.
    let until = later(tx.now(), desk.mail.settings.attempt_limit * 2);
    let Some((cursor, failures)) = store::pulls::claim(&mut tx, account, holder, until).await? else { return Ok(()) };
    let connection = store::connections::one(&mut tx, account).await?.map(|of| of.value);
    tx.commit().await?;

    let signing_in = Instant::now() + desk.mail.settings.attempt_limit;
    let mut held = Held { desk, due, account, holder, cursor, hands };
    let end = match desk.credential(&due.scope(), account, Use::Imap, false, signing_in).await? {
        Err(trouble) => End::Trouble(trouble),
        Ok(credential) => {
            let end = held.fetch(connection, credential.as_ref(), stop).await?;
            if let End::Trouble(trouble) = &end {
                desk.distrust(&due.scope(), account, credential.as_ref(), trouble).await?;
            }
            end
        }
    };
    let (pause, trouble) = match end {
        End::Lost => return Ok(()),
        End::Again(pause) => (pause, None),
        End::Trouble(trouble) => {
            let patience = Patience { first: desk.mail.settings.first_retry, attempts: i32::MAX };
            let pause = match courier::next(&patience, failures + 1, Reason::Later, chance()?) {
                Next::Again(pause) => pause.min(LONGEST),
                Next::GiveUp => LONGEST,
            };
            tracing::info!(account.id = %account, reason = trouble.reason.name(), "a mailbox cannot be fetched");
            (pause, Some(trouble))
        }
    };
    let mut tx = desk.deps.db.begin(&due.scope()).await?;
    let at = later(tx.now(), pause);
    store::pulls::release(&mut tx, account, holder, at, trouble.as_ref()).await?;
    Ok(tx.commit().await?)
}

impl Held<'_> {
    async fn fetch(
        &mut self,
        connection: Option<Connection>,
        credential: Option<&Credential>,
        stop: &CancellationToken,
    ) -> Result<End, Fault> {
        let Some((server, folder)) = connection.and_then(|of| Some((of.imap?, of.imap_folder))) else {
            return Ok(End::Trouble(Trouble::new(Reason::NoConnection, "")));
        };
        let begun = Instant::now();
        let mut mailbox = match imap::open(&self.desk.mail.dial, &server, credential, &folder).await {
            Ok(mailbox) => mailbox,
            Err(trouble) => return Ok(End::Trouble(trouble)),
        };
        loop {
            if let Some(end) = self.catch_up(&mut mailbox, stop).await? {
                mailbox.leave().await;
                return Ok(end);
            }
            if stop.is_cancelled() || TURN <= begun.elapsed() {
                mailbox.leave().await;
                return Ok(End::Again(Duration::ZERO));
            }
            if !mailbox.has_idle {
                mailbox.leave().await;
                return Ok(End::Again(ASK_EVERY));
            }
            if !self.hold(lease(self.desk)).await? {
                mailbox.leave().await;
                return Ok(End::Lost);
            }
            let waited = tokio::select! {
                // What is not finished is cut off; the server notices.
                () = stop.cancelled() => return Ok(End::Again(Duration::ZERO)),
                waited = mailbox.idle(idle(self.desk)) => waited,
            };
            mailbox = match waited {
                Ok(mailbox) => mailbox,
                Err(trouble) => return Ok(End::Trouble(trouble)),
            };
        }
    }

    /// Takes in everything behind the place that is known.
    async fn catch_up(&mut self, mailbox: &mut Mailbox, stop: &CancellationToken) -> Result<Option<End>, Fault> {
        let limit = self.desk.mail.settings.attempt_limit;
        let begun = self.desk.deps.clock.now();
        let known = self.cursor.known_in(mailbox.uid_validity);
        let found = match known {
            Some(last) => mailbox.behind(last).await,
            // Days of servers begin elsewhere.
            None => mailbox.since(earlier(self.cursor.since, SignedDuration::from_hours(24))).await,
        };
        let found = match found {
            Ok(found) => found,
            Err(trouble) => return Ok(Some(trouble.into())),
        };
        let mut total = Fetched::default();
        for uid in &found {
            if stop.is_cancelled() {
                return Ok(Some(End::Again(Duration::ZERO)));
            }
            if !self.hold(limit * 2).await? {
                return Ok(Some(End::Lost));
            }
            let Ok(hand) = self.hands.acquire().await else { return Ok(Some(End::Lost)) };
            let fetched = match mailbox.mail(*uid, limit).await {
                Err(trouble) => return Ok(Some(trouble.into())),
                Ok(None) => Fetched::default(),
                Ok(Some(mail)) if known.is_none() && self.is_old(mail.arrived_at) => Fetched::default(),
                Ok(Some(mail)) => match self.take_in(*uid, mail.raw).await? {
                    Ok(fetched) => fetched,
                    Err(trouble) => return Ok(Some(trouble.into())),
                },
            };
            drop(hand);
            // While the numbers are unknown the place is not: all of it is fetched again after a failure.
            total.taken += fetched.taken;
            total.skipped += fetched.skipped;
            if known.is_some() {
                let cursor = Cursor { last_uid: *uid, ..self.cursor };
                if !self.advance(cursor, std::mem::take(&mut total)).await? {
                    return Ok(Some(End::Lost));
                }
            }
        }
        let last = found.last().copied().unwrap_or_default();
        let before_next = mailbox.uid_next.map_or(0, |next| next.saturating_sub(1));
        let reached = known.unwrap_or(before_next).max(last);
        // Were the numbers of the mailbox made anew, what came since is looked for by time.
        let cursor = Cursor { since: begun, uid_validity: Some(mailbox.uid_validity), last_uid: reached };
        if !self.advance(cursor, total).await? {
            return Ok(Some(End::Lost));
        }
        Ok(None)
    }

    fn is_old(&self, arrived_at: Option<Timestamp>) -> bool {
        arrived_at.is_some_and(|at| at < earlier(self.cursor.since, SKEW))
    }

    /// Hands a mail to intake, as whoever delivers one does.
    async fn take_in(&self, uid: u32, raw: Vec<u8>) -> Result<Result<Fetched, Trouble>, Fault> {
        if raw.is_empty() {
            return Ok(Ok(Fetched { taken: 0, skipped: 1 }));
        }
        let raw = Bytes::from(raw);
        let scope = self.due.scope();
        let seller = scope.seller().ok_or_else(|| Fault::internal("a mailbox belongs to a seller"))?;
        let tickets = self.desk.deps.calls.for_scope("tickets", &scope)?;
        let request = ReceiveEmailRequest {
            seller_id: seller.to_string(),
            channel_account_id: self.account.to_string(),
            raw: raw.clone(),
            ..ReceiveEmailRequest::default()
        };
        let mut client = TicketsServiceClient::new(tickets).max_encoding_message_size(kit::serve::MAX_MESSAGE_BYTES);
        let Err(status) = client.receive_email(request).await else {
            return Ok(Ok(Fetched { taken: 1, skipped: 0 }));
        };
        let waits = matches!(
            status.code(),
            Code::Unavailable
                | Code::DeadlineExceeded
                | Code::ResourceExhausted
                | Code::Aborted
                | Code::Cancelled
                | Code::FailedPrecondition
                | Code::Unauthenticated
        );
        if !waits {
            let mut tx = self.desk.deps.db.begin(&self.due.scope()).await?;
            let times = store::pulls::stuck(&mut tx, self.account, uid).await?;
            if STUCK <= times {
                // With its bytes it waits for somebody who replays it; the place moves on after that.
                let entry =
                    Entry::of_mail(self.desk.deps.clock.new_id(), tx.now(), Some(self.account), &raw, INTAKE_FAILED);
                let entry = store::quarantine::keep(&mut tx, &entry, &raw).await?;
                tx.commit().await?;
                tracing::error!(
                    account.id = %self.account,
                    quarantine.id = %entry.id,
                    uid,
                    code = ?status.code(),
                    "a mail that could not be taken in was set aside"
                );
                return Ok(Ok(Fetched { taken: 0, skipped: 1 }));
            }
            tx.commit().await?;
        }
        Ok(Err(Trouble::new(Reason::Later, status.message())))
    }

    /// Renews the lease.
    async fn hold(&self, lease: Duration) -> Result<bool, Fault> {
        let mut tx = self.desk.deps.db.begin(&self.due.scope()).await?;
        let until = later(tx.now(), lease);
        let held = store::pulls::hold(&mut tx, self.account, self.holder, until).await?;
        tx.commit().await?;
        Ok(held)
    }

    /// Moves the place on.
    async fn advance(&mut self, cursor: Cursor, fetched: Fetched) -> Result<bool, Fault> {
        let mut tx = self.desk.deps.db.begin(&self.due.scope()).await?;
        self.cursor = cursor;
        let held = store::pulls::advance(&mut tx, self.account, self.holder, &cursor, fetched).await?;
        tx.commit().await?;
        Ok(held)
    }
}

fn earlier(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_sub(by).unwrap_or(at)
}
