//! Notes that could not be carried out: listed, tried again, given up.

use kit::{Caller, Checks, Explain, Fault};
use proto::routing::v1 as wire;
use proto::routing::v1::intake_service_server::IntakeService;
use tenantdb::TenantTx;
use tenantdb::service::Deps;
use tonic::{Code, Request, Response, Status};

use super::unary;
use crate::desk::Desks;
use crate::store::actions::{self, Action, Change};
use crate::store::set_aside::{self, NoteId, SetAside};
use crate::wire as out;
use engine::ids::At;

/// The handlers. Any replica answers them: the leader looks at what waits.
pub struct Notes {
    deps: Deps,
    desks: Desks,
}

/// Somebody waits for the effect of a note.
#[derive(Debug, thiserror::Error)]
#[error("the erasure of a seller waits for this note: it can be tried again, and not be given up")]
struct Needed;

impl Explain for Needed {
    fn code(&self) -> Code {
        Code::FailedPrecondition
    }

    fn reason(&self) -> &'static str {
        "NOTE_NEEDED"
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }
}

impl Notes {
    pub fn new(deps: Deps, desks: Desks) -> Notes {
        Notes { deps, desks }
    }

    async fn list(
        &self,
        caller: &Caller,
        request: wire::ListSetAsideNotesRequest,
    ) -> Result<wire::ListSetAsideNotesResponse, Fault> {
        let pager = &self.deps.pager;
        let page =
            pager.read::<uuid::Uuid>(caller, "ListSetAsideNotes", &(), request.page_size, &request.page_token)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let mut found = set_aside::list(&mut tx, page.after, page.size + 1).await?;
        let next_page_token = pager.cut(&page, &mut found, |note| note.id.0)?;
        Ok(wire::ListSetAsideNotesResponse { notes: found.iter().map(answer).collect(), next_page_token })
    }

    async fn retry(
        &self,
        caller: &Caller,
        request: wire::RetrySetAsideNoteRequest,
    ) -> Result<wire::RetrySetAsideNoteResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let id: NoteId = checks.id("note_id", &request.note_id);
        checks.finish()?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "RetrySetAsideNote", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let note = set_aside::lock(&mut tx, id).await?.ok_or(Fault::NotFound("note"))?;
        set_aside::retry(&mut tx, id).await?;
        self.note_down(&mut tx, caller, "note_retried", &note, "").await?;
        let response = wire::RetrySetAsideNoteResponse {};
        tx.commit_with(&response).await?;
        self.desks.wake(caller.provider());
        Ok(response)
    }

    async fn drop(
        &self,
        caller: &Caller,
        request: wire::DropSetAsideNoteRequest,
    ) -> Result<wire::DropSetAsideNoteResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let id: NoteId = checks.id("note_id", &request.note_id);
        let reason = checks.line("reason", &request.reason, 1..=200);
        checks.finish()?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "DropSetAsideNote", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let note = set_aside::lock(&mut tx, id).await?.ok_or(Fault::NotFound("note"))?;
        if note.is_needed() {
            return Err(Needed.into());
        }
        set_aside::drop(&mut tx, id).await?;
        self.note_down(&mut tx, caller, "note_dropped", &note, &reason).await?;
        let response = wire::DropSetAsideNoteResponse {};
        tx.commit_with(&response).await?;
        Ok(response)
    }

    /// Keeps in the trail who did what to a note.
    async fn note_down(
        &self,
        tx: &mut TenantTx,
        caller: &Caller,
        action: &str,
        note: &SetAside,
        reason: &str,
    ) -> Result<(), Fault> {
        let fact = |field: &str, before: String| Change { field: field.to_owned(), before, after: String::new() };
        let mut changes = vec![fact("note_id", note.id.to_string()), fact("kind", note.kind.clone())];
        changes.push(fact("failure", note.failure.clone()));
        changes.extend(note.seller.map(|seller| fact("seller_id", seller.to_string())));
        let action = Action {
            id: self.deps.clock.new_id(),
            at: At::of(self.deps.clock.now()),
            actor: caller.person()?,
            action: action.to_owned(),
            // the note is the provider's, also where it names a seller
            seller: None,
            agent: note.agent,
            contact: note.contact,
            reason: reason.to_owned(),
            changes,
        };
        Ok(actions::keep(tx, &[action]).await?)
    }
}

#[tonic::async_trait]
impl IntakeService for Notes {
    async fn list_set_aside_notes(
        &self,
        request: Request<wire::ListSetAsideNotesRequest>,
    ) -> Result<Response<wire::ListSetAsideNotesResponse>, Status> {
        unary!(self, request, list)
    }

    async fn retry_set_aside_note(
        &self,
        request: Request<wire::RetrySetAsideNoteRequest>,
    ) -> Result<Response<wire::RetrySetAsideNoteResponse>, Status> {
        unary!(self, request, retry)
    }

    async fn drop_set_aside_note(
        &self,
        request: Request<wire::DropSetAsideNoteRequest>,
    ) -> Result<Response<wire::DropSetAsideNoteResponse>, Status> {
        unary!(self, request, drop)
    }
}

fn answer(note: &SetAside) -> wire::SetAsideNote {
    wire::SetAsideNote {
        note_id: note.id.to_string(),
        kind: note.kind.clone(),
        seller_id: note.seller.map(|seller| seller.to_string()).unwrap_or_default(),
        contact_id: note.contact.map(|contact| contact.to_string()).unwrap_or_default(),
        agent_id: note.agent.map(|agent| agent.to_string()).unwrap_or_default(),
        failure: note.failure.clone(),
        set_aside_at: note.since.map(out::at),
    }
}
