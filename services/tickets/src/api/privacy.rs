//! What is kept of a customer: given out, erased, and erased again after a restore.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{BoxStream, poll_fn};
use kit::{Caller, Checks, Fault, Id, Scope};
use proto::tickets::v1 as pb;
use proto::tickets::v1::export_customer_response::Piece as Sent;
use proto::tickets::v1::privacy_service_server::PrivacyService;
use tenantdb::TenantTx;
use tenantdb::export::{LONGEST_PART, in_time};
use tokio::sync::mpsc;
use tonic::{Request, Response, Status};

use super::fields;
use super::reads::{Key, place};
use crate::domain::ids::{CustomerId, TicketId, UserId};
use crate::domain::privacy::{Holds, Reason, TABLES};
use crate::store;
use crate::store::privacy::{Certificate, Piece};
use crate::work::{Desk, erasing};

/// Pieces that wait for the reader.
const AHEAD: usize = 4;
/// A reader that takes nothing for so long ends the export.
const PATIENCE: Duration = Duration::from_secs(30);
/// Erasures replayed in one call.
const REPLAY_LIMIT: usize = 100;
/// Ids of one kind in an erasure that is replayed.
const IDS_LIMIT: usize = 100_000;

type Export = BoxStream<'static, Result<pb::ExportCustomerResponse, Status>>;

/// The handlers.
pub struct Privacy {
    desk: Arc<Desk>,
}

impl Privacy {
    pub fn new(desk: Arc<Desk>) -> Privacy {
        Privacy { desk }
    }

    async fn export_customer(&self, caller: &Caller, request: pb::ExportCustomerRequest) -> Result<Export, Fault> {
        let mut checks = Checks::new();
        let id: CustomerId = checks.id("customer_id", &request.customer_id);
        checks.require(!request.seller_id.is_empty(), "seller_id", "must name the seller");
        checks.finish()?;
        let scope = caller.view(&request.seller_id)?;
        let turn = self.desk.deps.db.turn_to_export_part_of(scope.provider_id()).await?;
        let mut tx = self.desk.deps.db.begin(&scope).await?;
        store::privacy::stand_still(&mut tx).await?;
        let found = store::customers::find(&mut tx, id).await?.ok_or(Fault::NotFound("customer"))?;
        let (pieces, mut taken) = mpsc::channel(AHEAD);
        tokio::spawn(async move {
            let told = tokio::select! {
                // Who goes away ends the work.
                () = pieces.closed() => return,
                told = in_time(LONGEST_PART, read_out(tx, found.seller, found.value.id, &pieces)) => told,
            };
            drop(turn);
            if let Err(fault) = told {
                let _ = pieces.send_timeout(Err(fault.into()), PATIENCE).await;
            }
        });
        Ok(poll_fn(move |cx| taken.poll_recv(cx)).boxed())
    }

    async fn erase_customer(
        &self,
        caller: &Caller,
        request: pb::EraseCustomerRequest,
    ) -> Result<pb::EraseCustomerResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        let id: CustomerId = checks.id("customer_id", &request.customer_id);
        checks.finish()?;
        let scope = caller.act_for(&request.seller_id)?;
        let settings = self.desk.settings(Some(caller), &scope).await?;
        let mut tx = self.desk.deps.db.begin(&scope).await?;
        if let Some(answer) = tx.replayed(caller, "EraseCustomer", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let locked = store::customers::locked(&mut tx, &[id]).await?;
        let locked = locked.ok_or_else(|| Fault::Contended("the customer is being joined by several calls".into()))?;
        let customer = locked.into_iter().next().flatten().ok_or(Fault::NotFound("customer"))?;
        let before = match customer.erased_at {
            Some(_) => store::privacy::of_customer(&mut tx, customer.id).await?,
            None => None,
        };
        let certificate = match before {
            Some(before) => before,
            None => {
                let seller = tx.seller()?;
                let wanted = erasing::Wanted {
                    id: self.desk.deps.clock.new_id(),
                    reason: Reason::Requested,
                    customers: store::privacy::family(&mut tx, seller, customer.id).await?,
                    tickets: Vec::new(),
                    user: caller.user(),
                };
                let certificate = erasing::erase(&self.desk, &mut tx, &settings, &wanted).await?;
                store::privacy::keep(&mut tx, &certificate).await?;
                certificate
            }
        };
        let response = pb::EraseCustomerResponse { erasure: Some(shown(&certificate)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn list_erasures(
        &self,
        caller: &Caller,
        request: pb::ListErasuresRequest,
    ) -> Result<pb::ListErasuresResponse, Fault> {
        let pager = &self.desk.deps.pager;
        let page =
            pager.read::<Key>(caller, "ListErasures", &request.seller_id, request.page_size, &request.page_token)?;
        let after = page.after.map(place).transpose()?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let mut found = store::privacy::list(&mut tx, after, page.size + 1).await?;
        let next_page_token = pager.cut(&page, &mut found, |of| -> Key { (of.erased_at.as_microsecond(), of.id.0) })?;
        Ok(pb::ListErasuresResponse { erasures: found.iter().map(shown).collect(), next_page_token })
    }

    async fn replay_erasures(
        &self,
        caller: &Caller,
        request: pb::ReplayErasuresRequest,
    ) -> Result<pb::ReplayErasuresResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        checks.count("erasures", request.erasures.len(), 1..=REPLAY_LIMIT);
        let told = request.erasures.iter().take(REPLAY_LIMIT).enumerate();
        let told: Vec<Certificate> = told.map(|(at, erasure)| read(&mut checks, at, erasure)).collect();
        checks.finish()?;
        let scope = caller.act_for(&request.seller_id)?;
        let settings = self.desk.settings(Some(caller), &scope).await?;
        let mut answer = pb::ReplayErasuresResponse::default();
        for told in told {
            // Each in a transaction of its own: one may be of many tickets.
            let (replayed, remembered) = self.replay(&scope, &settings, told).await?;
            answer.replayed += i32::from(replayed);
            answer.remembered += i32::from(remembered);
            answer.unchanged += i32::from(!replayed);
        }
        Ok(answer)
    }

    /// Does one erasure again; whether something had come back, and whether the log had forgotten it.
    async fn replay(
        &self,
        scope: &Scope,
        settings: &crate::domain::settings::Settings,
        told: Certificate,
    ) -> Result<(bool, bool), Fault> {
        let mut tx = self.desk.deps.db.begin(scope).await?;
        let seller = tx.seller()?;
        let known = store::privacy::certificate(&mut tx, told.id).await?;
        let wanted = erasing::Wanted {
            id: told.id,
            reason: told.reason,
            customers: told.customers.clone(),
            tickets: told.tickets.clone(),
            user: told.user,
        };
        let again = erasing::erase(&self.desk, &mut tx, settings, &wanted).await?;
        let replayed = !again.customers.is_empty() || !again.tickets.is_empty();
        let remembered = known.is_none();
        if replayed || remembered {
            let kept = known.unwrap_or(Certificate { seller, ..told });
            let replayed_at = if replayed { Some(tx.now()) } else { kept.replayed_at };
            store::privacy::keep(&mut tx, &Certificate { replayed_at, ..kept }).await?;
        }
        tx.commit().await?;
        Ok((replayed, remembered))
    }
}

/// Sends what is kept of a customer, table by table.
async fn read_out(
    mut tx: TenantTx,
    seller: kit::SellerId,
    id: CustomerId,
    pieces: &mpsc::Sender<Result<pb::ExportCustomerResponse, Status>>,
) -> Result<(), Fault> {
    let time = tx.now();
    let customers = store::privacy::family(&mut tx, seller, id).await?;
    let tickets = store::privacy::tickets_of(&mut tx, seller, &customers).await?;
    let subject = store::privacy::subject(&mut tx, seller, &customers, &tickets, true).await?;
    let mut tables = Vec::new();
    for table in TABLES.iter().filter(|table| !matches!(table.holds, Holds::Nothing(_))) {
        let each = |piece: Piece| {
            let name = table.name.to_owned();
            let sent = match piece {
                Piece::Row(json_line) => Sent::Row(pb::ExportedRow { table: name, json_line }),
                Piece::Bytes { key, position, data } => {
                    Sent::Bytes(pb::ExportedBytes { table: name, key, position, data: data.into() })
                }
            };
            send(pieces, sent)
        };
        let rows = store::privacy::each_row(&mut tx, table, seller, &subject, each).await?;
        tables.push(pb::ExportedTable { table: table.name.to_owned(), rows });
    }
    let summary = pb::ExportSummary {
        customer_ids: customers.iter().map(CustomerId::to_string).collect(),
        tables,
        time: Some(kit::wire::timestamp(time)),
    };
    send(pieces, Sent::Summary(summary)).await
}

async fn send(pieces: &mpsc::Sender<Result<pb::ExportCustomerResponse, Status>>, piece: Sent) -> Result<(), Fault> {
    pieces
        .send_timeout(Ok(pb::ExportCustomerResponse { piece: Some(piece) }), PATIENCE)
        .await
        .map_err(|_| Fault::Exhausted { reason: "EXPORT_NOT_READ", retry_after: Duration::from_secs(1) })
}

fn shown(certificate: &Certificate) -> pb::CustomerErasure {
    let table = |done: &crate::domain::privacy::Done| pb::ErasedTable {
        table: done.table.clone(),
        removed: done.removed,
        blanked: done.blanked,
    };
    pb::CustomerErasure {
        customer_erasure_id: certificate.id.to_string(),
        seller_id: certificate.seller.to_string(),
        reason: certificate.reason.name().into(),
        customer_ids: certificate.customers.iter().map(CustomerId::to_string).collect(),
        ticket_ids: certificate.tickets.iter().map(TicketId::to_string).collect(),
        erased_at: Some(kit::wire::timestamp(certificate.erased_at)),
        user_id: certificate.user.map(|user| user.to_string()).unwrap_or_default(),
        tables: certificate.done.iter().map(table).collect(),
        replayed_at: certificate.replayed_at.map(kit::wire::timestamp),
    }
}

/// An erasure as it is told by the log that was kept outside.
fn read(checks: &mut Checks, at: usize, erasure: &pb::CustomerErasure) -> Certificate {
    let field = |name: &str| format!("erasures[{at}].{name}");
    let id = checks.id("customer_erasure_id", &erasure.customer_erasure_id);
    let reason = Reason::named(&erasure.reason);
    checks.require(reason.is_some(), field("reason"), "must be requested or retention");
    let erased_at = checks.instant(&field("erased_at"), erasure.erased_at.as_ref());
    let user: Option<UserId> = fields::optional_id(checks, "user_id", &erasure.user_id);
    let customers = ids(checks, field("customer_ids"), &erasure.customer_ids);
    let tickets = ids(checks, field("ticket_ids"), &erasure.ticket_ids);
    checks.count(field("tables"), erasure.tables.len(), 0..=IDS_LIMIT);
    let done = erasure.tables.iter().take(TABLES.len()).enumerate().map(|(n, table)| crate::domain::privacy::Done {
        table: checks.line(field(&format!("tables[{n}].table")), &table.table, 1..=63),
        removed: checks.range(field(&format!("tables[{n}].removed")), table.removed, 0..=i64::MAX),
        blanked: checks.range(field(&format!("tables[{n}].blanked")), table.blanked, 0..=i64::MAX),
    });
    let done = done.collect();
    Certificate {
        id,
        seller: kit::SellerId(kit::ids::Uuid::nil()),
        reason: reason.unwrap_or(Reason::Requested),
        customers,
        tickets,
        erased_at,
        user,
        replayed_at: None,
        done,
    }
}

fn ids<T: Id>(checks: &mut Checks, field: String, values: &[String]) -> Vec<T> {
    checks.count(field.clone(), values.len(), 0..=IDS_LIMIT);
    let read: Vec<T> = values
        .iter()
        .take(IDS_LIMIT)
        .filter_map(|value| kit::ids::decode(T::PREFIX, value).map(T::from_uuid))
        .collect();
    checks.require(read.len() == values.len(), field, format!("must be ids of the form {}_...", T::PREFIX));
    read
}

#[tonic::async_trait]
impl PrivacyService for Privacy {
    type ExportCustomerStream = Export;

    async fn export_customer(&self, request: Request<pb::ExportCustomerRequest>) -> Result<Response<Export>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.export_customer(&caller, request).await?))
    }

    async fn erase_customer(
        &self,
        request: Request<pb::EraseCustomerRequest>,
    ) -> Result<Response<pb::EraseCustomerResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.erase_customer(&caller, request).await?))
    }

    async fn list_erasures(
        &self,
        request: Request<pb::ListErasuresRequest>,
    ) -> Result<Response<pb::ListErasuresResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.list_erasures(&caller, request).await?))
    }

    async fn replay_erasures(
        &self,
        request: Request<pb::ReplayErasuresRequest>,
    ) -> Result<Response<pb::ReplayErasuresResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.replay_erasures(&caller, request).await?))
    }
}
