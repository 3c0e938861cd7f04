//! The calls: read, decide, keep, reply. What changes a contact goes to the
//! engine as an event, once for each request ([`once`]); handing a contact in and
//! changing a policy are kept here, with a note for the engine.

mod alerts;
mod contacts;
mod enqueue;
mod floor;
mod live;
mod mine;
mod moves;
mod once;
mod policies;
mod queue;
mod refusal;
pub mod replay;
mod session;
mod set_aside;
mod simulation;
mod sites;

use std::pin::Pin;

use futures_util::Stream;
use kit::{Caller, Checks, Fault, Id};
use proto::routing::v1 as wire;
use proto::routing::v1::routing_service_server::RoutingService;
use tenantdb::export::{self, Line, Wanted};
use tenantdb::service::Deps;
use tonic::{Request, Response, Status, Streaming};

use crate::desk::{Desk, Desks};
use crate::passing::is_answered_anywhere;
use engine::ids::AgentId;

pub use set_aside::Notes;
pub use simulation::Simulations;
pub use sites::Sites;

/// The handlers.
pub struct Api {
    deps: Deps,
    desks: Desks,
    enqueued: enqueue::Enqueued,
}

type Down<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl Api {
    pub fn new(deps: Deps, desks: Desks) -> Api {
        let enqueued = enqueue::Enqueued::new(enqueue::Enqueue::new(deps.clone(), desks.clone()));
        Api { deps, desks, enqueued }
    }

    fn desk(&self, caller: &Caller) -> Result<Desk, Fault> {
        debug_assert!(!is_answered_anywhere(), "a call that is not passed on to the leader asks the engine");
        self.desks.of(caller.provider())
    }
}

/// The calling agent.
fn myself(caller: &Caller) -> Result<AgentId, Fault> {
    Ok(AgentId(caller.person()?.0))
}

/// An id that may be missing.
fn optional<T: Id>(checks: &mut Checks, field: &'static str, value: &str) -> Option<T> {
    if value.is_empty() { None } else { Some(checks.id(field, value)) }
}

macro_rules! unary {
    ($self:ident, $request:ident, $inner:ident) => {{
        let (caller, request) = kit::admitted($request)?;
        Ok(Response::new($self.$inner(&caller, request).await?))
    }};
}

fn exported(line: Line) -> wire::ExportSellerRowsResponse {
    let Line { table, json, rows, sha256 } = line;
    wire::ExportSellerRowsResponse { table, json_line: json, rows, sha256 }
}

use unary;

#[tonic::async_trait]
impl RoutingService for Api {
    type AgentSessionStream = Down<wire::AgentSessionResponse>;
    type WatchQueueStream = Down<wire::WatchQueueResponse>;
    type ExportSellerRowsStream = Down<wire::ExportSellerRowsResponse>;

    async fn agent_session(
        &self,
        request: Request<Streaming<wire::AgentSessionRequest>>,
    ) -> Result<Response<Self::AgentSessionStream>, Status> {
        let (caller, frames) = kit::admitted(request)?;
        Ok(Response::new(self.session(caller, frames).await?))
    }

    async fn set_presence(
        &self,
        request: Request<wire::SetPresenceRequest>,
    ) -> Result<Response<wire::SetPresenceResponse>, Status> {
        unary!(self, request, presence)
    }

    async fn list_my_offers(
        &self,
        request: Request<wire::ListMyOffersRequest>,
    ) -> Result<Response<wire::ListMyOffersResponse>, Status> {
        unary!(self, request, my_offers)
    }

    async fn accept_offer(
        &self,
        request: Request<wire::AcceptOfferRequest>,
    ) -> Result<Response<wire::AcceptOfferResponse>, Status> {
        unary!(self, request, accept)
    }

    async fn reject_offer(
        &self,
        request: Request<wire::RejectOfferRequest>,
    ) -> Result<Response<wire::RejectOfferResponse>, Status> {
        unary!(self, request, reject)
    }

    async fn complete_contact(
        &self,
        request: Request<wire::CompleteContactRequest>,
    ) -> Result<Response<wire::CompleteContactResponse>, Status> {
        unary!(self, request, complete)
    }

    async fn enqueue_contact(
        &self,
        request: Request<wire::EnqueueContactRequest>,
    ) -> Result<Response<wire::EnqueueContactResponse>, Status> {
        unary!(self, request, enqueue)
    }

    async fn withdraw_contact(
        &self,
        request: Request<wire::WithdrawContactRequest>,
    ) -> Result<Response<wire::WithdrawContactResponse>, Status> {
        unary!(self, request, withdraw)
    }

    async fn list_queue(
        &self,
        request: Request<wire::ListQueueRequest>,
    ) -> Result<Response<wire::ListQueueResponse>, Status> {
        unary!(self, request, queue)
    }

    async fn get_contact(
        &self,
        request: Request<wire::GetContactRequest>,
    ) -> Result<Response<wire::GetContactResponse>, Status> {
        unary!(self, request, contact)
    }

    async fn explain_contact(
        &self,
        request: Request<wire::ExplainContactRequest>,
    ) -> Result<Response<wire::ExplainContactResponse>, Status> {
        unary!(self, request, explain)
    }

    async fn get_queue_stats(
        &self,
        request: Request<wire::GetQueueStatsRequest>,
    ) -> Result<Response<wire::GetQueueStatsResponse>, Status> {
        unary!(self, request, stats)
    }

    async fn watch_queue(
        &self,
        request: Request<wire::WatchQueueRequest>,
    ) -> Result<Response<Self::WatchQueueStream>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.watch(&caller, &request)?))
    }

    async fn assign_contact(
        &self,
        request: Request<wire::AssignContactRequest>,
    ) -> Result<Response<wire::AssignContactResponse>, Status> {
        unary!(self, request, assign)
    }

    async fn transfer_contact(
        &self,
        request: Request<wire::TransferContactRequest>,
    ) -> Result<Response<wire::TransferContactResponse>, Status> {
        unary!(self, request, transfer)
    }

    async fn list_agents(
        &self,
        request: Request<wire::ListAgentsRequest>,
    ) -> Result<Response<wire::ListAgentsResponse>, Status> {
        unary!(self, request, agents)
    }

    async fn get_routing_policy(
        &self,
        request: Request<wire::GetRoutingPolicyRequest>,
    ) -> Result<Response<wire::GetRoutingPolicyResponse>, Status> {
        unary!(self, request, policy)
    }

    async fn update_routing_policy(
        &self,
        request: Request<wire::UpdateRoutingPolicyRequest>,
    ) -> Result<Response<wire::UpdateRoutingPolicyResponse>, Status> {
        unary!(self, request, change_policy)
    }

    async fn export_seller_rows(
        &self,
        request: Request<wire::ExportSellerRowsRequest>,
    ) -> Result<Response<Self::ExportSellerRowsStream>, Status> {
        let (caller, request) = kit::admitted(request)?;
        let wanted = if request.counts_only { Wanted::Counts } else { Wanted::Rows };
        Ok(Response::new(export::of_caller(&self.deps, &caller, &request.seller_id, wanted, exported).await?))
    }
}
