//! Works on tickets: answers, notes, assignment, waiting, solving.

use kit::{Caller, Checks, Fault, UserId};
use proto::tickets::v1 as pb;
use tenantdb::TenantTx;

use super::{Api, fields, sees_all, wire};
use crate::domain::dossier::{Act, Dossier, Ticket};
use crate::domain::enclosure::{self, MOST};
use crate::domain::ids::{ContactId, MessageId, TicketId, UploadId};
use crate::domain::intake::Direction;
use crate::domain::ours;
use crate::domain::settings::Settings;
use crate::domain::ticket::Refusal;
use crate::store;
use crate::store::uploads::Upload;

/// A call about one ticket.
struct About<'a, Req> {
    caller: &'a Caller,
    method: &'static str,
    seller_id: &'a str,
    request_id: &'a str,
    ticket_id: &'a str,
    etag: &'a str,
    request: &'a Req,
    /// What leaves to the customer, for the guard to look at.
    leaves: Option<&'a str>,
    /// Files that the answer takes along.
    files: &'a [UploadId],
}

/// A call about one ticket, from a request that names it in the usual fields.
macro_rules! about {
    ($caller:expr, $method:literal, $request:expr) => {
        About {
            caller: $caller,
            method: $method,
            seller_id: &$request.seller_id,
            request_id: &$request.request_id,
            ticket_id: &$request.ticket_id,
            etag: &$request.etag,
            request: &$request,
            leaves: None,
            files: &[],
        }
    };
}

impl Api {
    pub(super) async fn reply(&self, caller: &Caller, request: pb::ReplyRequest) -> Result<pb::ReplyResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let text = fields::text(&mut checks, "text".into(), &request.text, true);
        let leaving = text.clone();
        let files = uploads(&mut checks, &request.upload_ids);
        let about = About { leaves: Some(&leaving), files: &files, ..about!(caller, "Reply", request) };
        let solve = request.solve;
        self.change(
            checks,
            about,
            |dossier, act, settings, id| {
                let message = ours::message(dossier, act, settings, id, Direction::Outbound, text);
                dossier.answered(message, solve, false)
            },
            |dossier, ticket, seller, all| pb::ReplyResponse {
                message: dossier.new_messages.last().map(|message| wire::message(seller, message, all)),
                ticket: Some(ticket),
            },
        )
        .await
    }

    pub(super) async fn add_note(
        &self,
        caller: &Caller,
        request: pb::AddNoteRequest,
    ) -> Result<pb::AddNoteResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let text = fields::text(&mut checks, "text".into(), &request.text, true);
        let about = About {
            caller,
            method: "AddNote",
            seller_id: &request.seller_id,
            request_id: &request.request_id,
            ticket_id: &request.ticket_id,
            etag: "",
            request: &request,
            leaves: None,
            files: &[],
        };
        self.change(
            checks,
            about,
            |dossier, act, settings, id| {
                let message = ours::message(dossier, act, settings, id, Direction::Note, text);
                dossier.noted(message)
            },
            |dossier, ticket, seller, all| pb::AddNoteResponse {
                message: dossier.new_messages.last().map(|message| wire::message(seller, message, all)),
                ticket: Some(ticket),
            },
        )
        .await
    }

    pub(super) async fn assign_ticket(
        &self,
        caller: &Caller,
        request: pb::AssignTicketRequest,
    ) -> Result<pb::AssignTicketResponse, Fault> {
        let mut checks = Checks::new();
        let assignee: Option<UserId> = fields::optional_id(&mut checks, "assignee_id", &request.assignee_id);
        let contact: ContactId = self.desk.deps.clock.new_id();
        let about = about!(caller, "AssignTicket", request);
        self.change(
            checks,
            about,
            |dossier, act, _, _| {
                dossier.assign(act, assignee)?;
                // Back among what waits: what routing gave up is offered again.
                if assignee.is_none() {
                    dossier.ask_again(act.at, contact);
                }
                Ok(())
            },
            |_, ticket, _, _| pb::AssignTicketResponse { ticket: Some(ticket) },
        )
        .await
    }

    pub(super) async fn hold_ticket(
        &self,
        caller: &Caller,
        request: pb::HoldTicketRequest,
    ) -> Result<pb::HoldTicketResponse, Fault> {
        let mut checks = Checks::new();
        let state = wire::state_of(request.state);
        checks.require(state.is_some(), "state", "must be pending_customer, pending_seller or on_hold");
        let about = about!(caller, "HoldTicket", request);
        self.change(
            checks,
            about,
            |dossier, act, _, _| match state {
                Some(state) => dossier.hold(act, state),
                None => Ok(()),
            },
            |_, ticket, _, _| pb::HoldTicketResponse { ticket: Some(ticket) },
        )
        .await
    }

    pub(super) async fn resume_ticket(
        &self,
        caller: &Caller,
        request: pb::ResumeTicketRequest,
    ) -> Result<pb::ResumeTicketResponse, Fault> {
        let contact: ContactId = self.desk.deps.clock.new_id();
        let about = about!(caller, "ResumeTicket", request);
        self.change(
            Checks::new(),
            about,
            |dossier, act, _, _| {
                dossier.resume(act)?;
                dossier.ask_again(act.at, contact);
                Ok(())
            },
            |_, ticket, _, _| pb::ResumeTicketResponse { ticket: Some(ticket) },
        )
        .await
    }

    pub(super) async fn solve_ticket(
        &self,
        caller: &Caller,
        request: pb::SolveTicketRequest,
    ) -> Result<pb::SolveTicketResponse, Fault> {
        let about = about!(caller, "SolveTicket", request);
        self.change(
            Checks::new(),
            about,
            |dossier, act, _, _| dossier.solve(act),
            |_, ticket, _, _| pb::SolveTicketResponse { ticket: Some(ticket) },
        )
        .await
    }

    pub(super) async fn reopen_ticket(
        &self,
        caller: &Caller,
        request: pb::ReopenTicketRequest,
    ) -> Result<pb::ReopenTicketResponse, Fault> {
        let contact: ContactId = self.desk.deps.clock.new_id();
        let about = about!(caller, "ReopenTicket", request);
        self.change(
            Checks::new(),
            about,
            |dossier, act, _, _| dossier.reopen(act, contact),
            |_, ticket, _, _| pb::ReopenTicketResponse { ticket: Some(ticket) },
        )
        .await
    }

    pub(super) async fn close_ticket(
        &self,
        caller: &Caller,
        request: pb::CloseTicketRequest,
    ) -> Result<pb::CloseTicketResponse, Fault> {
        let about = about!(caller, "CloseTicket", request);
        self.change(
            Checks::new(),
            about,
            |dossier, act, _, _| dossier.close(act),
            |_, ticket, _, _| pb::CloseTicketResponse { ticket: Some(ticket) },
        )
        .await
    }

    /// Reads a ticket, lets a step decide, keeps what changed and answers; once per request id.
    async fn change<Req, Res>(
        &self,
        mut checks: Checks,
        about: About<'_, Req>,
        step: impl FnOnce(&mut Dossier, Act, &Settings, MessageId) -> Result<(), Refusal>,
        respond: impl FnOnce(&Dossier, pb::Ticket, kit::SellerId, bool) -> Res,
    ) -> Result<Res, Fault>
    where
        Req: prost::Message,
        Res: prost::Message + Default,
    {
        fields::optional_request_id(&mut checks, about.request_id);
        let id: TicketId = checks.id("ticket_id", about.ticket_id);
        checks.finish()?;
        kit::wire::version(about.etag)?;
        let scope = about.caller.act_for(about.seller_id)?;
        let settings = self.desk.settings(Some(about.caller), &scope).await?;
        let mut tx = self.desk.deps.db.begin_writing(&scope).await?;
        if let Some(answer) = tx.replayed(about.caller, about.method, about.request_id, about.request).await? {
            return Ok(answer);
        }
        let mut dossier = self.locked(&mut tx, id).await?;
        fields::matches(about.etag, dossier.ticket.version)?;
        let act = Act { user: about.caller.user(), at: tx.now() };
        let enclosed = enclosed(&mut tx, &dossier.ticket, about.files).await?;
        if let Some(text) = about.leaves {
            // Names leave with the files.
            let names = enclosed.iter().map(|upload| format!("\n{}", upload.name));
            let leaving: String = std::iter::once(text.to_owned()).chain(names).collect();
            self.guarded(&mut tx, about.caller, id, &leaving).await?;
            if let Some(user) = act.user {
                store::writing::drop_draft(&mut tx, id, user).await?;
            }
        }
        step(&mut dossier, act, &settings, self.desk.deps.clock.new_id())?;
        dossier.settle(&settings, act.at);
        self.desk.keep_with_commit(&mut tx, &mut dossier).await?;
        if let Some(answer) = dossier.new_messages.last().filter(|_| !enclosed.is_empty()) {
            tx.write_now().await?;
            let clock = &self.desk.deps.clock;
            store::uploads::take_along(&mut tx, answer.id, &enclosed, || clock.new_id()).await?;
        }
        let (seller, all) = (tx.seller()?, sees_all(about.caller));
        let response = respond(&dossier, wire::ticket(seller, &dossier.ticket, all), seller, all);
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn locked(&self, tx: &mut TenantTx, id: TicketId) -> Result<Dossier, Fault> {
        store::load::dossier(tx, id).await?.ok_or(Fault::NotFound("ticket"))
    }
}

/// The files that an answer names, each once.
fn uploads(checks: &mut Checks, ids: &[String]) -> Vec<UploadId> {
    checks.count("upload_ids", ids.len(), 0..=MOST);
    let mut found: Vec<UploadId> = Vec::new();
    for text in ids.iter().take(MOST) {
        match kit::ids::decode("upload", text).map(UploadId) {
            Some(id) if found.contains(&id) => checks.refuse("upload_ids", "must name each file once"),
            Some(id) => found.push(id),
            None => checks.refuse("upload_ids", "must be ids of uploads"),
        }
    }
    found
}

/// The files that an answer takes along: handed in for its ticket, and no more than leave.
async fn enclosed(tx: &mut TenantTx, ticket: &Ticket, ids: &[UploadId]) -> Result<Vec<Upload>, Fault> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let by_mail = store::connections::sends(tx, ticket.account).await?.is_some();
    if !by_mail && store::senders::one(tx, ticket.account).await?.is_some() {
        return Err(Fault::invalid("upload_ids", "must be empty: answers on this channel leave without files"));
    }
    let found = store::uploads::hold(tx, ids).await?;
    if found.len() != ids.len() || found.iter().any(|upload| upload.ticket != ticket.id) {
        return Err(Fault::NotFound("upload"));
    }
    let sizes: Vec<i64> = found.iter().map(|upload| upload.size).collect();
    enclosure::may_leave(&sizes)?;
    Ok(found)
}
