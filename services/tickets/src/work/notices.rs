//! Tells contacts of the escalation matrix of alerts, by mail, while nobody has seen to them. What is due of a seller is
//! decided on together and goes out as one mail for each contact; the mails wait in a queue of their own and leave by
//! the installation's server for notices, never by a seller's: an answer to one must not become somebody's ticket.
//!
//! Each level is told of each alert once, also across a crash: the decision, the mail and the next level's notice are
//! one transaction, and an attempt to hand the mail in goes the way of every mail (see [`super::mail::post`]).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use courier::{Credential, Handed, Next, Reason, Security, Trouble, Visit, chance, later};
use jiff::SignedDuration;
use kit::{Fault, Scope};
use lettre::address::Envelope;
use lettre::message::Mailbox;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::{Address, Message};
use proto::tenants::v1::onboarding_service_client::OnboardingServiceClient;
use proto::tenants::v1::{GetEscalationMatrixRequest, ListContactsRequest};
use tenantdb::Due;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::mail::Notices;
use super::{Desk, rounds};
use crate::domain::ids::Uuid;
use crate::domain::notice::{APART, Fate, Letter, NAMED, Nobody, Step, decide, written};
use crate::domain::ticket::Priority;
use crate::store;
use crate::store::notices::{Decided, Ended, Mail, New};

/// Sellers, and mails, looked at in one round.
const BATCH: i64 = 100;
/// Notices of a seller decided on together.
const TOGETHER: i64 = 500;
/// The pause between rounds.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Decides what is due, until told to stop.
pub async fn watch(desk: Arc<Desk>, stop: CancellationToken) {
    rounds::watch("notices", LOOK_EVERY, &stop, || look(&desk)).await;
}

/// Hands mails in, until told to stop.
pub async fn post(desk: Arc<Desk>, stop: CancellationToken) {
    rounds::watch("mails with notices", LOOK_EVERY, &stop, || look_for_mails(&desk)).await;
}

/// One round; whether more may wait.
async fn look(desk: &Desk) -> Result<bool, Fault> {
    let due = "select distinct provider_id, seller_id, seller_id from (
                   select provider_id, seller_id from tickets.notice where due_at <= $1 order by due_at limit 5000) as d
                limit $2";
    let due = desk.deps.db.due(due, desk.deps.clock.now(), BATCH).await?;
    Ok(rounds::each("notices", due, BATCH, |seller| gather(desk, seller)).await)
}

/// The seller's matrix, each step with its contact.
async fn matrix(desk: &Desk, scope: &Scope) -> Result<Vec<Step>, Fault> {
    let seller_id = scope.seller().ok_or(Fault::NotFound("seller"))?.to_string();
    let mut client = OnboardingServiceClient::new(desk.deps.calls.for_scope("tenants", scope)?);
    let request = GetEscalationMatrixRequest { seller_id: seller_id.clone() };
    let steps = client.get_escalation_matrix(request).await?.into_inner().steps;
    let contacts = client.list_contacts(ListContactsRequest { seller_id }).await?.into_inner().contacts;
    let contacts: BTreeMap<&str, _> = contacts.iter().map(|contact| (contact.key.as_str(), contact)).collect();
    let step = |step: &proto::tenants::v1::EscalationStep| {
        let contact = contacts.get(step.contact_key.as_str());
        Some(Step {
            severity: Priority::named(&step.severity)?,
            level: step.level,
            after_seconds: step.after_seconds,
            contact_key: step.contact_key.clone(),
            by_mail: step.via == "email",
            name: contact.map(|contact| contact.name.clone()).unwrap_or_default(),
            address: contact.map(|contact| contact.email.clone()).unwrap_or_default(),
            language: contact.map(|contact| contact.language.clone()).unwrap_or_default(),
        })
    };
    Ok(steps.iter().filter_map(step).collect())
}

/// Decides on what is due of a seller: one mail for each contact and level. Whether something was done.
async fn gather(desk: &Desk, seller: Due) -> Result<bool, Fault> {
    let scope = seller.scope();
    // Asked before a transaction begins: whoever holds a connection must not wait for somebody who may need one.
    let matrix = match &desk.mail.settings.notices {
        Some(_) => Some(matrix(desk, &scope).await?),
        None => None,
    };
    let mut tx = desk.deps.db.begin(&scope).await?;
    let now = tx.now();
    let due = store::notices::due(&mut tx, TOGETHER).await?;
    if due.is_empty() {
        return Ok(false);
    }
    let mut mails: BTreeMap<(String, i32), Mail> = BTreeMap::new();
    let mut waits: BTreeMap<String, Option<jiff::Timestamp>> = BTreeMap::new();
    let (mut decided, mut next) = (Vec::with_capacity(due.len()), Vec::new());
    for notice in due {
        let Some(matrix) = &matrix else {
            let what = if notice.is_over { Decided::Settled } else { Decided::Nobody(Nobody::NoServer.name()) };
            decided.push((notice, what));
            continue;
        };
        let (fate, then) = decide(matrix, notice.severity, notice.level, notice.is_over);
        let what = match fate {
            Fate::Settled => Decided::Settled,
            Fate::Nobody(why) => Decided::Nobody(why.name()),
            Fate::Mail(step) => {
                if !waits.contains_key(&step.contact_key) {
                    let last = store::notices::last(&mut tx, &step.contact_key).await?;
                    let until = last.and_then(|last| last.checked_add(APART).ok()).filter(|until| now < *until);
                    waits.insert(step.contact_key.clone(), until);
                }
                if let Some(until) = waits.get(&step.contact_key).copied().flatten() {
                    decided.push((notice, Decided::Later(until)));
                    continue;
                }
                let mail = mails.entry((step.contact_key.clone(), notice.level)).or_insert_with(|| Mail {
                    id: desk.deps.clock.new_uuid(),
                    contact_key: step.contact_key.clone(),
                    level: notice.level,
                    recipient: step.address.clone(),
                    recipient_name: step.name.clone(),
                    language: step.language.clone(),
                    queued_at: now,
                    attempts: 0,
                });
                Decided::Mailed(mail.id)
            }
        };
        next.extend(then.map(|(level, after)| New {
            alert: notice.alert,
            ticket: notice.ticket,
            level,
            at: now.checked_add(SignedDuration::from_secs(after)).unwrap_or(now),
        }));
        decided.push((notice, what));
    }
    let mails: Vec<Mail> = mails.into_values().collect();
    store::notices::queue(&mut tx, &mails)?;
    store::notices::decide(&mut tx, &decided)?;
    store::notices::note(&mut tx, &next)?;
    tx.commit().await?;
    Ok(true)
}

/// One round; whether more may wait.
async fn look_for_mails(desk: &Desk) -> Result<bool, Fault> {
    let due = "select provider_id, seller_id, mail_id from tickets.notice_mail
                where due_at <= $1 order by due_at limit $2";
    let due = desk.deps.db.due(due, desk.deps.clock.now(), BATCH).await?;
    Ok(rounds::each("mails with notices", due, BATCH, |mail| hand_in(desk, mail)).await)
}

/// One attempt at one mail; whether it was made.
async fn hand_in(desk: &Desk, due: Due) -> Result<bool, Fault> {
    let limit = desk.mail.settings.attempt_limit;
    let (begun, claim) = (Instant::now(), desk.deps.clock.new_uuid());
    let mut tx = desk.deps.db.begin(&due.scope()).await?;
    let until = later(tx.now(), limit * 2);
    let Some(mail) = store::notices::claim(&mut tx, due.id, claim, until).await? else { return Ok(false) };
    let (lines, total) = store::notices::lines(&mut tx, due.id, NAMED).await?;
    let settings = desk.settings_in(&mut tx).await?;
    let seller = tx.seller()?;
    let name = tenantdb::sellers::read(&mut tx, seller).await?.map(|terms| terms.name).unwrap_or_default();
    tx.commit().await?;
    let letter = Letter { seller: &name, level: mail.level, lines: &lines, total, zone: &settings.zone };
    let handed = match &desk.mail.settings.notices {
        None => Handed::Refused(Trouble::new(Reason::NoConnection, "there is no mail server for notices")),
        Some(notices) => match mail_of(notices, &mail, &letter) {
            Err(trouble) => Handed::Refused(trouble),
            Ok(written) => {
                let credential = credential(desk, notices);
                let visit = Visit {
                    dial: &desk.mail.dial,
                    hello: &desk.mail.settings.hello,
                    door: notices.door(),
                    credential: credential.as_ref(),
                    until: begun + limit,
                };
                visit.hand_in(&written, leaving(desk, due, claim)).await?
            }
        },
    };
    end(desk, due, &mail, claim, &handed).await?;
    Ok(true)
}

/// Nothing secret goes over a connection that others read, unless the installation allows it.
fn credential(desk: &Desk, notices: &Notices) -> Option<Credential> {
    let may = notices.security != Security::None || desk.mail.settings.internal_servers;
    (may && !notices.user.is_empty()).then(|| Credential::Password(notices.password.clone()))
}

/// Commits that the mail's bytes begin to leave.
async fn leaving(desk: &Desk, due: Due, claim: Uuid) -> Result<(), Fault> {
    let mut tx = desk.deps.db.begin(&due.scope()).await?;
    if !store::notices::handed(&mut tx, due.id, claim).await? {
        return Err(Fault::internal("the attempt took too long and was taken over"));
    }
    Ok(tx.commit().await?)
}

/// The mail; in every attempt under the same Message-ID, by which its receiver knows a second one.
fn mail_of(notices: &Notices, mail: &Mail, letter: &Letter<'_>) -> Result<courier::Mail, Trouble> {
    let unsendable = |what: &str| Trouble::new(Reason::Unsendable, what);
    let (subject, text) = written(letter, &mail.language);
    let from: Address = notices.from.parse().map_err(|_| unsendable("the address of notices is none"))?;
    let to: Address = mail.recipient.parse().map_err(|_| unsendable("the contact's address is none"))?;
    let name = Some(mail.recipient_name.clone()).filter(|name| !name.is_empty());
    let automatic = HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned());
    let message_id = format!("{}@{}", mail.id.simple(), from.domain());
    let message = Message::builder()
        .date(mail.queued_at.into())
        .from(Mailbox::new(None, from.clone()))
        .to(Mailbox::new(name, to.clone()))
        .subject(subject)
        .message_id(Some(format!("<{message_id}>")))
        .raw_header(automatic);
    let envelope = Envelope::new(Some(from), vec![to]).map_err(|_| unsendable("there is nobody to send it to"))?;
    let message =
        message.multipart(courier::parts(&message_id, &text)).map_err(|_| unsendable("the mail cannot be written"))?;
    Ok(courier::Mail { envelope, bytes: message.formatted() })
}

/// Commits what became of the attempt.
async fn end(desk: &Desk, due: Due, mail: &Mail, claim: Uuid, handed: &Handed) -> Result<(), Fault> {
    let mut tx = desk.deps.db.begin(&due.scope()).await?;
    let (trouble, unknown) = match handed {
        Handed::Taken(_) => {
            store::notices::ended(&mut tx, mail.id, claim, &Ended::Sent).await?;
            return Ok(tx.commit().await?);
        }
        Handed::Refused(trouble) => (trouble, false),
        Handed::Unknown(trouble) => (trouble, true),
    };
    let ended = match courier::next(&desk.mail.patience(), mail.attempts, trouble.reason, chance()?) {
        Next::Again(pause) => Ended::Again(later(tx.now(), pause), unknown, trouble),
        Next::GiveUp => Ended::GivenUp(unknown, trouble),
    };
    tracing::info!(
        mail = %mail.id,
        reason = trouble.reason.name(),
        attempts = mail.attempts,
        given_up = matches!(ended, Ended::GivenUp(..)),
        "a mail with notices was not handed in"
    );
    store::notices::ended(&mut tx, mail.id, claim, &ended).await?;
    Ok(tx.commit().await?)
}
