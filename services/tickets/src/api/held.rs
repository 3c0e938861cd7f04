//! A case - a claim, a return - held by a call: found, locked under its ticket, changed, and told of.

use std::future::Future;
use std::sync::Arc;

use kit::{Caller, Checks, Fault, SellerId};
use tenantdb::{Failure, TenantTx};

use super::{Api, fields};
use crate::domain::dossier::{Act, Dossier};
use crate::domain::ids::TicketId;
use crate::domain::settings::Settings;
use crate::domain::ticket;
use crate::store;
use crate::work::claims::tell;

/// A case held by a call, under the lock of its ticket.
pub(super) struct Held<F> {
    pub tx: TenantTx,
    pub dossier: Dossier,
    pub file: F,
    pub settings: Arc<Settings>,
    pub act: Act,
}

/// What a call about one case names.
pub(super) struct Named<'a, Req> {
    pub caller: &'a Caller,
    pub method: &'static str,
    pub seller_id: &'a str,
    pub request_id: &'a str,
    pub request: &'a Req,
}

/// From a request that names its seller and itself in the usual fields.
macro_rules! named {
    ($caller:expr, $method:literal, $request:expr) => {
        crate::api::held::Named {
            caller: $caller,
            method: $method,
            seller_id: &$request.seller_id,
            request_id: &$request.request_id,
            request: &$request,
        }
    };
}
pub(super) use named;

/// Goes on with what is held, or gives the answer that was given before.
macro_rules! held {
    ($held:expr) => {
        match $held {
            Err(answer) => return Ok(answer),
            Ok(held) => held,
        }
    };
}
pub(super) use held;

/// What the file of a case says of itself, and where it is kept.
pub(super) trait CaseFile: Sized + Send + Sync {
    type Id: Copy + Send + Sync;
    type Shown;
    /// What a caller is told is not there.
    const NAME: &'static str;

    /// The ticket of a case.
    fn ticket(tx: &mut TenantTx, id: Self::Id) -> impl Future<Output = Result<Option<TicketId>, Failure>> + Send;
    /// Reads a case and locks it.
    fn hold(tx: &mut TenantTx, id: Self::Id) -> impl Future<Output = Result<Option<Self>, Failure>> + Send;
    /// Writes a case as its next version.
    fn write(&mut self, tx: &mut TenantTx) -> impl Future<Output = Result<(), Failure>> + Send;
    fn version(&self) -> i64;
    /// Its id, and where it stands, for the ticket's history.
    fn stands(&self) -> (String, &'static str);
    fn shown(&self, seller: SellerId) -> Self::Shown;
}

impl Api {
    /// Checks what the call names, claims its request id, and holds the case under its ticket; or the answer that
    /// was given before.
    pub(super) async fn hold<F, Req, Res>(
        &self,
        mut checks: Checks,
        named: Named<'_, Req>,
        id: F::Id,
        etag: &str,
    ) -> Result<Result<Held<F>, Res>, Fault>
    where
        F: CaseFile,
        Req: prost::Message,
        Res: prost::Message + Default,
    {
        checks.request_id(named.request_id);
        checks.finish()?;
        kit::wire::version(etag)?;
        let scope = named.caller.act_for(named.seller_id)?;
        let settings = self.desk.settings(Some(named.caller), &scope).await?;
        let mut tx = self.desk.deps.db.begin(&scope).await?;
        if let Some(answer) = tx.replayed(named.caller, named.method, named.request_id, named.request).await? {
            return Ok(Err(answer));
        }
        let missing = || Fault::NotFound(F::NAME);
        let ticket = F::ticket(&mut tx, id).await?.ok_or_else(missing)?;
        // The ticket's lock first, then what it holds, as it is now.
        let dossier = store::load::dossier(&mut tx, ticket).await?.ok_or_else(missing)?;
        let file = F::hold(&mut tx, id).await?.ok_or_else(missing)?;
        fields::matches(etag, file.version())?;
        let act = Act { user: named.caller.user(), at: tx.now() };
        Ok(Ok(Held { tx, dossier, file, settings, act }))
    }

    /// Writes a case and tells of it in its ticket's history.
    pub(super) async fn keep_case<F: CaseFile>(&self, held: &mut Held<F>, what: &str) -> Result<F::Shown, Fault> {
        held.file.write(&mut held.tx).await?;
        let (id, state) = held.file.stands();
        tell(&mut held.dossier, held.act, ticket::Kind::CaseMoved, &format!("{id} {what}: {state}"));
        held.dossier.settle(&held.settings, held.act.at);
        self.desk.keep(&mut held.tx, &mut held.dossier).await?;
        Ok(held.file.shown(held.tx.seller()?))
    }
}
