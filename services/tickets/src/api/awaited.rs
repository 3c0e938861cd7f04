//! Files that are fetched after their message was kept: what is missing, and once more.

use kit::wire::timestamp;
use kit::{Caller, Checks, Fault};
use proto::tickets::v1 as pb;
use proto::tickets::v1::awaited_files_service_server::AwaitedFilesService;
use tonic::{Request, Response, Status};

use super::reads::must_exist;
use super::{Api, fields};
use crate::domain::ids::{AttachmentId, TicketId, Uuid};
use crate::store;
use crate::store::awaited::Missing;

#[tonic::async_trait]
impl AwaitedFilesService for Api {
    async fn list_awaited_files(
        &self,
        request: Request<pb::ListAwaitedFilesRequest>,
    ) -> Result<Response<pb::ListAwaitedFilesResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.awaited_files(&caller, request).await?))
    }

    async fn retry_awaited_file(
        &self,
        request: Request<pb::RetryAwaitedFileRequest>,
    ) -> Result<Response<pb::RetryAwaitedFileResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.retry_awaited(&caller, request).await?))
    }
}

impl Api {
    async fn awaited_files(
        &self,
        caller: &Caller,
        request: pb::ListAwaitedFilesRequest,
    ) -> Result<pb::ListAwaitedFilesResponse, Fault> {
        let mut checks = Checks::new();
        let ticket: TicketId = checks.id("ticket_id", &request.ticket_id);
        checks.finish()?;
        let shape = (&request.seller_id, &request.ticket_id);
        let pager = &self.desk.deps.pager;
        let page = pager.read::<Uuid>(caller, "ListAwaitedFiles", &shape, request.page_size, &request.page_token)?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        must_exist(&mut tx, ticket).await?;
        let mut found = store::awaited::of_ticket(&mut tx, ticket, page.after, page.size + 1).await?;
        let next_page_token = pager.cut(&page, &mut found, |missing| missing.id.0)?;
        Ok(pb::ListAwaitedFilesResponse { awaited_files: found.iter().map(shown).collect(), next_page_token })
    }

    async fn retry_awaited(
        &self,
        caller: &Caller,
        request: pb::RetryAwaitedFileRequest,
    ) -> Result<pb::RetryAwaitedFileResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        let id: AttachmentId = checks.id("attachment_id", &request.attachment_id);
        checks.finish()?;
        let scope = caller.act_for(&request.seller_id)?;
        let mut tx = self.desk.deps.db.begin(&scope).await?;
        if let Some(answer) = tx.replayed(caller, "RetryAwaitedFile", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let missing = store::awaited::again(&mut tx, id).await?.ok_or(Fault::NotFound("awaited file"))?;
        let response = pb::RetryAwaitedFileResponse { awaited_file: Some(shown(&missing)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }
}

fn shown(missing: &Missing) -> pb::AwaitedFile {
    let (reason, detail) = missing.trouble.clone().unwrap_or_default();
    pb::AwaitedFile {
        attachment_id: missing.id.to_string(),
        seller_id: missing.seller.to_string(),
        message_id: missing.message.to_string(),
        name: missing.name.clone(),
        declared_type: missing.declared.clone(),
        given_up: missing.due_at.is_none(),
        reason,
        detail,
        attempts: missing.attempts,
        next_attempt_time: missing.due_at.map(timestamp),
    }
}
