//! The end of a seller: the export, the request to erase, the certificate.

use std::pin::Pin;
use std::time::Duration;

use aws_lc_rs::digest;
use futures_util::{Stream, StreamExt};
use kit::{Caller, Checks, Fault, SellerId};
use proto::events::v1::SellerErasureRequested;
use proto::events::v1::envelope::Body;
use proto::tenants::v1 as pb;
use proto::tenants::v1::offboarding_service_server::OffboardingService;
use tenantdb::TenantTx;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::sellers::call;
use super::{Onboarding, Reach, hex, keep, locked};
use crate::domain::onboarding::life::{self, Verb};
use crate::domain::onboarding::seller::{ErasureId, Seller};
use crate::domain::onboarding::{checklist, erasure};
use crate::store::onboarding::erasures::{self, Stored};
use crate::store::onboarding::exports::{self, EXPORTED, Export, TableCount};

/// Lines are sent in pieces of about this many bytes.
const PIECE: usize = 256 * 1024;
/// A reader that takes nothing for so long ends its export: it holds the seller's row.
const PATIENCE: Duration = Duration::from_secs(30);

type Piece = Result<pb::ExportSellerResponse, Status>;

impl Onboarding {
    /// Begins an export; the rows are read as fast as the caller takes them.
    async fn export(&self, caller: &Caller, seller_id: &str) -> Result<mpsc::Receiver<Piece>, Fault> {
        let mut tx = self.deps.db.begin(&caller.act_for(seller_id)?).await?;
        // Nothing of the seller changes while its row is locked.
        let seller = locked(&mut tx).await?;
        let (pieces, taken) = mpsc::channel(2);
        let api = self.clone();
        let by = caller.subject();
        tokio::spawn(async move {
            let told = tokio::select! {
                // A caller who goes away ends the work.
                () = pieces.closed() => return,
                told = api.read_out(tx, seller, by, &pieces) => told,
            };
            if let Err(fault) = told {
                let _ = pieces.send_timeout(Err(fault.into()), PATIENCE).await;
            }
        });
        Ok(taken)
    }

    async fn read_out(
        &self,
        mut tx: TenantTx,
        seller: Seller,
        by: Uuid,
        pieces: &mpsc::Sender<Piece>,
    ) -> Result<(), Fault> {
        let mut whole = digest::Context::new(&digest::SHA256);
        let mut tables = Vec::new();
        for (table, statement) in EXPORTED.iter().copied() {
            tables.push(send_table(&mut tx, seller.id, (table, statement), &mut whole, pieces).await?);
        }
        let export = Export {
            id: self.deps.clock.new_id(),
            revision: seller.revision,
            sha256: hex(whole.finish().as_ref()),
            tables,
            at: self.deps.clock.now(),
        };
        exports::insert(&mut tx, &export, by).await?;
        tx.commit().await?;
        let manifest = pb::ExportManifest {
            export_id: export.id.to_string(),
            seller_id: seller.id.to_string(),
            tables: export
                .tables
                .into_iter()
                .map(|t| pb::TableCount { table: t.table, rows: t.rows, sha256: t.sha256 })
                .collect(),
            sha256: export.sha256,
            time: Some(kit::wire::timestamp(export.at)),
        };
        send(pieces, pb::ExportSellerResponse { manifest: Some(manifest), ..Default::default() }).await
    }

    async fn request(
        &self,
        caller: &Caller,
        request: pb::RequestErasureRequest,
    ) -> Result<pb::RequestErasureResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        checks.finish()?;
        let mut tx = self.act(caller, &request.seller_id, &request.request_id).await?;
        if let Some(answer) = tx.replayed(caller, "RequestErasure", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let mut seller = locked(&mut tx).await?;
        life::admits(seller.state, Verb::Erase)?;
        if seller.erasing {
            return Err(life::Refusal::ErasureRequested.into());
        }
        let now = self.deps.clock.now();
        let export = exports::latest(&mut tx, seller.id).await?;
        erasure::may_request(&erasure::Request {
            handle: &seller.handle,
            confirmed_handle: &request.confirm_handle,
            contract_end: seller.contract_end,
            today: checklist::today(&seller.profile.time_zone, now),
            export_revision: export.as_ref().map(|e| e.revision),
            revision: seller.revision,
        })?;
        let export = export.ok_or_else(|| Fault::internal("an export that was there is gone"))?;
        let id: ErasureId = self.deps.clock.new_id();
        erasures::insert(&mut tx, id, (export.id, &export.sha256), caller.subject(), now).await?;
        seller.erasing = true;
        keep(&mut tx, &mut seller, Reach::Own, now).await?;
        let told = SellerErasureRequested { erasure_id: id.to_string() };
        tx.emit(seller.id, Body::SellerErasureRequested(told), now)?;
        let stored = erasures::find(&mut tx, id).await?.ok_or_else(|| Fault::internal("a new erasure is gone"))?;
        let response = pb::RequestErasureResponse { erasure: Some(shown(&stored)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn erasure(&self, caller: &Caller, request: pb::GetErasureRequest) -> Result<pb::GetErasureResponse, Fault> {
        let mut checks = Checks::new();
        let id: ErasureId = checks.id("erasure_id", &request.erasure_id);
        checks.finish()?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let stored = erasures::find(&mut tx, id).await?.ok_or(Fault::NotFound("erasure"))?;
        Ok(pb::GetErasureResponse { erasure: Some(shown(&stored)) })
    }

    async fn erasures(
        &self,
        caller: &Caller,
        request: pb::ListErasuresRequest,
    ) -> Result<pb::ListErasuresResponse, Fault> {
        let page = self.deps.pager.read::<Uuid>(caller, "ListErasures", &(), request.page_size, &request.page_token)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let mut rows = erasures::list(&mut tx, page.after, page.size + 1).await?;
        let next_page_token = self.deps.pager.cut(&page, &mut rows, |stored| stored.id.0)?;
        Ok(pb::ListErasuresResponse { erasures: rows.iter().map(shown).collect(), next_page_token })
    }
}

/// Sends the rows of one table in pieces.
async fn send_table(
    tx: &mut TenantTx,
    seller: SellerId,
    (table, statement): (&str, &'static str),
    whole: &mut digest::Context,
    pieces: &mpsc::Sender<Piece>,
) -> Result<TableCount, Fault> {
    let mut own = digest::Context::new(&digest::SHA256);
    let mut count = 0;
    let mut lines: Vec<u8> = Vec::new();
    let mut rows = exports::rows(tx, seller, statement);
    while let Some(row) = rows.next().await {
        let mut line = row?;
        line.push('\n');
        own.update(line.as_bytes());
        whole.update(line.as_bytes());
        count += 1;
        lines.extend_from_slice(line.as_bytes());
        if PIECE <= lines.len() {
            let full = std::mem::take(&mut lines);
            send(pieces, piece(table, full)).await?;
        }
    }
    if !lines.is_empty() {
        send(pieces, piece(table, lines)).await?;
    }
    Ok(TableCount { table: table.to_owned(), rows: count, sha256: hex(own.finish().as_ref()) })
}

fn piece(table: &str, lines: Vec<u8>) -> pb::ExportSellerResponse {
    pb::ExportSellerResponse { table: table.to_owned(), lines: lines.into(), manifest: None }
}

async fn send(pieces: &mpsc::Sender<Piece>, piece: pb::ExportSellerResponse) -> Result<(), Fault> {
    pieces
        .send_timeout(Ok(piece), PATIENCE)
        .await
        .map_err(|_| Fault::Exhausted { reason: "EXPORT_NOT_READ", retry_after: Duration::from_secs(1) })
}

fn shown(stored: &Stored) -> pb::Erasure {
    let share = |(service, share): (&String, &erasure::Share)| pb::ErasureShare {
        service: service.clone(),
        rows: share.rows,
        rows_kept: share.rows_kept,
        time: Some(kit::wire::timestamp(share.at)),
    };
    pb::Erasure {
        erasure_id: stored.id.to_string(),
        seller_id: stored.seller.to_string(),
        state: if stored.done_at.is_some() { "done" } else { "requested" }.to_owned(),
        shares: stored.erasure.shares.iter().map(share).collect(),
        waiting_for: stored.erasure.waiting_for().into_iter().map(str::to_owned).collect(),
        request_time: Some(kit::wire::timestamp(stored.erasure.requested_at)),
        done_time: stored.done_at.map(kit::wire::timestamp),
        certificate_sha256: stored.certificate_sha256.clone(),
        certificate: stored.certificate.clone(),
    }
}

#[tonic::async_trait]
impl OffboardingService for Onboarding {
    type ExportSellerStream = Pin<Box<dyn Stream<Item = Piece> + Send>>;

    async fn export_seller(
        &self,
        request: Request<pb::ExportSellerRequest>,
    ) -> Result<Response<Self::ExportSellerStream>, Status> {
        let (caller, request) = kit::admitted(request)?;
        let pieces = self.export(&caller, &request.seller_id).await?;
        Ok(Response::new(Box::pin(ReceiverStream::new(pieces))))
    }

    async fn request_erasure(
        &self,
        request: Request<pb::RequestErasureRequest>,
    ) -> Result<Response<pb::RequestErasureResponse>, Status> {
        call!(self, request, request)
    }

    async fn get_erasure(
        &self,
        request: Request<pb::GetErasureRequest>,
    ) -> Result<Response<pb::GetErasureResponse>, Status> {
        call!(self, request, erasure)
    }

    async fn list_erasures(
        &self,
        request: Request<pb::ListErasuresRequest>,
    ) -> Result<Response<pb::ListErasuresResponse>, Status> {
        call!(self, request, erasures)
    }
}
