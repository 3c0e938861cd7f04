//! Asks customers how it was, some time after their ticket was solved. What is due is taken in the transaction
//! that asks or decides not to, so that nobody is asked twice, whichever replica does it and wherever it dies:
//! the message leaves as any other does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use kit::Fault;
use tenantdb::{Due, TenantTx};
use tokio_util::sync::CancellationToken;

use super::values::{Voices, language_of, near};
use super::{Desk, rounds};
use crate::domain::case::{Case, Extras};
use crate::domain::dossier::{Act, Dossier};
use crate::domain::ids::{InvitationId, MessageId, TicketId};
use crate::domain::intake::Direction;
use crate::domain::intake::mail::automatic::is_no_reply;
use crate::domain::settings::Settings;
use crate::domain::survey::{self, Link, Looked, NotAsked, Survey, Text};
use crate::domain::template::{self, OF_SURVEYS};
use crate::domain::{guard, ours};
use crate::store;
use crate::store::surveys::{About, Invitation};

/// Tickets looked at in one round.
const BATCH: i64 = 200;
/// The pause between rounds.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks until told to stop.
pub async fn watch(desk: Arc<Desk>, stop: CancellationToken) {
    rounds::watch("surveys", LOOK_EVERY, &stop, || look(&desk)).await;
}

/// One round; whether a full batch was found and some of it done, so that more may wait.
async fn look(desk: &Desk) -> Result<bool, Fault> {
    let query = "select distinct provider_id, seller_id, ticket_id from (
                     select provider_id, seller_id, ticket_id from tickets.survey_work
                      where due_at <= $1 order by due_at limit $2) as d";
    let due = desk.deps.db.due(query, desk.deps.clock.now(), BATCH).await?;
    Ok(rounds::each("surveys", due, BATCH, |ticket| ask(desk, ticket)).await)
}

async fn ask(desk: &Desk, due: Due) -> Result<bool, Fault> {
    let id = TicketId(due.id);
    let voices = desk.voices(&due.scope(), None).await;
    let mut tx = desk.deps.db.begin(&due.scope()).await?;
    let settings = desk.settings_in(&mut tx).await?;
    let Some(mut dossier) = store::load::dossier_if_free(&mut tx, id).await? else { return Ok(false) };
    let surveys = store::surveys::take_due(&mut tx, id).await?;
    let Some(mut about) = store::surveys::about(&mut tx, id, dossier.ticket.customer).await? else { return Ok(false) };
    for survey in surveys {
        let Some(survey) = store::surveys::find(&mut tx, survey, None).await?.map(|of| of.value) else { continue };
        let mut invitation = begun(&tx, &settings, &dossier, &survey, &about);
        match invite(desk, &mut tx, &settings, &mut dossier, &survey, &about, &mut invitation, &voices).await? {
            Ok(()) => about.last_asked = Some(invitation.decided_at),
            Err(why) => invitation.not_asked = Some(why.name().to_owned()),
        }
        store::surveys::note(&mut tx, &invitation).await?;
    }
    if !dossier.new_messages.is_empty() {
        // What a survey says sets no trigger off.
        let mut case = Case::new(dossier, Extras::default());
        desk.keep_case_unnoted(&mut tx, &settings, &mut case).await?;
    }
    tx.commit().await?;
    Ok(true)
}

/// What is noted in any case.
fn begun(tx: &TenantTx, settings: &Settings, dossier: &Dossier, survey: &Survey, about: &About) -> Invitation {
    let (ticket, now) = (&dossier.ticket, tx.now());
    Invitation {
        id: InvitationId(tx.new_uuid()),
        survey: survey.id,
        version: survey.version,
        ticket: ticket.id,
        customer: ticket.customer,
        message: None,
        kind: survey.kind,
        not_asked: None,
        asked_in: String::new(),
        decided_at: now,
        expires_at: None,
        decided_on: settings.zone.to_datetime(now).date(),
        country: if ticket.country.is_empty() { about.country.clone() } else { ticket.country.clone() },
        marketplace: ticket.marketplace.clone(),
        language: ticket.language.clone().unwrap_or_default(),
        channel: ticket.channel.clone(),
        answered_at: None,
    }
}

/// Writes the message that asks, or says why nobody is asked.
#[allow(clippy::too_many_arguments)]
async fn invite(
    desk: &Desk,
    tx: &mut TenantTx,
    settings: &Settings,
    dossier: &mut Dossier,
    survey: &Survey,
    about: &About,
    invitation: &mut Invitation,
    voices: &Voices,
) -> Result<Result<(), NotAsked>, Fault> {
    let ticket = &dossier.ticket;
    let mut languages = near(&language_of(ticket, settings));
    languages.extend(about.languages.iter().flat_map(|language| near(language)));
    let looked = Looked {
        state: ticket.state,
        channel: &ticket.channel,
        merged: ticket.merged_into.is_some(),
        historical: ticket.historical,
        erased: about.erased,
        person_wrote: about.wrote_from.is_some(),
        no_reply: about.wrote_from.as_deref().is_some_and(is_no_reply),
        bounced: about.bounced,
        no_answer_wanted: about.no_answer_wanted,
        last_asked: about.last_asked,
        languages,
        now: invitation.decided_at,
    };
    let text = match survey::decide(survey, &looked) {
        Ok(text) => text,
        Err(why) => return Ok(Err(why)),
    };
    // A link that leads nowhere asks nobody.
    let keys = desk.mail.links.as_ref().filter(|_| !desk.mail.settings.public_url.is_empty());
    let Some(keys) = keys else { return Ok(Err(NotAsked::NoLinkKey)) };
    let valid = SignedDuration::from_hours(24 * i64::from(survey.valid_days));
    let expires_at = invitation.decided_at.checked_add(valid).unwrap_or(invitation.decided_at);
    let link = Link {
        provider: tx.provider().0,
        seller: tx.seller()?,
        invitation: invitation.id,
        expires_at: expires_at.as_second(),
    };
    let token = keys.token(&link.bytes());
    let body = match written(desk, tx, settings, dossier, survey, text, &token, voices).await? {
        Ok(body) => body,
        Err(why) => return Ok(Err(why)),
    };
    let act = Act { user: None, at: invitation.decided_at };
    let id: MessageId = desk.deps.clock.new_id();
    let mut message = ours::message(dossier, act, settings, id, Direction::Outbound, body);
    message.automatic = true;
    dossier.answered(message, false, false)?;
    (invitation.message, invitation.expires_at) = (Some(id), Some(expires_at));
    invitation.asked_in.clone_from(&text.language);
    Ok(Ok(()))
}

/// The text of a message with its variables filled in, unless it names another seller.
#[allow(clippy::too_many_arguments)]
async fn written(
    desk: &Desk,
    tx: &mut TenantTx,
    settings: &Settings,
    dossier: &Dossier,
    survey: &Survey,
    text: &Text,
    token: &str,
    voices: &Voices,
) -> Result<Result<String, NotAsked>, Fault> {
    let Ok(variables) = template::check_with(&text.invitation, &OF_SURVEYS) else {
        return Ok(Err(NotAsked::TextUnresolved));
    };
    let mut values = desk.values(tx, None, voices, &dossier.ticket, settings, &variables).await?;
    // Only the seller's own words are looked at: letters of a link could read as anything.
    let words = template::render_with(&text.invitation, &with(&values, "-", "-"), &OF_SURVEYS);
    let Ok(Ok(words)) = words else { return Ok(Err(NotAsked::TextUnresolved)) };
    let grams = guard::grams(&words);
    let seller = tx.seller()?;
    let hits = store::guard::hits(tx, seller, &grams).await?;
    let said = store::guard::said(tx, dossier.ticket.id).await?;
    if !guard::judge(&hits, &said).is_empty() {
        return Ok(Err(NotAsked::NamesAnotherSeller));
    }
    let (link, links) = survey::links(&desk.mail.settings.public_url, token, survey.kind, text);
    values = with(&values, &link, &links);
    match template::render_with(&text.invitation, &values, &OF_SURVEYS) {
        Ok(Ok(body)) => Ok(Ok(body)),
        _ => Ok(Err(NotAsked::TextUnresolved)),
    }
}

fn with(values: &BTreeMap<&'static str, String>, link: &str, links: &str) -> BTreeMap<&'static str, String> {
    let mut values = values.clone();
    values.insert("survey.link", link.to_owned());
    values.insert("survey.links", links.to_owned());
    values
}
