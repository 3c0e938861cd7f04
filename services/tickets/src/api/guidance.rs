//! How to answer a ticket: the brand's voice, the playbook of its country, and under which name.

use kit::{Caller, Checks, Fault};
use proto::tickets::v1 as pb;

use super::Api;
use crate::domain::dossier::Ticket;
use crate::domain::ids::TicketId;
use crate::domain::intake::kind::MessageKind;
use crate::store;
use crate::work::values::{language_of, near, voice_for};

impl Api {
    pub(super) async fn get_guidance(
        &self,
        caller: &Caller,
        request: pb::GetGuidanceRequest,
    ) -> Result<pb::GetGuidanceResponse, Fault> {
        let mut checks = Checks::new();
        let id: TicketId = checks.id("ticket_id", &request.ticket_id);
        let asked = checks.line("situation", &request.situation, 0..=64);
        checks.finish()?;
        let scope = caller.act_for(&request.seller_id)?;
        let settings = self.desk.settings(Some(caller), &scope).await?;
        let mut tx = self.desk.deps.db.begin(&scope).await?;
        let ticket = store::read::ticket(&mut tx, id).await?.ok_or(Fault::NotFound("ticket"))?.value;
        // No connection is held while others are asked.
        drop(tx);
        let language = language_of(&ticket, &settings);
        let country = if ticket.country.is_empty() { settings.country.clone() } else { ticket.country.clone() };
        let situations = if asked.is_empty() { situations(&ticket) } else { vec![asked.as_str()] };
        let voices = self.desk.voices(&scope, Some(caller)).await?;
        let playbook = self.desk.playbook(&scope, caller, &country).await?;
        let voice = voice_for(&voices, &language);
        let mut tx = self.desk.deps.db.begin(&scope).await?;
        let (alias, signature) = self.desk.signs(&mut tx, caller.user(), voice, &language).await?;
        let spoken = near(&language);
        let mut playbook: Vec<pb::PlaybookAdvice> = playbook
            .into_iter()
            .map(|entry| pb::PlaybookAdvice {
                fits: situations.contains(&entry.situation.as_str()),
                country: entry.country,
                situation: entry.situation,
                say: entry.say,
                avoid: entry.avoid,
            })
            .collect();
        playbook.sort_by_key(|entry| !entry.fits);
        let situation = playbook.iter().find(|entry| entry.fits).map(|entry| entry.situation.clone());
        let situation = situation.or_else(|| situations.first().map(|first| (*first).to_owned()));
        Ok(pb::GetGuidanceResponse {
            voices: voices
                .iter()
                .filter(|voice| spoken.contains(&voice.language))
                .map(|voice| pb::VoiceAdvice {
                    brand: voice.brand.clone(),
                    language: voice.language.clone(),
                    address_form: voice.address_form.clone(),
                    greeting: voice.greeting.clone(),
                    sign_off: voice.sign_off.clone(),
                    alias: voice.alias.clone(),
                    tone: voice.tone.clone(),
                    avoid: voice.avoid.clone(),
                })
                .collect(),
            language,
            country,
            situation: situation.unwrap_or_default(),
            playbook,
            alias,
            signature,
        })
    }
}

/// The situations that a ticket of this kind may be in, in the words of playbooks.
fn situations(ticket: &Ticket) -> Vec<&'static str> {
    match ticket.kind {
        Some(MessageKind::Return) => vec!["return", "returns", "refund"],
        Some(MessageKind::Claim) => vec!["claim", "complaint", "dispute", "not_received"],
        Some(MessageKind::Review) => vec!["review", "complaint"],
        Some(MessageKind::Question | MessageKind::OrderNotice | MessageKind::SystemNotice) | None => Vec::new(),
    }
}
