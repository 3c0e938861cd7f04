//! Hands documents in to their issuers' mail servers, out of the queue. Due mails are found by an index; replicas share
//! the work, and an attempt that was begun and not ended is taken over when its time is up.
//!
//! An attempt is claimed in a transaction of its own, that the mail's bytes begin to leave is committed before they do,
//! and the server's answer with what it makes of the invoice. Who dies between the last two leaves a mail of which
//! nobody knows whether it arrived; it is sent again under the same Message-ID, by which its receiver can tell, and is
//! marked.

use std::sync::Arc;
use std::time::Duration;

use courier::{Credential, Dial, Handed, Next, Patience, Reason, Security, Trouble, Visit, chance, later};
use kit::master::MasterKeys;
use kit::seal::{Broken, Seal};
use kit::{Fault, ProviderId};
use lettre::address::Envelope;
use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::{Address, Message};
use rust_decimal::Decimal;
use tenantdb::{Due, TenantTx};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::api::{Api, Format};
use crate::domain::dunning::OpenCharge;
use crate::domain::ids::{IssuerId, MailId};
use crate::domain::invoice::State;
use crate::domain::mail::{Claim, Letter, Sender, written};
use crate::domain::period::{local_date, parse_zone};
use crate::domain::profile::language_of;
use crate::store;
use crate::store::invoice::Head;
use crate::store::mail::{Ended, Mail};

/// Whose secrets are sealed.
const OWNER: &str = "manydesk billing v1";
/// Mails looked at in one round.
const BATCH: i64 = 100;
/// Mails handed in at once by one process.
const AT_ONCE: usize = 8;
/// The pause between rounds.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How mail is sent, as the installation is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// To seal passwords with; without, no issuer's server gets one.
    pub master_keys: Option<MasterKeys>,
    /// Also servers at addresses that are not public, and passwords over connections
    /// that anybody on the way reads.
    pub internal_servers: bool,
    /// Certificates of authorities to be trusted besides the system's, as PEM.
    pub authorities: Option<Vec<u8>>,
    /// The name by which the platform greets mail servers.
    pub hello: String,
    /// Pause after the first attempt that failed; each further one is twice as long.
    pub first_retry: Duration,
    /// Attempts until a mail is given up.
    pub attempts: i32,
    /// Longest attempt. What has not ended after twice as long is taken for dead.
    pub attempt_limit: Duration,
}

/// What sends mail.
pub struct Post {
    pub settings: Settings,
    dial: Dial,
    seal: Option<Seal>,
}

/// There is no key to seal passwords with.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the platform has no master key to seal passwords with")]
pub struct NoKey;

impl Post {
    pub fn new(settings: Settings) -> Result<Post, Fault> {
        let seal = settings.master_keys.as_ref().map(|masters| Seal::new(masters, OWNER)).transpose()?;
        let dial = Dial::new(settings.internal_servers, settings.authorities.as_deref())?;
        Ok(Post { settings, dial, seal })
    }

    pub fn seal(&self) -> Result<&Seal, NoKey> {
        self.seal.as_ref().ok_or(NoKey)
    }

    /// Opens a sealed password.
    fn open(&self, place: &str, sealed: &[u8]) -> Result<String, Broken> {
        let seal = self.seal.as_ref().ok_or(Broken::DoesNotOpen)?;
        String::from_utf8(seal.open(place, sealed)?).map_err(|_| Broken::DoesNotOpen)
    }
}

/// What a password is sealed for.
pub fn place(provider: ProviderId, issuer: IssuerId) -> String {
    format!("mail:{provider}:{issuer}")
}

/// Looks until told to stop, then lets what is under way come to its end.
pub async fn run(api: Arc<Api>, stop: CancellationToken) {
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = JoinSet::new();
    while !stop.is_cancelled() {
        let full = match look(&api, &turns, &mut tasks, &stop).await {
            Ok(full) => full,
            Err(failure) => {
                tracing::warn!(error = kit::fault::chain(&failure), "mails with documents were not looked for");
                false
            }
        };
        while tasks.try_join_next().is_some() {}
        if full {
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
    while tasks.join_next().await.is_some() {}
}

/// One round; whether a full batch was found, so that more may wait.
async fn look(
    api: &Arc<Api>,
    turns: &Arc<Semaphore>,
    tasks: &mut JoinSet<()>,
    stop: &CancellationToken,
) -> Result<bool, Fault> {
    // Some of each provider, so that one with thousands in its queue keeps nobody waiting.
    let query = "select provider_id, seller_id, mail_id
                   from (select *, row_number() over (partition by provider_id order by due_at) as place
                           from (select provider_id, seller_id, mail_id, due_at from billing.outgoing_mail
                                  where due_at <= $1 order by due_at limit 2000) as d) as d
                  where place <= 20 order by place, due_at limit $2";
    let due = api.deps().db.due(query, api.deps().clock.now(), BATCH).await?;
    let full = i64::try_from(due.len()).is_ok_and(|found| found == BATCH);
    for mail in due {
        let permit = tokio::select! {
            () = stop.cancelled() => return Ok(false),
            permit = Arc::clone(turns).acquire_owned() => permit,
        };
        let Ok(permit) = permit else { return Ok(false) };
        let api = Arc::clone(api);
        tasks.spawn(async move {
            if let Err(fault) = hand_in(&api, mail).await {
                tracing::error!(mail = %MailId(mail.id), error = kit::fault::chain(&fault), "a document was not handed in");
            }
            drop(permit);
        });
    }
    Ok(full)
}

/// All that an attempt needs to know.
struct Ready {
    mail: Mail,
    head: Head,
    sender: Option<Sender>,
    sealed: Option<Vec<u8>>,
    notice: Option<Claim>,
    /// What the notice reminds of is not to be reminded of any more.
    overtaken: bool,
}

/// One attempt at one mail.
async fn hand_in(api: &Api, due: Due) -> Result<(), Fault> {
    let limit = api.post().settings.attempt_limit;
    let (begun, claim) = (Instant::now(), api.deps().clock.new_uuid());
    let Some(ready) = begin(api, due, claim).await? else { return Ok(()) };
    let outcome = match prepared(api, due, &ready).await? {
        Ok(prepared) => attempt(api, due, claim, &prepared, begun + limit).await?,
        Err(trouble) => Handed::Refused(trouble),
    };
    // What the server answered must not be forgotten: where the database is away it is
    // waited for, as long as nobody else takes the mail over.
    let mut wait = Duration::from_millis(100);
    loop {
        match end(api, due, &ready, claim, &outcome).await {
            Err(fault) if begun.elapsed() + wait < limit * 2 => {
                tracing::warn!(error = kit::fault::chain(&fault), "what became of a mail is not written down yet");
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(Duration::from_secs(5));
            }
            done => return done,
        }
    }
}

async fn begin(api: &Api, due: Due, claim: uuid::Uuid) -> Result<Option<Ready>, Fault> {
    let mut tx = api.deps().db.begin(&due.scope()).await?;
    let until = later(tx.now(), api.post().settings.attempt_limit * 2);
    let Some(mail) = store::mail::claim(&mut tx, MailId(due.id), claim, until).await? else { return Ok(None) };
    let gone = || Fault::internal("a mail without its invoice");
    let head = store::invoice::read(&mut tx, Some(mail.seller.0), mail.invoice_id).await?.ok_or_else(gone)?;
    let sender = store::mail::sender(&mut tx, head.issuer_id).await?;
    let sealed = store::mail::secret(&mut tx, head.issuer_id).await?;
    let mut notice = None;
    if 0 < mail.level {
        let of = store::dunning::notices(&mut tx, Some(mail.seller.0), Some(mail.invoice_id), None, 20).await?;
        notice = of.into_iter().find(|notice| notice.level == mail.level).map(|of| Claim {
            days_overdue: of.days_overdue,
            due: of.due,
            charges: OpenCharge { fee: of.fee, interest: of.interest },
        });
    }
    let overtaken = 0 < mail.level && is_overtaken(&mut tx, &head).await?;
    tx.commit().await?;
    Ok(Some(Ready { mail, head, sender, sealed, notice, overtaken }))
}

/// Whether nothing is due any more of an invoice that a notice is about, or it is held: then nobody is reminded of it.
pub(crate) async fn is_overtaken(tx: &mut TenantTx, head: &Head) -> Result<bool, Fault> {
    let living = matches!(head.state, State::Finalized | State::Sent);
    let due = head.total - head.paid - head.credited - head.disputed;
    let issuer = store::profile::issuer(tx, head.issuer_id).await?;
    let issuer = issuer.ok_or_else(|| Fault::internal("an invoice without its issuer"))?;
    let today = local_date(tx.now(), &parse_zone(&issuer.time_zone)?);
    let held = store::dunning::held(tx, head.invoice_id).await?;
    let holds = held.is_some_and(|until| until.is_none_or(|until| today <= until));
    Ok(!living || due <= Decimal::ZERO || holds)
}

/// What is handed in, and where.
struct Prepared<'a> {
    sender: &'a Sender,
    credential: Option<Credential>,
    mail: courier::Mail,
}

async fn prepared<'a>(api: &Api, due: Due, ready: &'a Ready) -> Result<Result<Prepared<'a>, Trouble>, Fault> {
    let post = api.post();
    if ready.overtaken {
        let said = "the invoice was settled, disputed or held after the notice was raised";
        return Ok(Err(Trouble::new(Reason::Unsendable, said)));
    }
    let Some(sender) = &ready.sender else {
        return Ok(Err(Trouble::new(Reason::NoConnection, "the issuer has no mail server")));
    };
    let place = place(due.provider, ready.head.issuer_id);
    let secret =
        |_: &&Vec<u8>| !sender.user.is_empty() && (sender.security != Security::None || post.settings.internal_servers);
    let password = ready.sealed.as_ref().filter(secret).map(|sealed| post.open(&place, sealed)).transpose();
    let credential = match password {
        Ok(password) => password.map(Credential::Password),
        Err(broken) => return Ok(Err(Trouble::new(Reason::Secret, broken))),
    };
    let mut files = Vec::new();
    for name in &ready.mail.formats {
        let rendered = match Format::named(name, &ready.mail.language, &ready.head) {
            Ok(format) => api.rendered(due.provider, &ready.head, format).await.map(|document| (format, document)),
            Err(fault) => Err(fault),
        };
        match rendered {
            Ok((format, document)) => {
                files.push((format!("{}.{}", ready.head.number, format.ending()), format, document.content));
            }
            Err(Fault::Refused(refusal)) => return Ok(Err(Trouble::new(Reason::Unsendable, refusal))),
            Err(other) => return Err(other),
        }
    }
    Ok(letter(ready, sender, &files).map(|mail| Prepared { sender, credential, mail }))
}

async fn attempt(api: &Api, due: Due, claim: Uuid, prepared: &Prepared<'_>, until: Instant) -> Result<Handed, Fault> {
    let post = api.post();
    let visit = Visit {
        dial: &post.dial,
        hello: &post.settings.hello,
        door: prepared.sender.door(),
        credential: prepared.credential.as_ref(),
        until,
    };
    let leaving = async {
        let mut tx = api.deps().db.begin(&due.scope()).await?;
        if !store::mail::handed(&mut tx, MailId(due.id), claim).await? {
            return Err(Fault::internal("the attempt took too long and was taken over"));
        }
        Ok(tx.commit().await?)
    };
    visit.hand_in(&prepared.mail, leaving).await
}

/// The mail, the same bytes in every attempt.
fn letter(ready: &Ready, sender: &Sender, files: &[(String, Format, Vec<u8>)]) -> Result<courier::Mail, Trouble> {
    let unsendable = |what: &str| Trouble::new(Reason::Unsendable, what);
    let (mail, head) = (&ready.mail, &ready.head);
    let language = if mail.language.is_empty() { language_of(&head.buyer.country) } else { &mail.language };
    let of = Letter {
        issuer: &head.issuer.legal_name,
        number: &head.number,
        credit_note: head.credit_note,
        currency: head.currency,
        total: head.total,
        due_date: head.due_date,
        notice: ready.notice,
    };
    let (subject, text) = written(&of, language);
    let from: Address = sender.from_address.parse().map_err(|_| unsendable("the issuer's address is none"))?;
    let name = Some(sender.from_name.clone()).filter(|name| !name.is_empty());
    let automatic = HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned());
    let mut message = Message::builder()
        .date(mail.queued_at.into())
        .from(Mailbox::new(name, from.clone()))
        .subject(subject)
        .message_id(Some(format!("<{}>", mail.message_id)))
        .raw_header(automatic);
    let mut recipients = Vec::new();
    for recipient in &mail.recipients {
        let to: Address = recipient.parse().map_err(|_| unsendable("a recipient's address is none"))?;
        message = message.to(Mailbox::new(None, to.clone()));
        recipients.push(to);
    }
    let mut parts = courier::parts(&mail.message_id, &text);
    for (name, format, content) in files {
        let kind = ContentType::parse(format.media_type()).map_err(|_| unsendable("a file's type is none"))?;
        parts = parts.singlepart(courier::file(name, kind, content));
    }
    let envelope = Envelope::new(Some(from), recipients).map_err(|_| unsendable("there is nobody to send it to"))?;
    let message = message.multipart(parts).map_err(|_| unsendable("the mail cannot be written"))?;
    Ok(courier::Mail { envelope, bytes: message.formatted() })
}

/// Commits what became of the attempt; what the server took makes the invoice sent.
async fn end(api: &Api, due: Due, ready: &Ready, claim: uuid::Uuid, outcome: &Handed) -> Result<(), Fault> {
    let mail = &ready.mail;
    let mut tx = api.deps().db.begin(&due.scope()).await?;
    let now = tx.now();
    let (trouble, unknown) = match outcome {
        Handed::Taken(said) => {
            // The invoice is locked before its mail, as by a call that queues it.
            let head = store::invoice::lock(&mut tx, mail.invoice_id).await?;
            let is_current = store::mail::ended(&mut tx, mail.mail_id, claim, &Ended::Sent(said)).await?;
            let unsent = head.filter(|head| is_current && mail.level == 0 && head.sent_at.is_none());
            if let Some(mut head) = unsent {
                head.sent_at = Some(now);
                if head.state == State::Finalized {
                    head.state = State::Sent;
                }
                store::invoice::update(&mut tx, &head).await?;
            }
            return Ok(tx.commit().await?);
        }
        Handed::Refused(trouble) => (trouble, false),
        Handed::Unknown(trouble) => (trouble, true),
    };
    let settings = &api.post().settings;
    let patience = Patience { first: settings.first_retry, attempts: settings.attempts };
    let next = courier::next(&patience, mail.attempts, trouble.reason, chance()?);
    tracing::info!(
        mail = %mail.mail_id,
        reason = trouble.reason.name(),
        attempts = mail.attempts,
        given_up = next == Next::GiveUp,
        "a document was not handed in"
    );
    let ended = match next {
        Next::Again(pause) => Ended::Again(later(now, pause), unknown, trouble),
        Next::GiveUp => Ended::GivenUp(unknown, trouble),
    };
    store::mail::ended(&mut tx, mail.mail_id, claim, &ended).await?;
    Ok(tx.commit().await?)
}

/// What was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resealed {
    /// Secrets that are kept.
    pub kept: u64,
    /// Those of them that were sealed anew.
    pub anew: u64,
}

/// Seals every password under the current master key. What no key opens ends it; it can be repeated.
pub async fn reseal(db: &tenantdb::TenantDb, masters: &MasterKeys) -> Result<Resealed, Fault> {
    const PAGE: i64 = 200;
    let seal = Seal::new(masters, OWNER)?;
    let begun = db.clock().now();
    let mut done = Resealed::default();
    loop {
        let query = "select provider_id, null::uuid, issuer_id from billing.mail_secret
                      where sealed_at < $1 order by sealed_at limit $2";
        let due = db.due(query, begun, PAGE).await?;
        if due.is_empty() {
            return Ok(done);
        }
        for of in due {
            let mut tx = db.begin(&of.scope()).await?;
            let issuer = IssuerId(of.id);
            if let Some(sealed) = store::mail::secret(&mut tx, issuer).await? {
                let anew = seal.reseal(&place(tx.provider(), issuer), &sealed)?;
                done.kept += 1;
                done.anew += u64::from(anew.is_some());
                store::mail::keep_secret(&mut tx, issuer, &anew.unwrap_or(sealed)).await?;
            }
            tx.commit().await?;
        }
    }
}
