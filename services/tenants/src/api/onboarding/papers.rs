//! Documents and the data-protection record.

use kit::{Caller, Fault};
use proto::tenants::v1 as pb;

use super::{Onboarding, Reach, explain, given, keep, open, settle, sha256, wire};
use crate::domain::onboarding::check::Problems;
use crate::domain::onboarding::paper;
use crate::store::onboarding::papers::{self, Stored};

/// The most documents of a seller.
const MOST: usize = 500;

impl Onboarding {
    pub(super) async fn upload(
        &self,
        caller: &Caller,
        request: pb::UploadDocumentRequest,
    ) -> Result<pb::UploadDocumentResponse, Fault> {
        let mut problems = Problems::new();
        let wanted = given("document", request.document.clone())?;
        let digest = sha256(&request.content);
        problems.require(
            wanted.sha256.is_empty() || wanted.sha256 == digest,
            "document.sha256",
            "must be the digest of the bytes: they were damaged on the way",
        );
        let said = wire::read_document(wanted, &mut problems).checked("document", &request.content, &mut problems);
        settle(problems)?;

        let mut tx = self.act(caller, &request.seller_id, &request.request_id).await?;
        if let Some(answer) = tx.replayed(caller, "UploadDocument", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let mut seller = open(&mut tx).await?;
        let all = papers::all(&mut tx, seller.id).await?;
        let before = all.iter().find(|p| p.sha256 == digest);
        if before.is_none() {
            explain::room("document", all.len(), MOST)?;
        }
        let now = self.deps.clock.now();
        let stored = Stored {
            sha256: digest,
            paper: said,
            size_bytes: i64::try_from(request.content.len()).unwrap_or(i64::MAX),
            uploaded_at: before.map_or(now, |p| p.uploaded_at),
        };
        if before != Some(&stored) {
            papers::put(&mut tx, &stored, &request.content, caller.subject()).await?;
            keep(&mut tx, &mut seller, Reach::Kept, now).await?;
        }
        let response = pb::UploadDocumentResponse { document: Some(wire::document(&stored)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn documents(
        &self,
        caller: &Caller,
        request: pb::ListDocumentsRequest,
    ) -> Result<pb::ListDocumentsResponse, Fault> {
        let (mut tx, seller) = self.look(caller, &request.seller_id).await?;
        let all = papers::all(&mut tx, seller.id).await?;
        Ok(pb::ListDocumentsResponse { documents: all.iter().map(wire::document).collect() })
    }

    pub(super) async fn document(
        &self,
        caller: &Caller,
        request: pb::GetDocumentRequest,
    ) -> Result<pb::GetDocumentResponse, Fault> {
        if !paper::is_digest(&request.sha256) {
            return Err(Fault::invalid("sha256", "must be 64 lower-case hex digits"));
        }
        let (mut tx, seller) = self.look(caller, &request.seller_id).await?;
        let all = papers::all(&mut tx, seller.id).await?;
        let stored = all.iter().find(|p| p.sha256 == request.sha256).ok_or(Fault::NotFound("document"))?;
        let content = papers::content(&mut tx, seller.id, &request.sha256).await?.ok_or(Fault::NotFound("document"))?;
        Ok(pb::GetDocumentResponse { document: Some(wire::document(stored)), content: content.into() })
    }

    pub(super) async fn put_record(
        &self,
        caller: &Caller,
        request: pb::PutDataProtectionRecordRequest,
    ) -> Result<pb::PutDataProtectionRecordResponse, Fault> {
        let mut problems = Problems::new();
        let record = wire::read_data_protection(given("record", request.record.clone())?);
        let record = record.checked("record", &mut problems);
        settle(problems)?;
        let mut tx = self.act(caller, &request.seller_id, &request.request_id).await?;
        if let Some(answer) = tx.replayed(caller, "PutDataProtectionRecord", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let mut seller = open(&mut tx).await?;
        let before = papers::data_protection(&mut tx, seller.id).await?;
        let version = before.as_ref().map_or(0, |(version, _)| *version);
        let version = if before.is_some_and(|(_, same)| same == record) {
            version
        } else {
            papers::put_data_protection(&mut tx, version + 1, &record).await.map_err(|failure| {
                match failure.constraint() {
                    Some("data_protection_agreement") => {
                        Fault::invalid("record.agreement_sha256", "must be the digest of one of the seller's documents")
                    }
                    _ => failure.into(),
                }
            })?;
            keep(&mut tx, &mut seller, Reach::Terms, self.deps.clock.now()).await?;
            version + 1
        };
        let response = pb::PutDataProtectionRecordResponse { record: Some(wire::data_protection(version, &record)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn record(
        &self,
        caller: &Caller,
        request: pb::GetDataProtectionRecordRequest,
    ) -> Result<pb::GetDataProtectionRecordResponse, Fault> {
        let (mut tx, seller) = self.look(caller, &request.seller_id).await?;
        let record = papers::data_protection(&mut tx, seller.id).await?;
        Ok(pb::GetDataProtectionRecordResponse {
            record: record.map(|(version, record)| wire::data_protection(version, &record)),
        })
    }
}
