//! Shows and hands out the files of messages.

use futures_util::stream::BoxStream;
use kit::{Caller, Checks, Fault};
use proto::tickets::v1 as pb;
use tonic::Status;

use super::reads::must_exist;
use super::{Api, streams, wire};
use crate::domain::ids::{AttachmentId, TicketId};
use crate::store;

impl Api {
    pub(super) async fn list_attachments(
        &self,
        caller: &Caller,
        request: pb::ListAttachmentsRequest,
    ) -> Result<pb::ListAttachmentsResponse, Fault> {
        let mut checks = Checks::new();
        let id: TicketId = checks.id("ticket_id", &request.ticket_id);
        checks.finish()?;
        let shape = (&request.seller_id, &request.ticket_id);
        let pager = &self.desk.deps.pager;
        let page =
            pager.read::<(i32, i32)>(caller, "ListAttachments", &shape, request.page_size, &request.page_token)?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        must_exist(&mut tx, id).await?;
        let after = page.after.unwrap_or((0, -1));
        let mut found = store::files::of_ticket(&mut tx, id, after, page.size + 1).await?;
        let next_page_token = pager.cut(&page, &mut found, |(_, place)| *place)?;
        let attachments = found.iter().map(|(attached, _)| wire::attachment(attached, id)).collect();
        Ok(pb::ListAttachmentsResponse { attachments, next_page_token })
    }

    pub(super) async fn download_attachment(
        &self,
        caller: &Caller,
        request: pb::DownloadAttachmentRequest,
    ) -> Result<BoxStream<'static, Result<pb::DownloadAttachmentResponse, Status>>, Fault> {
        let mut checks = Checks::new();
        let id: AttachmentId = checks.id("attachment_id", &request.attachment_id);
        checks.finish()?;
        let scope = caller.view(&request.seller_id)?;
        let mut tx = self.desk.deps.db.begin(&scope).await?;
        let (seller, sha256) = store::files::find(&mut tx, id).await?.ok_or(Fault::NotFound("attachment"))?;
        drop(tx);
        let db = self.desk.deps.db.clone();
        Ok(streams::pieces(
            move |position| {
                let (db, scope, sha256) = (db.clone(), scope.clone(), sha256.clone());
                async move {
                    let mut tx = db.begin(&scope).await?;
                    Ok(store::files::piece(&mut tx, seller, &sha256, position).await?)
                }
            },
            |data| pb::DownloadAttachmentResponse { data: data.into() },
        ))
    }
}
