//! Drafts and signatures.

use kit::{Caller, Checks, Fault, UserId};
use proto::Role;
use proto::tickets::v1 as pb;

use super::{Api, fields};
use crate::domain::ids::TicketId;
use crate::domain::ticket::{Refusal, State};
use crate::store;
use crate::store::writing::{Draft, Signature};

impl Api {
    pub(super) async fn put_draft(
        &self,
        caller: &Caller,
        request: pb::PutDraftRequest,
    ) -> Result<pb::PutDraftResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        let ticket: TicketId = checks.id("ticket_id", &request.ticket_id);
        let body = fields::text(&mut checks, "text".into(), &request.text, false);
        checks.finish()?;
        kit::wire::version(&request.etag)?;
        let user = caller.person()?;
        let (_, mut tx) = self.act_for(caller, &request.seller_id).await?;
        if let Some(answer) = tx.replayed(caller, "PutDraft", &request.request_id, &request).await? {
            return Ok(answer);
        }
        // Held, so that nothing is written to one that is being erased; no answer leaves from one that is closed.
        let held = store::load::dossier(&mut tx, ticket).await?.ok_or(Fault::NotFound("ticket"))?;
        if held.ticket.state == State::Closed {
            return Err(Refusal::Closed.into());
        }
        let before = store::writing::draft(&mut tx, ticket, user).await?;
        fields::matches(&request.etag, before.as_ref().map_or(0, |before| before.version))?;
        let version = before.map_or(1, |before| before.version + 1);
        let draft = Draft { body, updated_at: tx.now(), version };
        store::writing::keep_draft(&mut tx, ticket, user, &draft).await?;
        let response = pb::PutDraftResponse { draft: Some(shown(ticket, &draft)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn get_draft(
        &self,
        caller: &Caller,
        request: pb::GetDraftRequest,
    ) -> Result<pb::GetDraftResponse, Fault> {
        let mut checks = Checks::new();
        let ticket: TicketId = checks.id("ticket_id", &request.ticket_id);
        checks.finish()?;
        let user = caller.person()?;
        let mut tx = self.look_at(caller, &request.seller_id).await?;
        let draft = store::writing::draft(&mut tx, ticket, user).await?.ok_or(Fault::NotFound("draft"))?;
        Ok(pb::GetDraftResponse { draft: Some(shown(ticket, &draft)) })
    }

    pub(super) async fn delete_draft(
        &self,
        caller: &Caller,
        request: pb::DeleteDraftRequest,
    ) -> Result<pb::DeleteDraftResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        let ticket: TicketId = checks.id("ticket_id", &request.ticket_id);
        checks.finish()?;
        let user = caller.person()?;
        let (_, mut tx) = self.act_for(caller, &request.seller_id).await?;
        if let Some(answer) = tx.replayed(caller, "DeleteDraft", &request.request_id, &request).await? {
            return Ok(answer);
        }
        store::read::ticket(&mut tx, ticket).await?.ok_or(Fault::NotFound("ticket"))?;
        store::writing::drop_draft(&mut tx, ticket, user).await?;
        let response = pb::DeleteDraftResponse {};
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn put_signature(
        &self,
        caller: &Caller,
        request: pb::PutSignatureRequest,
    ) -> Result<pb::PutSignatureResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        let named: Option<UserId> = fields::optional_id(&mut checks, "user_id", &request.user_id);
        if !request.language.is_empty() {
            checks.language("language", &request.language);
        }
        let alias = checks.line("alias", &request.alias, 1..=100);
        let signature = checks.text("signature", &request.signature, 0..=1_000);
        checks.finish()?;
        kit::wire::version(&request.etag)?;
        let user = match named {
            Some(user) => user,
            None => caller.person()?,
        };
        let leads = caller.has(Role::Supervisor) || caller.has(Role::ProviderAdmin);
        if caller.user() != Some(user) && !leads {
            return Err(Fault::Denied("OWN_SIGNATURE_ONLY"));
        }
        let (_, mut tx) = self.act_for(caller, &request.seller_id).await?;
        if let Some(answer) = tx.replayed(caller, "PutSignature", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let seller = tx.seller()?.0;
        let before = store::writing::signatures(&mut tx, seller, Some(user)).await?;
        let before = before.iter().find(|before| before.language == request.language);
        fields::matches(&request.etag, before.map_or(0, |before| before.version))?;
        let version = before.map_or(1, |before| before.version + 1);
        let signature = Signature { user, language: request.language.clone(), alias, signature, version };
        store::writing::keep_signature(&mut tx, &signature).await?;
        let response = pb::PutSignatureResponse { signature: Some(signed(&signature)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn list_signatures(
        &self,
        caller: &Caller,
        request: pb::ListSignaturesRequest,
    ) -> Result<pb::ListSignaturesResponse, Fault> {
        let mut tx = self.look_at(caller, &request.seller_id).await?;
        let seller = tx.seller()?.0;
        let all = store::writing::signatures(&mut tx, seller, None).await?;
        Ok(pb::ListSignaturesResponse { signatures: all.iter().map(signed).collect() })
    }
}

fn shown(ticket: TicketId, draft: &Draft) -> pb::Draft {
    pb::Draft {
        ticket_id: ticket.to_string(),
        text: draft.body.clone(),
        updated_at: Some(kit::wire::timestamp(draft.updated_at)),
        etag: kit::wire::etag(draft.version),
    }
}

fn signed(signature: &Signature) -> pb::Signature {
    pb::Signature {
        user_id: signature.user.to_string(),
        language: signature.language.clone(),
        alias: signature.alias.clone(),
        signature: signature.signature.clone(),
        etag: kit::wire::etag(signature.version),
    }
}
