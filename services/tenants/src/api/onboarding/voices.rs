//! Brand voices and the playbook.

use kit::{Caller, Fault};
use proto::tenants::v1 as pb;

use super::{Onboarding, Reach, explain, given, keep, open, settle, wire};
use crate::domain::onboarding::check::Problems;
use crate::store::onboarding::voices;

/// The most brand voices and playbook entries of a seller.
const MOST_VOICES: usize = 500;
const MOST_ENTRIES: usize = 1000;

impl Onboarding {
    pub(super) async fn put_voice(
        &self,
        caller: &Caller,
        request: pb::PutBrandVoiceRequest,
    ) -> Result<pb::PutBrandVoiceResponse, Fault> {
        let voice = wire::read_voice(given("brand_voice", request.brand_voice.clone())?);
        let mut tx = self.act(caller, &request.seller_id, &request.request_id).await?;
        if let Some(answer) = tx.replayed(caller, "PutBrandVoice", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let mut seller = open(&mut tx).await?;
        let mut problems = Problems::new();
        let voice = voice.checked(&seller.profile, "brand_voice", &mut problems);
        settle(problems)?;
        let all = voices::voices(&mut tx, seller.id).await?;
        let before = all.iter().find(|v| v.brand == voice.brand && v.language == voice.language);
        if before.is_none() {
            explain::room("brand voice", all.len(), MOST_VOICES)?;
        }
        if before != Some(&voice) {
            voices::put_voice(&mut tx, &voice).await?;
            // Other services know the names that agents sign with, and nothing else of a voice.
            let renamed = before.map_or("", |before| &before.alias) != voice.alias;
            let reach = if renamed { Reach::Terms } else { Reach::Kept };
            keep(&mut tx, &mut seller, reach, self.deps.clock.now()).await?;
        }
        let response = pb::PutBrandVoiceResponse { brand_voice: Some(wire::voice(&voice)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn voices(
        &self,
        caller: &Caller,
        request: pb::ListBrandVoicesRequest,
    ) -> Result<pb::ListBrandVoicesResponse, Fault> {
        let (mut tx, seller) = self.look(caller, &request.seller_id).await?;
        let all = voices::voices(&mut tx, seller.id).await?;
        Ok(pb::ListBrandVoicesResponse { brand_voices: all.iter().map(wire::voice).collect() })
    }

    pub(super) async fn put_entry(
        &self,
        caller: &Caller,
        request: pb::PutPlaybookEntryRequest,
    ) -> Result<pb::PutPlaybookEntryResponse, Fault> {
        let entry = wire::read_entry(given("entry", request.entry.clone())?);
        let mut tx = self.act(caller, &request.seller_id, &request.request_id).await?;
        if let Some(answer) = tx.replayed(caller, "PutPlaybookEntry", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let mut seller = open(&mut tx).await?;
        let mut problems = Problems::new();
        let entry = entry.checked(&seller.profile, "entry", &mut problems);
        settle(problems)?;
        let all = voices::playbook(&mut tx, seller.id, "").await?;
        let before = all.iter().find(|e| e.country == entry.country && e.situation == entry.situation);
        if before.is_none() {
            explain::room("playbook entry", all.len(), MOST_ENTRIES)?;
        }
        if before != Some(&entry) {
            voices::put_entry(&mut tx, &entry).await?;
            keep(&mut tx, &mut seller, Reach::Kept, self.deps.clock.now()).await?;
        }
        let response = pb::PutPlaybookEntryResponse { entry: Some(wire::entry(&entry)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn playbook(
        &self,
        caller: &Caller,
        request: pb::ListPlaybookEntriesRequest,
    ) -> Result<pb::ListPlaybookEntriesResponse, Fault> {
        let (mut tx, seller) = self.look(caller, &request.seller_id).await?;
        let all = voices::playbook(&mut tx, seller.id, &request.country).await?;
        Ok(pb::ListPlaybookEntriesResponse { entries: all.iter().map(wire::entry).collect() })
    }

    pub(super) async fn delete_entry(
        &self,
        caller: &Caller,
        request: pb::DeletePlaybookEntryRequest,
    ) -> Result<pb::DeletePlaybookEntryResponse, Fault> {
        let mut tx = self.act(caller, &request.seller_id, &request.request_id).await?;
        if let Some(answer) = tx.replayed(caller, "DeletePlaybookEntry", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let mut seller = open(&mut tx).await?;
        if !voices::delete_entry(&mut tx, &request.country, &request.situation).await? {
            return Err(Fault::NotFound("playbook entry"));
        }
        keep(&mut tx, &mut seller, Reach::Kept, self.deps.clock.now()).await?;
        let response = pb::DeletePlaybookEntryResponse {};
        tx.commit_with(&response).await?;
        Ok(response)
    }
}
