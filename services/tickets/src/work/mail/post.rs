//! Hands answers in that wait in the queue. Due mails are found by an index; replicas share the work, and
//! what one of them has begun and not ended is taken over when its time is up.
//!
//! A mail is sent once for each answer, as far as anybody can know: the attempt is claimed in a
//! transaction of its own, that the mail's bytes begin to leave is committed before they do, and the
//! server's answer after it came. A process that dies before the second commit has sent nothing, and the
//! next attempt cannot double it. One that dies, or a connection that breaks, between that commit and the
//! server's answer leaves a mail of which nobody knows; it is sent again under the same Message-ID, by
//! which its receiver can tell, and is marked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use courier::{Handed, Next, Reason, Security, Trouble, Visit, chance, later};
use kit::{Fault, ProviderId, SellerId};
use tenantdb::Due;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::domain::connection::{Connection, Use};
use crate::domain::dossier::Ticket;
use crate::domain::ids::{MessageId, Uuid};
use crate::domain::outgoing::channel::{Answer, Sender};
use crate::domain::outgoing::letter::{self, Enclosed, Letter};
use crate::store;
use crate::store::outgoing::{Claimed, Ended};
use crate::work::Desk;
use crate::work::senders::{self, Posted};

/// Mails looked at in one round.
const BATCH: i64 = 200;
/// Mails handed in at once by one process.
const AT_ONCE: usize = 16;
/// Of them those of one seller, whose server may be slow.
const OF_A_SELLER: usize = 4;
/// The pause between rounds.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How many mails of each seller are under way.
type Under = Arc<Mutex<HashMap<(ProviderId, Option<SellerId>), usize>>>;

/// Looks until told to stop, then lets what is under way come to its end.
pub async fn watch(desk: Arc<Desk>, stop: CancellationToken) {
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let under: Under = Under::default();
    let mut tasks = JoinSet::new();
    while !stop.is_cancelled() {
        let progressed = match look(&desk, &turns, &under, &mut tasks, &stop).await {
            Ok(progressed) => progressed,
            Err(fault) => {
                tracing::warn!(error = kit::fault::chain(&fault), "outgoing mails were not looked for");
                false
            }
        };
        while tasks.try_join_next().is_some() {}
        if progressed {
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
    while tasks.join_next().await.is_some() {}
}

/// One round; whether a full batch was found and some of it begun, so that more may wait.
async fn look(
    desk: &Arc<Desk>,
    turns: &Arc<Semaphore>,
    under: &Under,
    tasks: &mut JoinSet<()>,
    stop: &CancellationToken,
) -> Result<bool, Fault> {
    // Some of each seller, so that one with thousands in its queue keeps nobody waiting.
    let due = desk
        .deps
        .db
        .due(
            "select provider_id, seller_id, message_id
               from (select *, row_number() over (partition by provider_id, seller_id order by due_at) as place
                       from (select provider_id, seller_id, message_id, due_at from tickets.outgoing
                              where due_at <= $1 order by due_at limit 5000) as d) as d
              where place <= 20 order by place, due_at limit $2",
            desk.deps.clock.now(),
            BATCH,
        )
        .await?;
    let full = i64::try_from(due.len()).unwrap_or(i64::MAX) == BATCH;
    let mut begun = 0;
    for mail in due {
        let Some(counted) = Counted::begin(under, (mail.provider, mail.seller)) else { continue };
        let permit = tokio::select! {
            () = stop.cancelled() => return Ok(false),
            permit = Arc::clone(turns).acquire_owned() => permit,
        };
        let Ok(permit) = permit else { return Ok(false) };
        begun += 1;
        let desk = Arc::clone(desk);
        tasks.spawn(async move {
            if let Err(fault) = hand_in(&desk, mail).await {
                tracing::error!(message.id = %MessageId(mail.id), error = kit::fault::chain(&fault), "a mail was not handed in");
            }
            drop((permit, counted));
        });
    }
    Ok(full && 0 < begun)
}

/// One mail of a seller under way.
struct Counted {
    under: Under,
    seller: (ProviderId, Option<SellerId>),
}

impl Counted {
    fn begin(under: &Under, seller: (ProviderId, Option<SellerId>)) -> Option<Counted> {
        let mut counts = under.lock().ok()?;
        let count = counts.entry(seller).or_default();
        if OF_A_SELLER <= *count {
            return None;
        }
        *count += 1;
        Some(Counted { under: Arc::clone(under), seller })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Ok(mut counts) = self.under.lock()
            && let Some(count) = counts.get_mut(&self.seller)
        {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.seller);
            }
        }
    }
}

/// One attempt at one mail.
async fn hand_in(desk: &Desk, due: Due) -> Result<(), Fault> {
    let begun = Instant::now();
    let limit = desk.mail.settings.attempt_limit;
    let id = MessageId(due.id);
    let claim = desk.deps.clock.new_uuid();
    let mut tx = desk.deps.db.begin(&due.scope()).await?;
    let until = later(tx.now(), limit * 2);
    let Some(claimed) = store::outgoing::claim(&mut tx, id, claim, until).await? else { return Ok(()) };
    let connection = store::connections::one(&mut tx, claimed.mail.account).await?.map(|of| of.value);
    let settings = desk.settings_in(&mut tx).await?;
    let by_mail = connection.as_ref().is_some_and(|connection| connection.smtp.is_some());
    if !by_mail && let Some(sender) = store::senders::one(&mut tx, claimed.mail.account).await? {
        let sealed = store::senders::secret(&mut tx, claimed.mail.account).await?;
        let (provider, seller) = (tx.provider(), tx.seller()?);
        let ticket = store::read::ticket(&mut tx, claimed.mail.ticket).await?.ok_or(Fault::NotFound("ticket"))?;
        tx.commit().await?;
        let secret = desk.sender_secret((provider, seller), &sender.value, sealed.as_deref());
        let outcome = match secret {
            Err(trouble) => trouble.into(),
            Ok(secret) => {
                let answer = answer(&claimed, &sender.value, &ticket.value);
                let leaving = leaving(desk, due, claim);
                senders::send(desk, &sender.value, &answer, &secret, begun + limit, leaving).await?
            }
        };
        return written_down(desk, due, &claimed, claim, &outcome, begun).await;
    }
    let files = store::uploads::enclosed(&mut tx, id).await?;
    tx.commit().await?;

    let from = settings.account(claimed.mail.account).map(|account| account.address.clone()).unwrap_or_default();
    let credential = match desk.credential(&due.scope(), claimed.mail.account, Use::Smtp, false, begun + limit).await? {
        Ok(credential) => credential,
        Err(trouble) => return ended(desk, due, &claimed, claim, &trouble.into()).await,
    };
    let handed = match Prepared::new(connection, &claimed, &from, &files) {
        Err(trouble) => Handed::Refused(trouble),
        Ok(Prepared { connection, written }) => {
            let Some(server) = &connection.smtp else { return Ok(()) };
            let visit = Visit {
                dial: &desk.mail.dial,
                hello: &desk.mail.settings.hello,
                door: server.door(),
                credential: credential.as_ref().filter(|_| {
                    !server.user.is_empty()
                        && (server.security != Security::None || desk.mail.settings.internal_servers)
                }),
                until: begun + limit,
            };
            visit.hand_in(&written, leaving(desk, due, claim)).await?
        }
    };
    if let Handed::Refused(trouble) = &handed {
        desk.distrust(&due.scope(), claimed.mail.account, credential.as_ref(), trouble).await?;
    }
    written_down(desk, due, &claimed, claim, &handed.into(), begun).await
}

/// An answer of the queue, for a system that is no mail server.
fn answer<'a>(claimed: &'a Claimed, sender: &Sender, ticket: &'a Ticket) -> Answer<'a> {
    let mail = &claimed.mail;
    Answer {
        message: mail.message,
        ticket: mail.ticket,
        number: &ticket.number,
        account: sender.account,
        thread: ticket.external_thread_id.as_deref().unwrap_or_default(),
        in_reply_to: &mail.addressed.in_reply_to,
        recipient: &mail.addressed.recipient,
        recipient_name: &mail.addressed.recipient_name,
        text: &claimed.text,
        automatic: claimed.automatic,
        written_at: claimed.at,
    }
}

impl From<Handed> for Posted {
    fn from(handed: Handed) -> Posted {
        Posted { handed, known_as: String::new() }
    }
}

/// What the server answered is known now and must not be forgotten: where the database is away it is waited for,
/// as long as nobody else takes the mail over.
async fn written_down(
    desk: &Desk,
    due: Due,
    claimed: &Claimed,
    claim: Uuid,
    outcome: &Posted,
    begun: Instant,
) -> Result<(), Fault> {
    let limit = desk.mail.settings.attempt_limit;
    let mut pause = Duration::from_millis(100);
    loop {
        match ended(desk, due, claimed, claim, outcome).await {
            Err(fault) if begun.elapsed() + pause < limit * 2 => {
                tracing::warn!(error = kit::fault::chain(&fault), "what became of a mail is not written down yet");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(5));
            }
            done => return done,
        }
    }
}

struct Prepared {
    connection: Connection,
    written: courier::Mail,
}

impl Prepared {
    fn new(
        connection: Option<Connection>,
        claimed: &Claimed,
        from: &str,
        files: &[Enclosed],
    ) -> Result<Prepared, Trouble> {
        let connection = connection.filter(|connection| connection.smtp.is_some());
        let connection = connection.ok_or_else(|| Trouble::new(Reason::NoConnection, ""))?;
        let written = letter::write(&Letter {
            from,
            from_name: &connection.from_name,
            addressed: &claimed.mail.addressed,
            message_id: &claimed.mail.message_id,
            automatic: claimed.automatic,
            at: claimed.at,
            text: &claimed.text,
            files,
        })
        .map_err(|unsendable| Trouble::new(Reason::Unsendable, unsendable))?;
        Ok(Prepared { connection, written })
    }
}

/// Commits that the mail's bytes begin to leave.
async fn leaving(desk: &Desk, due: Due, claim: Uuid) -> Result<(), Fault> {
    let mut tx = desk.deps.db.begin(&due.scope()).await?;
    if !store::outgoing::handed(&mut tx, MessageId(due.id), claim).await? {
        return Err(Fault::internal("the attempt took too long and was taken over"));
    }
    Ok(tx.commit().await?)
}

/// Commits what became of the attempt.
async fn ended(desk: &Desk, due: Due, claimed: &Claimed, claim: Uuid, outcome: &Posted) -> Result<(), Fault> {
    let mail = &claimed.mail;
    let mut tx = desk.deps.db.begin(&due.scope()).await?;
    let now = tx.now();
    let (trouble, unknown) = match &outcome.handed {
        Handed::Taken(said) => {
            let said: String = said.chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect();
            let is_current = store::outgoing::ended(&mut tx, mail.message, claim, &Ended::Sent(&said)).await?;
            if is_current && !outcome.known_as.is_empty() {
                store::senders::known_as(&mut tx, mail.message, &outcome.known_as).await?;
            }
            return Ok(tx.commit().await?);
        }
        Handed::Refused(trouble) => (trouble, false),
        Handed::Unknown(trouble) => (trouble, true),
    };
    let next = courier::next(&desk.mail.patience(), mail.attempts, trouble.reason, chance()?);
    tracing::info!(
        message.id = %mail.message,
        reason = trouble.reason.name(),
        attempts = mail.attempts,
        given_up = next == Next::GiveUp,
        "a mail was not handed in"
    );
    match next {
        Next::Again(pause) => {
            let at = later(now, pause);
            store::outgoing::ended(&mut tx, mail.message, claim, &Ended::Again(at, unknown, trouble)).await?;
            if trouble.reason.is_of_the_account() {
                store::outgoing::postpone(&mut tx, mail.account, at).await?;
            }
        }
        Next::GiveUp => {
            // The ticket is locked before its mail, as a call that answers does.
            let dossier = store::load::dossier(&mut tx, mail.ticket).await?;
            let ended = Ended::GivenUp(unknown, trouble);
            let is_current = store::outgoing::ended(&mut tx, mail.message, claim, &ended).await?;
            if let Some(mut dossier) = dossier.filter(|_| is_current) {
                let settings = desk.settings_in(&mut tx).await?;
                dossier.undelivered(now, mail.message);
                dossier.settle(&settings, now);
                desk.keep(&mut tx, &mut dossier).await?;
            }
        }
    }
    Ok(tx.commit().await?)
}
