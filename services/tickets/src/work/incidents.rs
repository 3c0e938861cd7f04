//! Tells customers of incidents, each once: the ticket, the message and its place in the queue of outgoing mails are
//! written in the transaction that marks the recipient. A process that dies before its commit has done nothing;
//! one that comes again finds the mark. From there the message leaves as any other does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kit::Fault;
use tenantdb::{Due, TenantTx};
use tokio_util::sync::CancellationToken;

use super::values::{Voices, language_of};
use super::{Desk, rounds};
use crate::domain::case::{Case, Extras};
use crate::domain::dossier::{Act, Dossier};
use crate::domain::ids::{IncidentId, MessageId, TicketId};
use crate::domain::incident::{NotTold, State as Stands, Telling, template_for};
use crate::domain::intake::Direction;
use crate::domain::settings::Settings;
use crate::domain::ticket::{self, Kind, State};
use crate::domain::{guard, ours, template};
use crate::store;
use crate::store::incidents::Recipient;
use crate::store::keep::SERIAL_START;
use crate::store::templates::Template;

/// Recipients and tickets looked at in one round.
const BATCH: i64 = 200;
/// The pause between rounds.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks until told to stop.
pub async fn watch(desk: Arc<Desk>, stop: CancellationToken) {
    rounds::watch("incidents", LOOK_EVERY, &stop, || look(&desk)).await;
}

/// One round; whether a full batch was found and some of it done, so that more may wait.
async fn look(desk: &Desk) -> Result<bool, Fault> {
    let now = desk.deps.clock.now();
    // Some of each seller, so that one with thousands to tell keeps nobody waiting.
    let to_tell = "select provider_id, seller_id, recipient_id
                     from (select *, row_number() over (partition by provider_id, seller_id order by due_at) as place
                             from (select provider_id, seller_id, recipient_id, due_at from tickets.incident_recipient
                                    where due_at <= $1 order by due_at limit 5000) as d) as d
                    where place <= 50 order by place, due_at limit $2";
    let due = desk.deps.db.due(to_tell, now, BATCH).await?;
    let more = rounds::each("customers to tell of incidents", due, BATCH, |one| tell(desk, one)).await;
    let over = "select distinct provider_id, seller_id, ticket_id from (
                    select provider_id, seller_id, ticket_id from tickets.incident_notice
                     where due_at <= $1 order by due_at limit $2) as d";
    let due = desk.deps.db.due(over, now, BATCH).await?;
    Ok(rounds::each("tickets of closed incidents", due, BATCH, |one| close(desk, one)).await || more)
}

/// The templates of a key by language.
async fn templates(tx: &mut TenantTx, key: &str) -> Result<BTreeMap<String, Template>, Fault> {
    let all = store::templates::of_key(tx, key).await?;
    Ok(all.into_iter().map(|template| (template.language.clone(), template)).collect())
}

async fn tell(desk: &Desk, due: Due) -> Result<bool, Fault> {
    let voices = desk.voices(&due.scope(), None).await;
    let mut tx = desk.deps.db.begin(&due.scope()).await?;
    let settings = desk.settings_in(&mut tx).await?;
    let Some(recipient) = store::incidents::due(&mut tx, due.id).await? else { return Ok(false) };
    if let Err(why) = tell_one(desk, &mut tx, &settings, &voices, &recipient).await? {
        store::incidents::skipped(&mut tx, recipient.id, why.name()).await?;
    }
    tx.commit().await?;
    Ok(true)
}

/// Opens the ticket in which somebody is told, or says why she is not.
async fn tell_one(
    desk: &Desk,
    tx: &mut TenantTx,
    settings: &Settings,
    voices: &Voices,
    recipient: &Recipient,
) -> Result<Result<(), NotTold>, Fault> {
    let incident = store::incidents::find(tx, recipient.incident).await?.map(|of| of.value);
    let Some(incident) = incident.filter(|incident| incident.state == Stands::Active) else {
        return Ok(Err(NotTold::IncidentClosed));
    };
    let customer = store::customers::find(tx, recipient.customer).await?.map(|of| of.value);
    let Some(customer) = customer.filter(|customer| customer.erased_at.is_none()) else {
        return Ok(Err(NotTold::Erased));
    };
    if customer.id != recipient.customer && store::incidents::is_recipient(tx, incident.id, customer.id).await? {
        return Ok(Err(NotTold::Merged));
    }
    if store::incidents::mail_of(tx, customer.id).await?.is_none() {
        return Ok(Err(NotTold::NoAddress));
    }
    let templates = templates(tx, &incident.plan.template_key).await?;
    let Some(text) = templates.get(&recipient.template_language) else { return Ok(Err(NotTold::NoTemplate)) };
    let Some(account) = settings.account(incident.plan.account) else { return Ok(Err(NotTold::NoAccount)) };
    let serial = store::incidents::next_serial(tx, SERIAL_START + 1).await?;
    let now = tx.now();
    let telling = Telling {
        id: TicketId(tx.new_uuid()),
        number: ticket::number(&settings.prefix, serial),
        subject: &text.title,
        account,
        customer: customer.id,
        tier: &customer.tier,
        order_id: &recipient.order_id,
        language: &text.language,
        country: &recipient.country,
        at: now,
    };
    let mut dossier = Dossier::new(telling.ticket());
    let message = match said(desk, tx, settings, voices, &mut dossier, &text.body).await? {
        Ok(message) => message,
        Err(why) => return Ok(Err(why)),
    };
    let act = Act { user: None, at: now };
    dossier.hold(act, State::PendingCustomer)?;
    let id = dossier.ticket.id;
    // What we say first sets no trigger off.
    desk.keep_case_unnoted(tx, settings, &mut Case::new(dossier, Extras::default())).await?;
    store::incidents::told(tx, recipient.id, id, message).await?;
    Ok(Ok(()))
}

/// Says a text in a ticket, with its variables filled in; not if one of them has no value, or where it names another
/// seller: what leaves by itself is guarded as what people write.
async fn said(
    desk: &Desk,
    tx: &mut TenantTx,
    settings: &Settings,
    voices: &Voices,
    dossier: &mut Dossier,
    text: &str,
) -> Result<Result<MessageId, NotTold>, Fault> {
    let Ok(variables) = template::check(text) else { return Ok(Err(NotTold::TextUnresolved)) };
    let values = desk.values(tx, None, voices, &dossier.ticket, settings, &variables).await?;
    let Ok(Ok(body)) = template::render(text, &values) else { return Ok(Err(NotTold::TextUnresolved)) };
    // The subject leaves with it.
    let (seller, grams) = (tx.seller()?, guard::grams(&format!("{}\n{body}", dossier.ticket.subject)));
    let hits = store::guard::hits(tx, seller, &grams).await?;
    let before = store::guard::said(tx, dossier.ticket.id).await?;
    if !guard::judge(&hits, &before).is_empty() {
        return Ok(Err(NotTold::NamesAnotherSeller));
    }
    let id: MessageId = desk.deps.clock.new_id();
    let act = Act { user: None, at: tx.now() };
    let mut message = ours::message(dossier, act, settings, id, Direction::Outbound, body);
    message.automatic = true;
    dossier.answered(message, false, false)?;
    Ok(Ok(id))
}

async fn close(desk: &Desk, due: Due) -> Result<bool, Fault> {
    let id = TicketId(due.id);
    let voices = desk.voices(&due.scope(), None).await;
    let mut tx = desk.deps.db.begin(&due.scope()).await?;
    let settings = desk.settings_in(&mut tx).await?;
    let Some(mut dossier) = store::load::dossier_if_free(&mut tx, id).await? else { return Ok(false) };
    for incident in store::incidents::take_notices(&mut tx, id).await? {
        if !dossier.ticket.state.is_done() {
            over(desk, &mut tx, &settings, &voices, &mut dossier, incident).await?;
        }
    }
    desk.keep_case_unnoted(&mut tx, &settings, &mut Case::new(dossier, Extras::default())).await?;
    tx.commit().await?;
    Ok(true)
}

/// Tells an open ticket that an incident is over, and solves it if nobody wrote in it.
async fn over(
    desk: &Desk,
    tx: &mut TenantTx,
    settings: &Settings,
    voices: &Voices,
    dossier: &mut Dossier,
    incident: IncidentId,
) -> Result<(), Fault> {
    let Some(incident) = store::incidents::find(tx, incident).await?.map(|of| of.value) else { return Ok(()) };
    let plan = &incident.plan;
    if !plan.closing_template_key.is_empty() {
        let templates = templates(tx, &plan.closing_template_key).await?;
        let (language, country) = (language_of(&dossier.ticket, settings), dossier.ticket.country.clone());
        let found = template_for(&templates, &language, &country, &plan.fallback_language);
        if let Some(text) = found.and_then(|language| templates.get(language))
            && let Err(why) = said(desk, tx, settings, voices, dossier, &text.body).await?
        {
            tracing::warn!(ticket.id = %dossier.ticket.id, reason = why.name(), "nobody was told that an incident is over");
        }
    }
    let somebody_wrote = dossier.facts.iter().any(|fact| fact.kind == Kind::CustomerWrote && !fact.automatic);
    if !somebody_wrote {
        dossier.solve(Act { user: None, at: tx.now() })?;
    }
    Ok(())
}
