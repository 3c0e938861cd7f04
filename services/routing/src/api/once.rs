//! Requests that are carried out once, however often they are asked.

use kit::{Caller, Fault, Scope};
use prost::Message;
use tenantdb::TenantTx;
use tenantdb::kept::Named;

use super::Api;
use crate::desk::hand::{Hand, Subject};
use engine::refusal::Refusal;
use engine::{Engine, Event, Reply};

/// A caller's request with the id that she gave it.
pub struct Asking<'a, Req> {
    pub caller: &'a Caller,
    pub scope: Scope,
    pub method: &'static str,
    pub id: &'a str,
    pub request: &'a Req,
}

impl<Req: Message> Asking<'_, Req> {
    fn named(&self) -> Named {
        Named::of(self.caller, &self.scope, self.method, self.id, self.request)
    }

    /// Has the engine carry it out, unless that was done before.
    pub async fn engine<Res: Message + Default>(
        &self,
        api: &Api,
        event: Event,
        respond: impl FnOnce(&Engine, &Reply) -> Res + Send + 'static,
    ) -> Result<Result<Res, Refusal>, Fault> {
        api.desk(self.caller)?.once(self.named(), event, None, respond).await
    }

    /// The same for something done by hand, which leaves its trail.
    pub async fn by_hand<Res: Message + Default>(
        &self,
        api: &Api,
        event: Event,
        hand: Option<Hand>,
        respond: impl FnOnce(&Engine, &Reply) -> Res + Send + 'static,
    ) -> Result<Result<Res, Refusal>, Fault> {
        api.desk(self.caller)?.once(self.named(), event, hand, respond).await
    }

    /// The caller's hand on a subject; none for a service, which has no hands.
    pub fn hand(&self, api: &Api, action: &'static str, subject: Subject, reason: &str) -> Option<Hand> {
        let actor = self.caller.person().ok()?;
        Some(Hand { id: api.deps.clock.new_id(), actor, action, subject, reason: reason.to_owned() })
    }

    /// Claims it for an answer from what is stored, which [`TenantTx::commit_with`]
    /// keeps; or what was answered before.
    pub async fn claim<Res: Message + Default>(&self, tx: &mut TenantTx) -> Result<Option<Res>, Fault> {
        tx.replayed(self.caller, self.method, self.id, self.request).await
    }

    /// Why what it names is not there.
    pub async fn absent(&self, tx: &mut TenantTx, kind: &'static str) -> Fault {
        tx.absent(&self.named(), kind).await.unwrap_or_else(Fault::from)
    }
}
