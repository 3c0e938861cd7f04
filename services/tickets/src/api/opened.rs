//! A call that changes one ticket and what it carries: opened, decided by its handler, closed.

use std::sync::Arc;

use kit::{Caller, Checks, Fault, Scope};
use proto::tickets::v1 as pb;
use tenantdb::TenantTx;

use super::{Api, fields, sees_all, wire};
use crate::domain::case::Case;
use crate::domain::dossier::Act;
use crate::domain::ids::TicketId;
use crate::domain::settings::Settings;
use crate::store;

/// What a call about one ticket names.
pub(super) struct Asked<'a, Req> {
    pub caller: &'a Caller,
    pub method: &'static str,
    pub seller_id: &'a str,
    pub request_id: &'a str,
    pub ticket_id: &'a str,
    pub etag: &'a str,
    pub request: &'a Req,
}

/// From a request that names a ticket in the usual fields.
macro_rules! asked {
    ($caller:expr, $method:literal, $request:expr) => {
        asked!($caller, $method, $request, &$request.etag)
    };
    ($caller:expr, $method:literal, $request:expr, $etag:expr) => {
        crate::api::opened::Asked {
            caller: $caller,
            method: $method,
            seller_id: &$request.seller_id,
            request_id: &$request.request_id,
            ticket_id: &$request.ticket_id,
            etag: $etag,
            request: &$request,
        }
    };
}
pub(super) use asked;

/// A ticket held by a call.
pub(super) struct Open {
    pub tx: TenantTx,
    pub case: Case,
    pub settings: Arc<Settings>,
    pub act: Act,
}

/// A call that goes on, or was answered before.
pub(super) enum Opened<Res> {
    Before(Res),
    Now(Box<Open>),
}

/// Goes on with the ticket, or gives the answer that was given before.
macro_rules! now {
    ($opened:expr) => {
        match $opened {
            crate::api::opened::Opened::Before(answer) => return Ok(answer),
            crate::api::opened::Opened::Now(open) => *open,
        }
    };
}
pub(super) use now;

impl Api {
    /// Checks what the call names, claims its request id, and holds the ticket.
    pub(super) async fn open<Req, Res>(&self, mut checks: Checks, asked: Asked<'_, Req>) -> Result<Opened<Res>, Fault>
    where
        Req: prost::Message,
        Res: prost::Message + Default,
    {
        fields::optional_request_id(&mut checks, asked.request_id);
        let id: TicketId = checks.id("ticket_id", asked.ticket_id);
        checks.finish()?;
        kit::wire::version(asked.etag)?;
        let scope = asked.caller.act_for(asked.seller_id)?;
        let settings = self.desk.settings(Some(asked.caller), &scope).await?;
        let mut tx = self.desk.deps.db.begin(&scope).await?;
        if let Some(answer) = tx.replayed(asked.caller, asked.method, asked.request_id, asked.request).await? {
            return Ok(Opened::Before(answer));
        }
        let dossier = store::load::dossier(&mut tx, id).await?.ok_or(Fault::NotFound("ticket"))?;
        fields::matches(asked.etag, dossier.ticket.version)?;
        let extras = store::extras::of(&mut tx, id).await?;
        let act = Act { user: asked.caller.user(), at: tx.now() };
        Ok(Opened::Now(Box::new(Open { tx, case: Case::new(dossier, extras), settings, act })))
    }

    /// Writes what changed; the ticket for the answer.
    pub(super) async fn write(&self, caller: &Caller, open: &mut Open) -> Result<pb::Ticket, Fault> {
        self.desk.keep_case(&mut open.tx, &open.settings, &mut open.case).await?;
        Ok(wire::ticket(open.tx.seller()?, &open.case.dossier.ticket, sees_all(caller)))
    }

    /// A transaction that writes the named seller, whose entry is there.
    pub(super) async fn act_for(&self, caller: &Caller, seller_id: &str) -> Result<(Scope, TenantTx), Fault> {
        let scope = caller.act_for(seller_id)?;
        self.desk.settings(Some(caller), &scope).await?;
        let tx = self.desk.deps.db.begin(&scope).await?;
        Ok((scope, tx))
    }

    /// A transaction that reads one seller: the named one, or the caller's only one.
    pub(super) async fn look_at(&self, caller: &Caller, seller_id: &str) -> Result<TenantTx, Fault> {
        let scope = caller.act_for(seller_id)?;
        self.desk.settings(Some(caller), &scope).await?;
        Ok(self.desk.deps.db.begin(&scope).await?)
    }
}
