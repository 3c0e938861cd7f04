//! The end of a seller: the export, the request to erase, the certificate.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, TryStreamExt};
use kit::{Caller, Checks, Fault, Scope, SellerId};
use proto::events::v1::SellerErasureRequested;
use proto::events::v1::envelope::Body;
use proto::tenants::v1 as pb;
use proto::tenants::v1::offboarding_service_server::OffboardingService;
use tenantdb::TenantTx;
use tenantdb::export::{Turn, in_time, stand_still};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::pieces::{self, PATIENCE, Piece, Writer};
use super::sellers::call;
use super::{Onboarding, Reach, keep, locked};
use crate::domain::onboarding::life::{self, Verb};
use crate::domain::onboarding::seller::{ErasureId, Seller};
use crate::domain::onboarding::{checklist, erasure};
use crate::store::onboarding::erasures::{self, Stored};
use crate::store::onboarding::exports::{self, EXPORTED, Export, TableCount};
use crate::store::onboarding::sellers;

/// A reader who takes longer for what this service keeps ends the export.
const LONGEST: Duration = Duration::from_secs(10 * 60);

impl Onboarding {
    /// Begins an export; the rows are read as fast as the caller takes them.
    async fn export(&self, caller: Arc<Caller>, seller_id: &str) -> Result<mpsc::Receiver<Piece>, Fault> {
        let scope = caller.act_for(seller_id)?;
        let turn = self.deps.db.turn_to_export_of(scope.provider_id()).await?;
        let mut tx = self.deps.db.begin(&scope).await?;
        // It is read as it is now, and nobody waits for that: what changes it meanwhile shows at the end.
        stand_still(&mut tx).await?;
        let one = tx.seller()?;
        let seller = sellers::find(&mut tx, one).await?.ok_or(Fault::NotFound("seller"))?;
        let (pieces, taken) = mpsc::channel(2);
        let api = self.clone();
        tokio::spawn(async move {
            let told = tokio::select! {
                // A caller who goes away ends the work.
                () = pieces.closed() => return,
                told = api.read_out(tx, turn, seller, &caller, &scope, &pieces) => told,
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
        turn: Turn,
        before: Seller,
        caller: &Caller,
        scope: &Scope,
        pieces: &mpsc::Sender<Piece>,
    ) -> Result<(), Fault> {
        let mut writer = Writer::new(pieces);
        in_time(LONGEST, async {
            for (table, statement) in EXPORTED.iter().copied() {
                let name = format!("{}.{table}", erasure::SELF);
                let mut rows = exports::rows(&mut tx, before.id, statement);
                while let Some(row) = rows.try_next().await? {
                    writer.line(&name, &row).await?;
                }
                drop(rows);
                writer.end(&name).await?;
            }
            Ok(())
        })
        .await?;
        // Nobody waits for a connection while the others read out theirs.
        drop((tx, turn));
        let whole = !caller.is_seller_side();
        if whole {
            for service in erasure::OTHERS {
                self.copy(service, caller, scope, &mut writer).await?;
            }
        }
        let mut tx = self.deps.db.begin(scope).await?;
        if locked(&mut tx).await?.revision != before.revision {
            return Err(Fault::Contended("the seller was changed while it was exported".into()));
        }
        let (tables, sha256) = writer.finish();
        let (id, at) = (self.deps.clock.new_id(), self.deps.clock.now());
        let export = Export { id, revision: before.revision, sha256, tables, at, whole };
        exports::insert(&mut tx, &export, caller.subject()).await?;
        tx.commit().await?;
        let manifest = manifest(before.id, export);
        pieces::send(pieces, pb::ExportSellerResponse { manifest: Some(manifest), ..Default::default() }).await
    }

    /// Copies what another service keeps; nothing may get lost on the way.
    async fn copy(
        &self,
        service: &'static str,
        caller: &Caller,
        scope: &Scope,
        writer: &mut Writer<'_>,
    ) -> Result<(), Fault> {
        let mut rows = self.rows_of(service, caller, scope, false).await?;
        let mut unfinished = false;
        while let Some(told) = rows.try_next().await? {
            unfinished = !told.ends();
            if unfinished {
                writer.line(&told.table, &told.json).await?;
                continue;
            }
            let held = writer.end(&told.table).await?;
            if held.rows != told.rows || held.sha256 != told.sha256 {
                return Err(Fault::internal(format!("rows of {} got lost on the way", told.table)));
            }
        }
        if unfinished { Err(Fault::internal(format!("{service} broke off in a table"))) } else { Ok(()) }
    }

    async fn request(
        &self,
        caller: &Caller,
        request: pb::RequestErasureRequest,
    ) -> Result<pb::RequestErasureResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        checks.finish()?;
        let elsewhere = self.rows_elsewhere(caller, &request.seller_id).await?;
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
            export: export.as_ref().map(taken),
            revision: seller.revision,
            elsewhere,
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

    /// What the other services have of a seller that may be erased; nothing of
    /// one for whom it is decided anyway.
    async fn rows_elsewhere(&self, caller: &Caller, seller_id: &str) -> Result<Vec<erasure::Rows>, Fault> {
        let (tx, seller) = self.look(caller, seller_id).await?;
        drop(tx);
        if seller.erasing || life::admits(seller.state, Verb::Erase).is_err() {
            return Ok(Vec::new());
        }
        self.counts_elsewhere(caller, &caller.act_for(seller_id)?).await
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

/// What the domain asks about an export.
fn taken(export: &Export) -> erasure::Taken {
    let rows = |t: &TableCount| erasure::Rows { table: t.table.clone(), rows: t.rows };
    erasure::Taken { revision: export.revision, tables: export.tables.iter().map(rows).collect() }
}

fn manifest(seller: SellerId, export: Export) -> pb::ExportManifest {
    let shown = |t: TableCount| pb::TableCount { table: t.table, rows: t.rows, sha256: t.sha256 };
    pb::ExportManifest {
        export_id: export.id.to_string(),
        seller_id: seller.to_string(),
        tables: export.tables.into_iter().map(shown).collect(),
        sha256: export.sha256,
        time: Some(kit::wire::timestamp(export.at)),
        whole: export.whole,
    }
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
        let pieces = self.export(caller, &request.seller_id).await?;
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
