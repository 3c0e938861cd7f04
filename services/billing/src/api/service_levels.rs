//! The ledger of promises behind service-level lines, and objections to them.

use kit::{Caller, Checks, Fault};
use proto::billing::v1 as wire;
use proto::billing::v1::service_level_service_server::ServiceLevelService;
use tenantdb::TenantTx;
use tonic::{Request, Response, Status};

use super::drafting::{Ground, contract_on};
use super::{Api, answer};
use crate::domain::ids::{InvoiceId, ObjectionId, PromiseId};
use crate::domain::period::{Dates, parse_date};
use crate::domain::service_level::{ALERTS, Clause, ObjectionError, Ruling};
use crate::store;
use crate::store::service_level::{Objection, ObjectionFilter, ObjectionKey, Promise};

impl Api {
    async fn promises(
        &self,
        caller: &Caller,
        request: wire::ListServiceLevelPromisesRequest,
    ) -> Result<wire::ListServiceLevelPromisesResponse, Fault> {
        let of_invoice: Option<InvoiceId> = kit::Id::parse_optional("invoice_id", &request.invoice_id)?;
        if of_invoice.is_none() && request.clause_code.is_empty() {
            return Err(Fault::invalid("clause_code", "give a clause, or an invoice and its line"));
        }
        let shape = (
            &request.seller_id,
            &request.invoice_id,
            request.line_number,
            &request.date,
            &request.clause_code,
            request.breaches_only,
        );
        let page = self.deps.pager.read::<store::service_level::Key>(
            caller,
            "ListServiceLevelPromises",
            &shape,
            request.page_size,
            &request.page_token,
        )?;
        let one = self.reading(caller, &request.seller_id).await?;
        let mut tx = self.deps.db.begin(&one.scope).await?;
        let ground = Ground::load(&mut tx, one.seller).await?;
        let (clause, dates) = match of_invoice {
            Some(invoice) => of_line(&mut tx, &ground, invoice, request.line_number).await?,
            None => {
                let date = match request.date.as_str() {
                    "" => ground.today(self.deps.clock.now())?,
                    text => parse_date(text).map_err(|e| Fault::invalid("date", e.to_string()))?,
                };
                of_date(&ground, date, &request.clause_code)?
            }
        };
        let wanted = (&clause, dates);
        let breaches = request.breaches_only;
        let limit = page.size + 1;
        let mut rows = store::service_level::promises(&mut tx, one.seller, wanted, breaches, page.after, limit).await?;
        let next_page_token = self.deps.pager.cut(&page, &mut rows, |r| store::service_level::Key {
            bill_date: r.bill_date,
            settled_at: r.settled_at,
            promise_id: r.promise_id.0,
        })?;
        Ok(wire::ListServiceLevelPromisesResponse { promises: rows.iter().map(promise_out).collect(), next_page_token })
    }

    async fn object(
        &self,
        caller: &Caller,
        request: wire::ObjectToPromiseRequest,
    ) -> Result<wire::ObjectToPromiseResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let promise_id: PromiseId = checks.id("promise_id", &request.promise_id);
        let reason = checks.text("reason", &request.reason, 1..=1_000);
        checks.finish()?;
        let one = self.writing(caller, &request.seller_id).await?;
        let now = self.deps.clock.now();
        let mut tx = self.deps.db.begin(&one.scope).await?;
        if let Some(answer) = tx.replayed(caller, "ObjectToPromise", &request.request_id, &request).await? {
            return Ok(answer);
        }
        // Not while a period is closed: the invoice either holds the line or was there before.
        store::account::hold(&mut tx).await?.ok_or(Fault::NotFound("promise"))?;
        let promise = store::service_level::lock(&mut tx, promise_id).await?.ok_or(Fault::NotFound("promise"))?;
        if promise.ruling == Some(Ruling::Open) {
            return Err(ObjectionError::AlreadyObjected.into());
        }
        let objection = Objection {
            seller: one.seller,
            objection_id: self.deps.clock.new_id::<ObjectionId>(),
            promise_id,
            subject: promise.subject,
            metric: promise.metric,
            reason,
            objected_by: caller.subject(),
            created_at: now,
            ruling: Ruling::Open,
            note: String::new(),
            decided_at: None,
        };
        store::service_level::object(&mut tx, &objection).await?;
        let response = wire::ObjectToPromiseResponse { objection: Some(objection_out(&objection)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn decide(
        &self,
        caller: &Caller,
        request: wire::DecideObjectionRequest,
    ) -> Result<wire::DecideObjectionResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let id: ObjectionId = checks.id("objection_id", &request.objection_id);
        let note = checks.text("note", &request.note, 1..=1_000);
        let ruling = ruling_in(request.ruling).filter(|ruling| *ruling != Ruling::Open);
        checks.require(ruling.is_some(), "ruling", "must be stands, overturned or excluded");
        checks.finish()?;
        let ruling = ruling.unwrap_or(Ruling::Stands);
        let one = self.writing(caller, &request.seller_id).await?;
        let now = self.deps.clock.now();
        let mut tx = self.deps.db.begin(&one.scope).await?;
        if let Some(answer) = tx.replayed(caller, "DecideObjection", &request.request_id, &request).await? {
            return Ok(answer);
        }
        store::account::hold(&mut tx).await?.ok_or(Fault::NotFound("objection"))?;
        let filter = ObjectionFilter { objection: Some(id), ruling: None };
        let found = store::service_level::objections(&mut tx, Some(one.seller.0), filter, None, 1).await?.pop();
        let found = found.ok_or(Fault::NotFound("objection"))?;
        // The promise's lock orders decisions; the objection is read again under it.
        let promise = store::service_level::lock(&mut tx, found.promise_id).await?.ok_or(Fault::NotFound("promise"))?;
        let open = store::service_level::objections(&mut tx, Some(one.seller.0), filter, None, 1).await?.pop();
        let open = open.filter(|o| o.ruling == Ruling::Open).ok_or(ObjectionError::DecidedAlready)?;
        let decided = Objection { ruling, note, decided_at: Some(now), ..open };
        store::service_level::decide(&mut tx, &decided).await?;
        if ruling != Ruling::Stands {
            store::service_level::reopen(&mut tx, &promise).await?;
        }
        let response = wire::DecideObjectionResponse { objection: Some(objection_out(&decided)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn objections(
        &self,
        caller: &Caller,
        request: wire::ListObjectionsRequest,
    ) -> Result<wire::ListObjectionsResponse, Fault> {
        let ruling = match request.ruling {
            0 => None,
            n => Some(ruling_in(n).ok_or_else(|| Fault::invalid("ruling", "is unknown"))?),
        };
        let shape = (&request.seller_id, request.ruling);
        let page = self.deps.pager.read(caller, "ListObjections", &shape, request.page_size, &request.page_token)?;
        let scope = caller.view(&request.seller_id)?;
        let mut tx = self.deps.db.begin(&scope).await?;
        let filter = ObjectionFilter { objection: None, ruling };
        let one = scope.single_reader();
        let mut rows = store::service_level::objections(&mut tx, one, filter, page.after, page.size + 1).await?;
        let next_page_token = self
            .deps
            .pager
            .cut(&page, &mut rows, |r| ObjectionKey { created_at: r.created_at, objection_id: r.objection_id.0 })?;
        Ok(wire::ListObjectionsResponse { objections: rows.iter().map(objection_out).collect(), next_page_token })
    }
}

/// The clause of an invoice's line, and the dates it was measured over.
async fn of_line(
    tx: &mut TenantTx,
    ground: &Ground,
    invoice: InvoiceId,
    line_number: i32,
) -> Result<(Clause, Dates), Fault> {
    let head = store::invoice::read(tx, Some(ground.seller.0), invoice).await?.ok_or(Fault::NotFound("invoice"))?;
    let lines = store::lines::of(tx, head.seller, invoice).await?;
    let line = lines.into_iter().find(|l| l.line_number == line_number);
    let (found, contract) = line
        .and_then(|l| l.service_level.zip(l.contract_id))
        .ok_or(Fault::NotFound("service-level line of the invoice"))?;
    let signed = ground.contracts.iter().find(|(c, _)| c.contract_id.0 == contract);
    let clause = signed.and_then(|(_, plan)| plan.service_levels.iter().find(|c| c.code == found.clause_code));
    Ok((clause.cloned().ok_or(Fault::NotFound("clause"))?, found.dates))
}

/// A clause of the contract that holds on a date, and the contract's dates in the period.
fn of_date(ground: &Ground, date: jiff::civil::Date, code: &str) -> Result<(Clause, Dates), Fault> {
    let (contract, plan) = contract_on(&ground.contracts, date).ok_or(Fault::NotFound("clause"))?;
    let clause = plan.service_levels.iter().find(|c| c.code == code).ok_or(Fault::NotFound("clause"))?;
    let dates = contract.within(ground.period(date)?).ok_or(Fault::NotFound("clause"))?;
    Ok((clause.clone(), dates))
}

fn ruling_in(number: i32) -> Option<Ruling> {
    match wire::Ruling::try_from(number).ok()? {
        wire::Ruling::Unspecified => None,
        wire::Ruling::Open => Some(Ruling::Open),
        wire::Ruling::Stands => Some(Ruling::Stands),
        wire::Ruling::Overturned => Some(Ruling::Overturned),
        wire::Ruling::Excluded => Some(Ruling::Excluded),
    }
}

fn ruling_out(ruling: Ruling) -> wire::Ruling {
    match ruling {
        Ruling::Open => wire::Ruling::Open,
        Ruling::Stands => wire::Ruling::Stands,
        Ruling::Overturned => wire::Ruling::Overturned,
        Ruling::Excluded => wire::Ruling::Excluded,
    }
}

/// What a promise is about, where that is a ticket.
fn ticket_of(metric: &str, subject: &str) -> String {
    if ALERTS.contains(&metric) { String::new() } else { subject.to_string() }
}

fn promise_out(promise: &Promise) -> wire::ServiceLevelPromise {
    wire::ServiceLevelPromise {
        promise_id: promise.promise_id.to_string(),
        seller_id: promise.seller.to_string(),
        ticket_id: ticket_of(&promise.metric, &promise.subject),
        metric: promise.metric.clone(),
        family: promise.family.clone(),
        channel: promise.channel.clone(),
        settle_time: Some(kit::wire::timestamp(promise.settled_at)),
        local_date: promise.local_date.to_string(),
        count_date: promise.bill_date.to_string(),
        target_seconds: promise.target_seconds,
        elapsed_seconds: promise.elapsed_seconds,
        kept: promise.kept,
        policy_version: promise.policy_version,
        ruling: promise.ruling.map_or(wire::Ruling::Unspecified, ruling_out).into(),
    }
}

fn objection_out(objection: &Objection) -> wire::Objection {
    wire::Objection {
        objection_id: objection.objection_id.to_string(),
        seller_id: objection.seller.to_string(),
        promise_id: objection.promise_id.to_string(),
        ticket_id: ticket_of(&objection.metric, &objection.subject),
        reason: objection.reason.clone(),
        user_id: super::user_out(objection.objected_by),
        create_time: Some(kit::wire::timestamp(objection.created_at)),
        ruling: ruling_out(objection.ruling).into(),
        note: objection.note.clone(),
        decide_time: objection.decided_at.map(kit::wire::timestamp),
    }
}

#[tonic::async_trait]
impl ServiceLevelService for Api {
    async fn list_service_level_promises(
        &self,
        request: Request<wire::ListServiceLevelPromisesRequest>,
    ) -> Result<Response<wire::ListServiceLevelPromisesResponse>, Status> {
        answer!(self, request, promises)
    }

    async fn object_to_promise(
        &self,
        request: Request<wire::ObjectToPromiseRequest>,
    ) -> Result<Response<wire::ObjectToPromiseResponse>, Status> {
        answer!(self, request, object)
    }

    async fn decide_objection(
        &self,
        request: Request<wire::DecideObjectionRequest>,
    ) -> Result<Response<wire::DecideObjectionResponse>, Status> {
        answer!(self, request, decide)
    }

    async fn list_objections(
        &self,
        request: Request<wire::ListObjectionsRequest>,
    ) -> Result<Response<wire::ListObjectionsResponse>, Status> {
        answer!(self, request, objections)
    }
}
