//! The calls: read, decide, keep, reply. [`intake`] and [`mails`] take messages in, [`quarantine`] holds
//! what could not be, [`steps`] works on tickets, [`reads`] answers questions, [`promises`] explains and
//! reports, [`sla`] warns and tells how sellers stand, [`reports`] add up; [`templates`], [`writing`], [`guidance`],
//! [`guard`] and [`presence`] help to answer, [`workflow`], [`triggers`], [`concessions`], [`claims`] and [`returns`] do the
//! rest; [`questions`] go to the seller and become [`articles`]; [`surveys`], [`survey_forms`] and [`satisfaction`] ask
//! customers how it was; [`incidents`] tell many at once.

mod actions;
mod articles;
mod awaited;
mod calls;
mod claims;
mod concessions;
mod connections;
mod customers;
mod deliveries;
mod faq;
mod faults;
mod fields;
mod files;
mod guard;
mod guidance;
mod held;
mod imports;
mod incidents;
mod intake;
mod mails;
mod merges;
mod opened;
mod outgoing;
mod presence;
mod privacy;
mod promises;
mod quarantine;
mod questions;
mod reads;
mod received;
mod report_csv;
mod reports;
mod returns;
mod satisfaction;
mod senders;
pub mod sla;
mod steps;
mod streams;
mod survey_forms;
mod surveys;
mod templates;
mod translations;
mod triggers;
mod uploads;
mod webhooks;
mod wire;
mod workflow;
mod writing;

use std::sync::Arc;

use futures_util::stream::BoxStream;
use kit::{Caller, ProviderId, SellerId};
use proto::tickets::v1 as pb;
use proto::tickets::v1::answering_service_server::AnsweringService;
use proto::tickets::v1::articles_service_server::ArticlesService;
use proto::tickets::v1::claims_service_server::ClaimsService;
use proto::tickets::v1::concessions_service_server::ConcessionsService;
use proto::tickets::v1::incidents_service_server::IncidentsService;
use proto::tickets::v1::presence_service_server::PresenceService;
use proto::tickets::v1::questions_service_server::QuestionsService;
use proto::tickets::v1::returns_service_server::ReturnsService;
use proto::tickets::v1::satisfaction_service_server::SatisfactionService;
use proto::tickets::v1::surveys_service_server::SurveysService;
use proto::tickets::v1::tickets_service_server::TicketsService;
use proto::tickets::v1::triggers_service_server::TriggersService;
use proto::tickets::v1::uploads_service_server::UploadsService;
use proto::tickets::v1::workflow_service_server::WorkflowService;
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
pub use reports::Reports;
pub use survey_forms::SurveyForms;

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

/// As above, for a service of calls with one answer.
macro_rules! service {
    ($service:ident { $($name:ident, $request:ident, $response:ident;)* }) => {
        #[tonic::async_trait]
        impl $service for Api {
            $(
                async fn $name(&self, request: Request<pb::$request>) -> Result<Response<pb::$response>, Status> {
                    let (caller, request) = kit::admitted(request)?;
                    Ok(Response::new(self.$name(&caller, request).await?))
                }
            )*
        }
    };
}

service! {
    WorkflowService {
        get_transition_table, GetTransitionTableRequest, GetTransitionTableResponse;
        get_ticket_extras, GetTicketExtrasRequest, GetTicketExtrasResponse;
        tag_ticket, TagTicketRequest, TagTicketResponse;
        list_tags, ListTagsRequest, ListTagsResponse;
        list_tagged_tickets, ListTaggedTicketsRequest, ListTaggedTicketsResponse;
        set_ticket_priority, SetTicketPriorityRequest, SetTicketPriorityResponse;
        put_field_definition, PutFieldDefinitionRequest, PutFieldDefinitionResponse;
        list_field_definitions, ListFieldDefinitionsRequest, ListFieldDefinitionsResponse;
        set_ticket_fields, SetTicketFieldsRequest, SetTicketFieldsResponse;
        snooze_ticket, SnoozeTicketRequest, SnoozeTicketResponse;
        link_tickets, LinkTicketsRequest, LinkTicketsResponse;
        unlink_tickets, UnlinkTicketsRequest, UnlinkTicketsResponse;
        bulk_edit_tickets, BulkEditTicketsRequest, BulkEditTicketsResponse;
        suggest_duplicates, SuggestDuplicatesRequest, SuggestDuplicatesResponse;
    }
}

service! {
    QuestionsService {
        ask_seller, AskSellerRequest, AskSellerResponse;
        list_questions, ListQuestionsRequest, ListQuestionsResponse;
        get_question, GetQuestionRequest, GetQuestionResponse;
        answer_question, AnswerQuestionRequest, AnswerQuestionResponse;
        withdraw_question, WithdrawQuestionRequest, WithdrawQuestionResponse;
        promote_answer, PromoteAnswerRequest, PromoteAnswerResponse;
        get_asking_report, GetAskingReportRequest, GetAskingReportResponse;
    }
}

service! {
    ArticlesService {
        create_article, CreateArticleRequest, CreateArticleResponse;
        update_article, UpdateArticleRequest, UpdateArticleResponse;
        publish_article, PublishArticleRequest, PublishArticleResponse;
        withdraw_article, WithdrawArticleRequest, WithdrawArticleResponse;
        get_knowledge_article, GetKnowledgeArticleRequest, GetKnowledgeArticleResponse;
        list_knowledge_articles, ListKnowledgeArticlesRequest, ListKnowledgeArticlesResponse;
        list_article_versions, ListArticleVersionsRequest, ListArticleVersionsResponse;
        search_articles, SearchArticlesRequest, SearchArticlesResponse;
        suggest_articles, SuggestArticlesRequest, SuggestArticlesResponse;
        rate_article, RateArticleRequest, RateArticleResponse;
        list_faq, ListFaqRequest, ListFaqResponse;
    }
}

service! {
    SurveysService {
        put_survey, PutSurveyRequest, PutSurveyResponse;
        list_surveys, ListSurveysRequest, ListSurveysResponse;
        get_survey, GetSurveyRequest, GetSurveyResponse;
        list_survey_invitations, ListSurveyInvitationsRequest, ListSurveyInvitationsResponse;
        list_survey_answers, ListSurveyAnswersRequest, ListSurveyAnswersResponse;
        import_survey_answers, ImportSurveyAnswersRequest, ImportSurveyAnswersResponse;
    }
}

service! {
    IncidentsService {
        create_incident, CreateIncidentRequest, CreateIncidentResponse;
        update_incident, UpdateIncidentRequest, UpdateIncidentResponse;
        add_incident_orders, AddIncidentOrdersRequest, AddIncidentOrdersResponse;
        preview_incident, PreviewIncidentRequest, PreviewIncidentResponse;
        activate_incident, ActivateIncidentRequest, ActivateIncidentResponse;
        close_incident, CloseIncidentRequest, CloseIncidentResponse;
        get_incident, GetIncidentRequest, GetIncidentResponse;
        list_incidents, ListIncidentsRequest, ListIncidentsResponse;
        list_incident_recipients, ListIncidentRecipientsRequest, ListIncidentRecipientsResponse;
        set_incident_ticket, SetIncidentTicketRequest, SetIncidentTicketResponse;
        list_incident_tickets, ListIncidentTicketsRequest, ListIncidentTicketsResponse;
        list_ticket_incidents, ListTicketIncidentsRequest, ListTicketIncidentsResponse;
        get_incident_report, GetIncidentReportRequest, GetIncidentReportResponse;
    }
}

service! {
    SatisfactionService {
        get_satisfaction_report, GetSatisfactionReportRequest, GetSatisfactionReportResponse;
    }
}

service! {
    TriggersService {
        put_trigger, PutTriggerRequest, PutTriggerResponse;
        retire_trigger, RetireTriggerRequest, RetireTriggerResponse;
        list_triggers, ListTriggersRequest, ListTriggersResponse;
        dry_run_trigger, DryRunTriggerRequest, DryRunTriggerResponse;
    }
}

service! {
    AnsweringService {
        put_template, PutTemplateRequest, PutTemplateResponse;
        retire_template, RetireTemplateRequest, RetireTemplateResponse;
        get_template, GetTemplateRequest, GetTemplateResponse;
        list_templates, ListTemplatesRequest, ListTemplatesResponse;
        list_template_versions, ListTemplateVersionsRequest, ListTemplateVersionsResponse;
        render_template, RenderTemplateRequest, RenderTemplateResponse;
        suggest_templates, SuggestTemplatesRequest, SuggestTemplatesResponse;
        apply_macro, ApplyMacroRequest, ApplyMacroResponse;
        put_draft, PutDraftRequest, PutDraftResponse;
        get_draft, GetDraftRequest, GetDraftResponse;
        delete_draft, DeleteDraftRequest, DeleteDraftResponse;
        put_signature, PutSignatureRequest, PutSignatureResponse;
        list_signatures, ListSignaturesRequest, ListSignaturesResponse;
        get_guidance, GetGuidanceRequest, GetGuidanceResponse;
        put_order_patterns, PutOrderPatternsRequest, PutOrderPatternsResponse;
        get_order_patterns, GetOrderPatternsRequest, GetOrderPatternsResponse;
        check_reply, CheckReplyRequest, CheckReplyResponse;
        override_guard, OverrideGuardRequest, OverrideGuardResponse;
    }
}

service! {
    ConcessionsService {
        put_authority_limit, PutAuthorityLimitRequest, PutAuthorityLimitResponse;
        list_authority_limits, ListAuthorityLimitsRequest, ListAuthorityLimitsResponse;
        request_concession, RequestConcessionRequest, RequestConcessionResponse;
        decide_concession, DecideConcessionRequest, DecideConcessionResponse;
        list_concessions, ListConcessionsRequest, ListConcessionsResponse;
    }
}

service! {
    ClaimsService {
        get_claim_transition_table, GetClaimTransitionTableRequest, GetClaimTransitionTableResponse;
        open_claim, OpenClaimRequest, OpenClaimResponse;
        get_claim, GetClaimRequest, GetClaimResponse;
        update_claim, UpdateClaimRequest, UpdateClaimResponse;
        advance_claim, AdvanceClaimRequest, AdvanceClaimResponse;
        set_claim_deadline, SetClaimDeadlineRequest, SetClaimDeadlineResponse;
        add_claim_evidence, AddClaimEvidenceRequest, AddClaimEvidenceResponse;
        remove_claim_evidence, RemoveClaimEvidenceRequest, RemoveClaimEvidenceResponse;
        list_claims, ListClaimsRequest, ListClaimsResponse;
        list_case_events, ListCaseEventsRequest, ListCaseEventsResponse;
        list_case_deadlines, ListCaseDeadlinesRequest, ListCaseDeadlinesResponse;
        list_case_alerts, ListCaseAlertsRequest, ListCaseAlertsResponse;
        get_claim_report, GetClaimReportRequest, GetClaimReportResponse;
    }
}

service! {
    ReturnsService {
        get_return_transition_table, GetReturnTransitionTableRequest, GetReturnTransitionTableResponse;
        request_return, RequestReturnRequest, RequestReturnResponse;
        get_return, GetReturnRequest, GetReturnResponse;
        advance_return, AdvanceReturnRequest, AdvanceReturnResponse;
        set_return_deadline, SetReturnDeadlineRequest, SetReturnDeadlineResponse;
        list_returns, ListReturnsRequest, ListReturnsResponse;
        get_return_report, GetReturnReportRequest, GetReturnReportResponse;
    }
}

service! {
    UploadsService {
        upload_file, UploadFileRequest, UploadFileResponse;
        delete_upload, DeleteUploadRequest, DeleteUploadResponse;
    }
}

#[tonic::async_trait]
impl PresenceService for Api {
    type WatchTicketStream = BoxStream<'static, Result<pb::WatchTicketResponse, Status>>;

    async fn touch_ticket(
        &self,
        request: Request<pb::TouchTicketRequest>,
    ) -> Result<Response<pb::TouchTicketResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.touch_ticket(&caller, request).await?))
    }

    async fn watch_ticket(
        &self,
        request: Request<pb::WatchTicketRequest>,
    ) -> Result<Response<Self::WatchTicketStream>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.watch_ticket(&caller, request).await?))
    }
}
