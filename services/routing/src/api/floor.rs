//! What supervisors do by hand, and the trail of it.

use std::collections::BTreeSet;

use kit::caller::Granted;
use kit::{Caller, Checks, Fault, Scope, SellerId};
use proto::routing::v1 as wire;
use proto::routing::v1::floor_service_server::FloorService;
use tonic::{Request, Response, Status};

use super::moves::ended;
use super::once::Asking;
use super::refusal::fault;
use super::{Api, Down, optional, unary};
use crate::desk::frames;
use crate::desk::hand::Subject;
use crate::store::actions::{self, Action, ActionId, Filter};
use crate::wire::{self as out, View};
use engine::agent::Presence;
use engine::ids::{AgentId, At, ContactId};
use engine::needs::Priority;
use engine::refusal::Refusal;
use engine::seller::Pause;
use engine::{Engine, Event, Reply};

/// How far ahead a hand may plan.
const AHEAD_SECONDS: i64 = 30 * 86_400;

#[tonic::async_trait]
impl FloorService for Api {
    type WatchFloorStream = Down<wire::WatchFloorResponse>;

    async fn change_agent_presence(
        &self,
        request: Request<wire::ChangeAgentPresenceRequest>,
    ) -> Result<Response<wire::ChangeAgentPresenceResponse>, Status> {
        unary!(self, request, change_presence)
    }

    async fn reprioritize_contact(
        &self,
        request: Request<wire::ReprioritizeContactRequest>,
    ) -> Result<Response<wire::ReprioritizeContactResponse>, Status> {
        unary!(self, request, reprioritize)
    }

    async fn set_contact_aside(
        &self,
        request: Request<wire::SetContactAsideRequest>,
    ) -> Result<Response<wire::SetContactAsideResponse>, Status> {
        unary!(self, request, set_aside)
    }

    async fn pause_queue(
        &self,
        request: Request<wire::PauseQueueRequest>,
    ) -> Result<Response<wire::PauseQueueResponse>, Status> {
        unary!(self, request, pause)
    }

    async fn resume_queue(
        &self,
        request: Request<wire::ResumeQueueRequest>,
    ) -> Result<Response<wire::ResumeQueueResponse>, Status> {
        unary!(self, request, resume_queue_of)
    }

    async fn list_floor_actions(
        &self,
        request: Request<wire::ListFloorActionsRequest>,
    ) -> Result<Response<wire::ListFloorActionsResponse>, Status> {
        unary!(self, request, floor_actions)
    }

    async fn get_floor(
        &self,
        request: Request<wire::GetFloorRequest>,
    ) -> Result<Response<wire::GetFloorResponse>, Status> {
        unary!(self, request, get_floor)
    }

    async fn watch_floor(
        &self,
        request: Request<wire::WatchFloorRequest>,
    ) -> Result<Response<Self::WatchFloorStream>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.watch_floor_of(&caller, &request)?))
    }

    async fn list_blocked_contacts(
        &self,
        request: Request<wire::ListBlockedContactsRequest>,
    ) -> Result<Response<wire::ListBlockedContactsResponse>, Status> {
        unary!(self, request, blocked_contacts)
    }

    async fn list_alerts(
        &self,
        request: Request<wire::ListAlertsRequest>,
    ) -> Result<Response<wire::ListAlertsResponse>, Status> {
        unary!(self, request, alerts)
    }

    async fn acknowledge_alert(
        &self,
        request: Request<wire::AcknowledgeAlertRequest>,
    ) -> Result<Response<wire::AcknowledgeAlertResponse>, Status> {
        unary!(self, request, acknowledge)
    }

    async fn get_alert_policy(
        &self,
        request: Request<wire::GetAlertPolicyRequest>,
    ) -> Result<Response<wire::GetAlertPolicyResponse>, Status> {
        unary!(self, request, alert_policy)
    }

    async fn update_alert_policy(
        &self,
        request: Request<wire::UpdateAlertPolicyRequest>,
    ) -> Result<Response<wire::UpdateAlertPolicyResponse>, Status> {
        unary!(self, request, change_alert_policy)
    }
}

/// The sellers granted to a caller; none = all of the provider's.
pub(super) fn granted(caller: &Caller) -> Option<BTreeSet<SellerId>> {
    match caller.granted() {
        Granted::These(sellers) => Some(sellers.iter().copied().map(SellerId).collect()),
        Granted::OfProvider(_) => None,
    }
}

impl Api {
    async fn change_presence(
        &self,
        caller: &Caller,
        request: wire::ChangeAgentPresenceRequest,
    ) -> Result<wire::ChangeAgentPresenceResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let agent: AgentId = checks.id("agent_id", &request.agent_id);
        let reason = checks.line("reason", &request.reason, 1..=64);
        let wanted = out::presence_in(request.state).filter(|state| *state != Presence::Draining);
        checks.require(wanted.is_some(), "state", "must be PAUSED, AVAILABLE or OFFLINE");
        checks.require(request.epoch >= 0, "epoch", "must not be negative");
        checks.finish()?;
        let presence = wanted.unwrap_or(Presence::Paused);
        let action = match presence {
            Presence::Offline => "agent_logged_off",
            Presence::Available => "agent_resumed",
            Presence::Paused | Presence::Draining => "agent_paused",
        };
        let scope = Scope::provider(caller.provider());
        let asking =
            Asking { caller, scope, method: "ChangeAgentPresence", id: &request.request_id, request: &request };
        let mine = granted(caller);
        let desk = self.desk(caller)?;
        let reached = desk.look(move |engine| {
            engine.agent(agent).is_some_and(|(profile, _, _)| {
                profile.active && mine.is_none_or(|mine| !mine.is_disjoint(&profile.sellers))
            })
        });
        if !reached.await? {
            let mut tx = self.deps.db.begin(&asking.scope).await?;
            return Err(asking.absent(&mut tx, "agent").await);
        }
        let hand = asking.hand(self, action, Subject::Agent(agent), &reason);
        let epoch = Some(request.epoch).filter(|epoch| *epoch != 0);
        let event = Event::Supervise { agent, epoch, presence, reason };
        let respond = move |engine: &Engine, _: &Reply| wire::ChangeAgentPresenceResponse {
            presence: frames::presence(engine, agent),
        };
        asking.by_hand(self, event, hand, respond).await?.map_err(fault)
    }

    async fn reprioritize(
        &self,
        caller: &Caller,
        request: wire::ReprioritizeContactRequest,
    ) -> Result<wire::ReprioritizeContactResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let contact: ContactId = checks.id("contact_id", &request.contact_id);
        let reason = checks.line("reason", &request.reason, 1..=200);
        let priority: Option<Priority> = match request.priority.as_str() {
            "" => None,
            word => {
                word.parse().map_err(|_| checks.refuse("priority", "must be one of low, normal, high, urgent")).ok()
            }
        };
        let due_at = request.due_at.as_ref().map(|at| self.planned(&mut checks, "due_at", at));
        checks.require(
            !request.priority.is_empty() || due_at.is_some(),
            "priority",
            "must be given, or due_at, or both",
        );
        checks.finish()?;
        let version = out::contact_version(&request.etag)?;
        let scope = caller.act_for(&request.seller_id)?;
        let asking =
            Asking { caller, scope, method: "ReprioritizeContact", id: &request.request_id, request: &request };
        let before = self.open_or_ended(&asking, contact).await?;
        let hand = asking.hand(self, "contact_reprioritised", Subject::Contact(before.seller, contact), &reason);
        let after = before.clone();
        let respond = move |_: &Engine, reply: &Reply| wire::ReprioritizeContactResponse {
            contact: Some(out::contact(reply.contact.as_ref().unwrap_or(&after), View::Staff)),
        };
        match asking.by_hand(self, Event::Reprioritise { contact, priority, due_at, version }, hand, respond).await? {
            Ok(answer) => Ok(answer),
            Err(Refusal::ContactNotFound) => Err(ended(&before)),
            Err(refusal) => Err(fault(refusal)),
        }
    }

    async fn set_aside(
        &self,
        caller: &Caller,
        request: wire::SetContactAsideRequest,
    ) -> Result<wire::SetContactAsideResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let contact: ContactId = checks.id("contact_id", &request.contact_id);
        let reason = checks.line("reason", &request.reason, 1..=200);
        let until = request.until.as_ref().map(|at| self.planned(&mut checks, "until", at));
        checks.finish()?;
        let version = out::contact_version(&request.etag)?;
        let scope = caller.act_for(&request.seller_id)?;
        let asking = Asking { caller, scope, method: "SetContactAside", id: &request.request_id, request: &request };
        let before = self.open_or_ended(&asking, contact).await?;
        let now = At::of(self.deps.clock.now());
        let aside = until.is_some_and(|until| now < until);
        let action = if aside { "contact_set_aside" } else { "contact_brought_back" };
        let hand = asking.hand(self, action, Subject::Contact(before.seller, contact), &reason);
        let after = before.clone();
        let respond = move |_: &Engine, reply: &Reply| wire::SetContactAsideResponse {
            contact: Some(out::contact(reply.contact.as_ref().unwrap_or(&after), View::Staff)),
        };
        match asking.by_hand(self, Event::SetAside { contact, until, version }, hand, respond).await? {
            Ok(answer) => Ok(answer),
            Err(Refusal::ContactNotFound) => Err(ended(&before)),
            Err(refusal) => Err(fault(refusal)),
        }
    }

    async fn pause(
        &self,
        caller: &Caller,
        request: wire::PauseQueueRequest,
    ) -> Result<wire::PauseQueueResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let reason = checks.line("reason", &request.reason, 1..=200);
        let until = request.until.as_ref().map(|at| self.planned(&mut checks, "until", at));
        let now = At::of(self.deps.clock.now());
        checks.require(until.is_none_or(|until| until > now), "until", "must lie in the future");
        checks.finish()?;
        let (asking, seller) =
            self.on_queue(caller, &request.seller_id, "PauseQueue", &request.request_id, &request).await?;
        let hand = asking.hand(self, "queue_paused", Subject::Queue(seller), &reason);
        let respond = move |engine: &Engine, _: &Reply| wire::PauseQueueResponse {
            pause: engine.pause(seller).map(|pause| queue_pause(seller, pause)),
        };
        asking.by_hand(self, Event::PauseQueue { seller, until, reason }, hand, respond).await?.map_err(fault)
    }

    async fn resume_queue_of(
        &self,
        caller: &Caller,
        request: wire::ResumeQueueRequest,
    ) -> Result<wire::ResumeQueueResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let reason = checks.line("reason", &request.reason, 1..=200);
        checks.finish()?;
        let (asking, seller) =
            self.on_queue(caller, &request.seller_id, "ResumeQueue", &request.request_id, &request).await?;
        let hand = asking.hand(self, "queue_resumed", Subject::Queue(seller), &reason);
        let respond = |_: &Engine, _: &Reply| wire::ResumeQueueResponse {};
        asking.by_hand(self, Event::ResumeQueue { seller }, hand, respond).await?.map_err(fault)
    }

    /// A request about the queue of a seller that is there.
    async fn on_queue<'a, Req: prost::Message>(
        &self,
        caller: &'a Caller,
        seller_id: &str,
        method: &'static str,
        id: &'a str,
        request: &'a Req,
    ) -> Result<(Asking<'a, Req>, SellerId), Fault> {
        let scope = caller.act_for(seller_id)?;
        self.deps.terms.of(&self.deps.db, &self.deps.calls, Some(caller), &scope).await?;
        let seller = scope.seller().ok_or(Fault::NotFound("seller"))?;
        Ok((Asking { caller, scope, method, id, request }, seller))
    }

    /// An instant that somebody plans for.
    fn planned(&self, checks: &mut Checks, field: &str, at: &prost_types::Timestamp) -> At {
        let at = At::of(checks.instant(field, Some(at)));
        let now = At::of(self.deps.clock.now());
        checks.require(at <= now.plus_seconds(AHEAD_SECONDS), field, "must not lie more than 30 days ahead");
        at
    }

    async fn floor_actions(
        &self,
        caller: &Caller,
        request: wire::ListFloorActionsRequest,
    ) -> Result<wire::ListFloorActionsResponse, Fault> {
        let mut checks = Checks::new();
        let agent: Option<AgentId> = optional(&mut checks, "agent_id", &request.agent_id);
        let contact: Option<ContactId> = optional(&mut checks, "contact_id", &request.contact_id);
        checks.finish()?;
        let view = View::of(caller);
        if view == View::Seller && agent.is_some() {
            return Err(Fault::invalid("agent_id", "must be empty for a seller's users"));
        }
        let scope = caller.view(&request.seller_id)?;
        let shape = (&request.seller_id, &request.agent_id, &request.contact_id);
        let page = self.deps.pager.read::<(i64, uuid::Uuid)>(
            caller,
            "ListFloorActions",
            &shape,
            request.page_size,
            &request.page_token,
        )?;
        let named = if request.seller_id.is_empty() && view == View::Staff { None } else { scope.single_reader() };
        let filter = Filter { seller: named, agent, contact };
        let before = page.after.map(|(at, id)| (At(at), ActionId(id)));
        let mut tx = self.deps.db.begin(&scope).await?;
        let mut found = actions::list(&mut tx, &filter, before, page.size + 1).await?;
        drop(tx);
        // a seller's users see nothing that is not a seller's
        found.retain(|action| view == View::Staff || action.seller.is_some());
        let next_page_token = self.deps.pager.cut(&page, &mut found, |a| (a.at.0, a.id.0))?;
        let actions = found.into_iter().map(|action| shown(action, view)).collect();
        Ok(wire::ListFloorActionsResponse { actions, next_page_token })
    }
}

/// A pause on the wire.
pub(super) fn queue_pause(seller: SellerId, pause: &Pause) -> wire::QueuePause {
    wire::QueuePause {
        seller_id: seller.to_string(),
        since: Some(out::at(pause.since)),
        until: pause.until.map(out::at),
        reason: pause.reason.clone(),
    }
}

fn shown(action: Action, view: View) -> wire::FloorAction {
    let staff = view == View::Staff;
    let person = |id: Option<String>| id.filter(|_| staff).unwrap_or_default();
    let changes =
        action.changes.into_iter().filter(|change| staff || !matches!(change.field.as_str(), "agent_id" | "reason"));
    wire::FloorAction {
        id: action.id.to_string(),
        acted_at: Some(out::at(action.at)),
        actor_id: person(Some(action.actor.to_string())),
        action: action.action,
        seller_id: action.seller.map(|seller| seller.to_string()).unwrap_or_default(),
        agent_id: person(action.agent.map(|agent| agent.to_string())),
        contact_id: action.contact.map(|contact| contact.to_string()).unwrap_or_default(),
        reason: person(Some(action.reason)),
        changes: changes.map(|c| wire::FieldChange { field: c.field, before: c.before, after: c.after }).collect(),
    }
}
