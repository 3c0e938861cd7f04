//! Fetches the files that messages came without. Due files are found by an index; replicas share the work, and an
//! attempt that was begun and not ended is taken over when its time is up: to fetch a file twice does no harm, and it
//! is kept once.

use std::sync::Arc;
use std::time::Duration;

use courier::{Next, Reason, Trouble, chance, later};
use futures_util::{StreamExt, stream};
use kit::Fault;
use tenantdb::Due;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Desk, rounds};
use crate::domain::ids::AttachmentId;
use crate::domain::intake::awaited::Place;
use crate::domain::intake::file::{FILE_LIMIT, File};
use crate::domain::outgoing::channel::{self, ANSWER_LIMIT, Kind, Sender};
use crate::store;
use crate::store::awaited::Claimed;
use crate::work::http::Http;

/// Files looked at in one round.
const BATCH: i64 = 64;
/// Files fetched at once by one process: each may take [`FILE_LIMIT`] of memory.
const AT_ONCE: usize = 4;
/// The pause between rounds.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks until told to stop.
pub async fn watch(desk: Arc<Desk>, stop: CancellationToken) {
    rounds::watch("files to fetch", LOOK_EVERY, &stop, || look(&desk, &stop)).await;
}

async fn look(desk: &Desk, stop: &CancellationToken) -> Result<bool, Fault> {
    // Some of each seller, so that one with thousands of files keeps nobody waiting.
    let query = "select provider_id, seller_id, attachment_id
                   from (select *, row_number() over (partition by provider_id, seller_id order by due_at) as place
                           from (select provider_id, seller_id, attachment_id, due_at from tickets.awaited_file
                                  where due_at <= $1 order by due_at limit 2000) as d) as d
                  where place <= 8 order by place, due_at limit $2";
    let due = desk.deps.db.due(query, desk.deps.clock.now(), BATCH).await?;
    let full = i64::try_from(due.len()).is_ok_and(|found| found == BATCH);
    let fetching: Vec<_> = due.into_iter().map(|one| fetch_or_tell(desk, one, stop)).collect();
    stream::iter(fetching).buffer_unordered(AT_ONCE).collect::<()>().await;
    Ok(full)
}

/// One attempt, unless it is told to stop.
async fn fetch_or_tell(desk: &Desk, due: Due, stop: &CancellationToken) {
    if stop.is_cancelled() {
        return;
    }
    if let Err(fault) = fetch(desk, due).await {
        tracing::error!(attachment.id = %AttachmentId(due.id), error = kit::fault::chain(&fault), "a file was not fetched");
    }
}

/// Why a file is not kept.
enum NotKept {
    Trouble(Trouble),
    /// For good.
    Refused(&'static str),
}

impl From<Trouble> for NotKept {
    fn from(trouble: Trouble) -> NotKept {
        NotKept::Trouble(trouble)
    }
}

/// One attempt.
async fn fetch(desk: &Desk, due: Due) -> Result<(), Fault> {
    let limit = desk.mail.settings.attempt_limit;
    let (until, claim) = (Instant::now() + limit, desk.deps.clock.new_uuid());
    let mut tx = desk.deps.db.begin(&due.scope()).await?;
    let taken_over = later(tx.now(), limit * 2);
    let Some(claimed) = store::awaited::claim(&mut tx, AttachmentId(due.id), claim, taken_over).await? else {
        return Ok(());
    };
    let sender = store::senders::one(&mut tx, claimed.account).await?.map(|of| of.value);
    let sealed = store::senders::secret(&mut tx, claimed.account).await?;
    let whose = (tx.provider(), tx.seller()?);
    tx.commit().await?;
    let outcome = match sender.filter(|sender| sender.kind == Kind::WhatsApp) {
        Some(sender) => match desk.sender_secret(whose, &sender, sealed.as_deref()) {
            Ok(token) => file(&desk.http, &claimed, Some((&sender, &token)), until).await,
            Err(trouble) => Err(trouble.into()),
        },
        None => file(&desk.http, &claimed, None, until).await,
    };
    let mut tx = desk.deps.db.begin(&due.scope()).await?;
    let (again, reason, said) = match outcome {
        Ok(file) => {
            store::awaited::fetched(&mut tx, &claimed, claim, &file).await?;
            return Ok(tx.commit().await?);
        }
        Err(NotKept::Refused(reason)) => (None, reason, String::new()),
        Err(NotKept::Trouble(trouble)) => {
            let next = courier::next(&desk.mail.patience(), claimed.attempts, trouble.reason, chance()?);
            let again = match next {
                Next::Again(pause) => Some(later(tx.now(), pause)),
                Next::GiveUp => None,
            };
            (again, trouble.reason.name(), trouble.said)
        }
    };
    tracing::info!(
        attachment.id = %claimed.id,
        reason,
        attempts = claimed.attempts,
        given_up = again.is_none(),
        "a file was not fetched"
    );
    store::awaited::failed(&mut tx, claimed.id, claim, again, reason, &said).await?;
    Ok(tx.commit().await?)
}

/// The file from where it is. `sender` is the account's at WhatsApp, with its access token.
async fn file(
    http: &Http,
    claimed: &Claimed,
    sender: Option<(&Sender, &[u8])>,
    until: Instant,
) -> Result<File, NotKept> {
    let (url, declared, token) = match (&claimed.file.place, sender) {
        (Place::Url(url), _) => (url.clone(), String::new(), None),
        (Place::Id(_), None) => {
            return Err(Trouble::new(Reason::NoConnection, "the account has no sender with an access token").into());
        }
        (Place::Id(id), Some((sender, token))) => {
            let (url, header) = channel::whereabouts(sender, id, token);
            let (status, body) = get(http, &url, Some(&header), ANSWER_LIMIT, until).await?;
            let told = channel::told_whereabouts(status, &body)?;
            if u64::try_from(FILE_LIMIT).is_ok_and(|limit| limit < told.size) {
                return Err(NotKept::Refused("too_large"));
            }
            (told.url, told.declared, Some(header))
        }
    };
    let (status, bytes) = match get(http, &url, token.as_deref(), FILE_LIMIT, until).await {
        // Nothing but its size is wrong with it.
        Err(trouble) if trouble.reason == Reason::Protocol => return Err(NotKept::Refused("too_large")),
        got => got?,
    };
    let reason = match (status, token) {
        (200..=299, _) => {
            let file = claimed.file.file(&declared, bytes);
            return if file.is_dangerous() { Err(NotKept::Refused("dangerous_file")) } else { Ok(file) };
        }
        (401 | 403, _) => Reason::SignIn,
        (408 | 425 | 429 | 500..=599, _) => Reason::Later,
        // An address that was told for some minutes has ended; another is told next time.
        (404 | 410, Some(_)) => Reason::Later,
        _ => Reason::Rejected,
    };
    Err(Trouble::new(reason, format_args!("HTTP {status}")).into())
}

async fn get(
    http: &Http,
    url: &str,
    authorization: Option<&str>,
    limit: usize,
    until: Instant,
) -> Result<(u16, Vec<u8>), Trouble> {
    let refused = || Trouble::new(Reason::AddressRefused, "the address is not a public one");
    let mut request = http.get(http.allowed(url).ok_or_else(refused)?);
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    let within = until.saturating_duration_since(Instant::now());
    let answer = Http::send(request, within, limit).await?;
    Ok((answer.status, answer.body))
}
