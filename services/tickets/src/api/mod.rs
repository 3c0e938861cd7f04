//! The calls: read, decide, keep, reply. [`intake`] and [`mails`] take messages in, [`quarantine`] holds
//! what could not be, [`steps`] works on tickets, [`reads`] answers questions, [`promises`] explains and
//! reports, [`sla`] warns and tells how sellers stand.

mod calls;
mod connections;
mod customers;
mod faults;
mod fields;
mod files;
mod imports;
mod intake;
mod mails;
mod merges;
mod outgoing;
mod privacy;
mod promises;
mod quarantine;
mod reads;
mod received;
pub mod sla;
mod steps;
mod streams;
mod wire;

use std::sync::Arc;

use futures_util::stream::BoxStream;
use kit::{Caller, ProviderId, SellerId};
use proto::tickets::v1 as pb;
use proto::tickets::v1::tickets_service_server::TicketsService;
use tenantdb::export::{self, Line, Wanted};
use tenantdb::group::Groups;
use tonic::{Request, Response, Status};

use crate::work::Desk;

/// Messages that wait at the same moment are stored together, by seller and call.
type Received = Groups<(ProviderId, SellerId, &'static str), received::Job, pb::ReceiveMessageResponse>;

/// The handlers.
pub struct Api {
    desk: Arc<Desk>,
    received: Received,
}

impl Api {
    pub fn new(desk: Arc<Desk>) -> Api {
        let received = Groups::new(received::Received::new(desk.clone()));
        Api { desk, received }
    }
}

pub use calls::Calls;
pub use customers::Customers;
pub use imports::Imports;
pub use privacy::Privacy;

/// Whether the caller sees what only provider staff sees: notes, people, intake's decisions.
fn sees_all(caller: &Caller) -> bool {
    !caller.is_seller_side() && !caller.has(proto::Role::ApiKey)
}

fn exported(line: Line) -> pb::ExportSellerRowsResponse {
    let Line { table, json, rows, sha256 } = line;
    pb::ExportSellerRowsResponse { table, json_line: json, rows, sha256 }
}

/// Writes the two lines of each call: admit, and pass on to the method of the same name.
macro_rules! calls {
    ({ $($name:ident, $request:ident, $response:ident;)* } { $($down:ident, $asked:ident, $stream:ident, $piece:ident;)* }) => {
        #[tonic::async_trait]
        impl TicketsService for Api {
            type ExportSellerRowsStream = BoxStream<'static, Result<pb::ExportSellerRowsResponse, Status>>;

            async fn export_seller_rows(
                &self,
                request: Request<pb::ExportSellerRowsRequest>,
            ) -> Result<Response<Self::ExportSellerRowsStream>, Status> {
                let (caller, request) = kit::admitted(request)?;
                let wanted = if request.counts_only { Wanted::Counts } else { Wanted::Rows };
                let rows = export::of_caller(&self.desk.deps, &caller, &request.seller_id, wanted, exported);
                Ok(Response::new(rows.await?))
            }

            $(
                type $stream = BoxStream<'static, Result<pb::$piece, Status>>;

                async fn $down(&self, request: Request<pb::$asked>) -> Result<Response<Self::$stream>, Status> {
                    let (caller, request) = kit::admitted(request)?;
                    Ok(Response::new(self.$down(&caller, request).await?))
                }
            )*

            $(
                async fn $name(&self, request: Request<pb::$request>) -> Result<Response<pb::$response>, Status> {
                    let (caller, request) = kit::admitted(request)?;
                    Ok(Response::new(self.$name(&caller, request).await?))
                }
            )*
        }
    };
}

calls! {
    {
        receive_message, ReceiveMessageRequest, ReceiveMessageResponse;
        receive_email, ReceiveEmailRequest, ReceiveEmailResponse;
        list_quarantined_mails, ListQuarantinedMailsRequest, ListQuarantinedMailsResponse;
        replay_quarantined_mail, ReplayQuarantinedMailRequest, ReplayQuarantinedMailResponse;
        discard_quarantined_mail, DiscardQuarantinedMailRequest, DiscardQuarantinedMailResponse;
        import_messages, ImportMessagesRequest, ImportMessagesResponse;
        list_imports, ListImportsRequest, ListImportsResponse;
        get_ticket, GetTicketRequest, GetTicketResponse;
        list_tickets, ListTicketsRequest, ListTicketsResponse;
        list_attachments, ListAttachmentsRequest, ListAttachmentsResponse;
        list_messages, ListMessagesRequest, ListMessagesResponse;
        get_raw_message, GetRawMessageRequest, GetRawMessageResponse;
        list_ticket_events, ListTicketEventsRequest, ListTicketEventsResponse;
        get_customer, GetCustomerRequest, GetCustomerResponse;
        reply, ReplyRequest, ReplyResponse;
        add_note, AddNoteRequest, AddNoteResponse;
        assign_ticket, AssignTicketRequest, AssignTicketResponse;
        hold_ticket, HoldTicketRequest, HoldTicketResponse;
        resume_ticket, ResumeTicketRequest, ResumeTicketResponse;
        solve_ticket, SolveTicketRequest, SolveTicketResponse;
        reopen_ticket, ReopenTicketRequest, ReopenTicketResponse;
        merge_ticket, MergeTicketRequest, MergeTicketResponse;
        split_message, SplitMessageRequest, SplitMessageResponse;
        close_ticket, CloseTicketRequest, CloseTicketResponse;
        explain_sla, ExplainSlaRequest, ExplainSlaResponse;
        get_sla_report, GetSlaReportRequest, GetSlaReportResponse;
        get_conversation_report, GetConversationReportRequest, GetConversationReportResponse;
    }
    {
        download_attachment, DownloadAttachmentRequest, DownloadAttachmentStream, DownloadAttachmentResponse;
        download_quarantined_mail, DownloadQuarantinedMailRequest, DownloadQuarantinedMailStream, DownloadQuarantinedMailResponse;
    }
}
