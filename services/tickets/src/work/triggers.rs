//! Lets triggers act on what happened to tickets. What happened is noted in the transaction in which it
//! did, for sellers that have triggers; the note goes in the transaction in which they act, so that what
//! happened is looked at once, whichever replica does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use kit::{Fault, ProviderId, SellerId};
use tenantdb::{Due, Failure, TenantTx};
use tokio_util::sync::CancellationToken;

use super::values::{Voices, language_of, near};
use super::{Desk, rounds};
use crate::domain::case::{Case, Hands};
use crate::domain::dossier::{Act, Dossier};
use crate::domain::guard;
use crate::domain::ids::TicketId;
use crate::domain::settings::Settings;
use crate::domain::{template, trigger};
use crate::store;

/// Tickets looked at in one round.
const BATCH: i64 = 200;
/// The pause between rounds.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Seconds for which it is remembered whether a seller has triggers.
const FRESH_SECONDS: i64 = 2;
/// Sellers remembered; beyond it the memory starts afresh.
const REMEMBERED: usize = 10_000;

impl Desk {
    /// Notes what happened to these tickets, if their seller has triggers.
    pub async fn note_for_triggers(&self, tx: &mut TenantTx, dossiers: &[Dossier]) -> Result<(), Failure> {
        if dossiers.iter().all(|dossier| dossier.new_events.is_empty() || dossier.ticket.historical) {
            return Ok(());
        }
        if self.has_triggers(tx).await? { store::triggers::note(tx, dossiers) } else { Ok(()) }
    }

    async fn has_triggers(&self, tx: &mut TenantTx) -> Result<bool, Failure> {
        let (key, now) = ((tx.provider(), tx.seller()?), tx.now().as_second());
        if let Ok(known) = self.triggered.lock()
            && let Some((at, any)) = known.get(&key)
            && (0..=FRESH_SECONDS).contains(&(now - at))
        {
            return Ok(*any);
        }
        let any = store::triggers::any(tx).await?;
        if let Ok(mut known) = self.triggered.lock() {
            if REMEMBERED < known.len() {
                known.clear();
            }
            known.insert(key, (now, any));
        }
        Ok(any)
    }

    /// Forgets whether a seller has triggers, because one was changed.
    pub fn forget_triggers(&self, provider: ProviderId, seller: SellerId) {
        if let Ok(mut known) = self.triggered.lock() {
            known.remove(&(provider, seller));
        }
    }
}

/// Looks until told to stop.
pub async fn watch(desk: Arc<Desk>, stop: CancellationToken) {
    rounds::watch("triggers", LOOK_EVERY, &stop, || look(&desk)).await;
}

/// One round; whether a full batch was found and some of it done, so that more may wait.
async fn look(desk: &Desk) -> Result<bool, Fault> {
    let query = "select provider_id, seller_id, ticket_id from tickets.trigger_work where due_at <= $1 order by due_at limit $2";
    let due = desk.deps.db.due(query, desk.deps.clock.now(), BATCH).await?;
    Ok(rounds::each("triggers", due, BATCH, |ticket| act(desk, ticket)).await)
}

async fn act(desk: &Desk, due: Due) -> Result<bool, Fault> {
    let id = TicketId(due.id);
    let mut tx = desk.deps.db.begin(&due.scope()).await?;
    let seller = tx.seller()?.0;
    let answers = store::triggers::all(&mut tx, seller, false).await?;
    let answers = answers.iter().any(|kept| kept.trigger.rule.replies().next().is_some());
    drop(tx);
    let voices = if answers { desk.voices(&due.scope(), None).await } else { Ok(Vec::new()) };
    let mut tx = desk.deps.db.begin(&due.scope()).await?;
    let settings = desk.settings_in(&mut tx).await?;
    let Some(dossier) = store::load::dossier_if_free(&mut tx, id).await? else { return Ok(false) };
    let Some(since) = store::triggers::take(&mut tx, id).await? else { return Ok(false) };
    let kept = store::triggers::all(&mut tx, seller, false).await?;
    let triggers: Vec<_> = kept.into_iter().map(|kept| kept.trigger).collect();
    let (text, mut answering) = store::triggers::last_word(&mut tx, id).await?;
    if answers
        && answering.wanted
        && let Ok(addressed) = desk.addressed(&mut tx, &dossier.ticket).await?
    {
        let most = trigger::ANSWERS_A_DAY_TO_ONE;
        answering.sent_to_one = store::triggers::sent_to(&mut tx, &addressed.recipient, most).await?;
    }
    let extras = store::extras::of(&mut tx, id).await?;
    let mut case = Case::new(dossier, extras);
    let keys: BTreeSet<&str> = triggers.iter().flat_map(|trigger| trigger.rule.replies()).collect();
    let replies = if answering.wanted {
        replies(desk, &mut tx, &voices, &case, &settings, &keys).await?
    } else {
        BTreeMap::new()
    };
    let definitions = store::extras::definitions(&mut tx, seller).await?;
    let mut hands = Hands {
        act: Act { user: None, at: tx.now() },
        automatic: true,
        settings: &settings,
        definitions: &definitions,
        replies: &replies,
        new_uuid: &mut || desk.deps.clock.new_uuid(),
    };
    let fired = trigger::act(&mut case, &triggers, since, &text, answering, &mut hands);
    if !fired.is_empty() {
        let ids: Vec<_> = fired.iter().filter_map(|place| triggers.get(*place)).map(|one| one.id.0).collect();
        store::triggers::fired(&mut tx, &ids).await?;
        desk.keep_case_unnoted(&mut tx, &settings, &mut case).await?;
    }
    tx.commit().await?;
    Ok(true)
}

/// The templates of these keys, filled in for a ticket. One that has no text in the customer's language or
/// the seller's, that has a hole, or that names another seller, is left out.
async fn replies(
    desk: &Desk,
    tx: &mut TenantTx,
    voices: &Voices,
    case: &Case,
    settings: &Settings,
    keys: &BTreeSet<&str>,
) -> Result<BTreeMap<String, String>, Fault> {
    let ticket = &case.dossier.ticket;
    let mut wanted = near(&language_of(ticket, settings));
    wanted.extend(settings.languages.first().cloned());
    let mut texts = BTreeMap::new();
    for key in keys {
        let all = store::templates::of_key(tx, key).await?;
        let fits = wanted.iter().find_map(|language| all.iter().find(|one| one.language == *language));
        let Some(found) = fits else { continue };
        let Ok(variables) = template::check(&found.body) else { continue };
        let values = desk.values(tx, None, voices, ticket, settings, &variables).await?;
        let Ok(Ok(text)) = template::render(&found.body, &values) else { continue };
        let seller = tx.seller()?;
        let grams = guard::grams(&text);
        let hits = store::guard::hits(tx, seller, &grams).await?;
        let said = store::guard::said(tx, ticket.id).await?;
        if guard::judge(&hits, &said).is_empty() {
            texts.insert((*key).to_owned(), text);
        }
    }
    Ok(texts)
}
