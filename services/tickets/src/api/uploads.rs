//! Files for answers.

use jiff::{SignedDuration, Timestamp};
use kit::{Caller, Checks, Fault};
use proto::tickets::v1 as pb;

use super::{Api, wire};
use crate::domain::enclosure::{self, MOST_WAITING, TooMuch};
use crate::domain::ids::{TicketId, UploadId};
use crate::store;
use crate::store::uploads::Upload;

/// How long a file waits for its answer.
const WAITS: SignedDuration = SignedDuration::from_hours(24);
/// The constraint that a file's bytes are there.
const BYTES: &str = "upload_file_fk";

impl Api {
    pub(super) async fn upload_file(
        &self,
        caller: &Caller,
        request: pb::UploadFileRequest,
    ) -> Result<pb::UploadFileResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let ticket: TicketId = checks.id("ticket_id", &request.ticket_id);
        let name = checks.line("name", &request.name, 1..=200);
        checks.line("content_type", &request.content_type, 0..=100);
        let file = match enclosure::check(&name, &request.content_type, request.data.to_vec()) {
            Ok(file) => Some(file),
            Err(refused) => {
                checks.refuse("data", refused.to_string());
                None
            }
        };
        checks.finish()?;
        let Some(file) = file else { return Err(Fault::internal("a file was refused without a word")) };
        let (_, mut tx) = self.act_for(caller, &request.seller_id).await?;
        if let Some(answer) = tx.replayed(caller, "UploadFile", &request.request_id, &request).await? {
            return Ok(answer);
        }
        // Under the ticket's lock, so that two at once do not both find room.
        store::load::dossier(&mut tx, ticket).await?.ok_or(Fault::NotFound("ticket"))?;
        if MOST_WAITING <= store::uploads::waiting(&mut tx, ticket).await? {
            return Err(TooMuch::Waiting.into());
        }
        let upload = Upload {
            id: self.desk.deps.clock.new_id(),
            ticket,
            name: file.name.clone(),
            declared: file.declared.clone(),
            detected: file.detected.to_owned(),
            sha256: file.sha256.clone(),
            size: i64::try_from(file.bytes.len()).unwrap_or(i64::MAX),
            expires_at: tx.now().checked_add(WAITS).unwrap_or(Timestamp::MAX),
        };
        if let Err(failure) = store::uploads::keep(&mut tx, &upload, &file, caller.user()).await {
            return Err(match failure.constraint() {
                Some(BYTES) => Fault::Contended("the same file was being forgotten".into()),
                _ => failure.into(),
            });
        }
        let shown = pb::Upload {
            id: upload.id.to_string(),
            seller_id: tx.seller()?.to_string(),
            ticket_id: ticket.to_string(),
            name: upload.name,
            detected_type: upload.detected,
            size: upload.size,
            sha256: wire::hex(&upload.sha256),
            expires_at: Some(kit::wire::timestamp(upload.expires_at)),
        };
        let response = pb::UploadFileResponse { upload: Some(shown) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn delete_upload(
        &self,
        caller: &Caller,
        request: pb::DeleteUploadRequest,
    ) -> Result<pb::DeleteUploadResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let id: UploadId = checks.id("upload_id", &request.upload_id);
        checks.finish()?;
        let (_, mut tx) = self.act_for(caller, &request.seller_id).await?;
        if let Some(answer) = tx.replayed(caller, "DeleteUpload", &request.request_id, &request).await? {
            return Ok(answer);
        }
        if !store::uploads::forget(&mut tx, id).await? {
            return Err(Fault::NotFound("upload"));
        }
        let response = pb::DeleteUploadResponse {};
        tx.commit_with(&response).await?;
        Ok(response)
    }
}
