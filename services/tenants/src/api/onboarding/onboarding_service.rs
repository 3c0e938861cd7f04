//! The onboarding service, wired up; the work is beside.

use proto::tenants::v1 as pb;
use proto::tenants::v1::onboarding_service_server::OnboardingService;
use tonic::{Request, Response, Status};

use super::Onboarding;
use super::sellers::call;

#[tonic::async_trait]
impl OnboardingService for Onboarding {
    async fn get_checklist(
        &self,
        request: Request<pb::GetChecklistRequest>,
    ) -> Result<Response<pb::GetChecklistResponse>, Status> {
        call!(self, request, checklist)
    }

    async fn record_isolation_probe(
        &self,
        request: Request<pb::RecordIsolationProbeRequest>,
    ) -> Result<Response<pb::RecordIsolationProbeResponse>, Status> {
        call!(self, request, record_probe)
    }

    async fn put_contact(
        &self,
        request: Request<pb::PutContactRequest>,
    ) -> Result<Response<pb::PutContactResponse>, Status> {
        call!(self, request, put_contact_of)
    }

    async fn list_contacts(
        &self,
        request: Request<pb::ListContactsRequest>,
    ) -> Result<Response<pb::ListContactsResponse>, Status> {
        call!(self, request, list_contacts_of)
    }

    async fn delete_contact(
        &self,
        request: Request<pb::DeleteContactRequest>,
    ) -> Result<Response<pb::DeleteContactResponse>, Status> {
        call!(self, request, delete_contact_of)
    }

    async fn put_escalation_matrix(
        &self,
        request: Request<pb::PutEscalationMatrixRequest>,
    ) -> Result<Response<pb::PutEscalationMatrixResponse>, Status> {
        call!(self, request, put_matrix)
    }

    async fn get_escalation_matrix(
        &self,
        request: Request<pb::GetEscalationMatrixRequest>,
    ) -> Result<Response<pb::GetEscalationMatrixResponse>, Status> {
        call!(self, request, matrix)
    }

    async fn upload_document(
        &self,
        request: Request<pb::UploadDocumentRequest>,
    ) -> Result<Response<pb::UploadDocumentResponse>, Status> {
        call!(self, request, upload)
    }

    async fn list_documents(
        &self,
        request: Request<pb::ListDocumentsRequest>,
    ) -> Result<Response<pb::ListDocumentsResponse>, Status> {
        call!(self, request, documents)
    }

    async fn get_document(
        &self,
        request: Request<pb::GetDocumentRequest>,
    ) -> Result<Response<pb::GetDocumentResponse>, Status> {
        call!(self, request, document)
    }

    async fn put_brand_voice(
        &self,
        request: Request<pb::PutBrandVoiceRequest>,
    ) -> Result<Response<pb::PutBrandVoiceResponse>, Status> {
        call!(self, request, put_voice)
    }

    async fn list_brand_voices(
        &self,
        request: Request<pb::ListBrandVoicesRequest>,
    ) -> Result<Response<pb::ListBrandVoicesResponse>, Status> {
        call!(self, request, voices)
    }

    async fn put_playbook_entry(
        &self,
        request: Request<pb::PutPlaybookEntryRequest>,
    ) -> Result<Response<pb::PutPlaybookEntryResponse>, Status> {
        call!(self, request, put_entry)
    }

    async fn list_playbook_entries(
        &self,
        request: Request<pb::ListPlaybookEntriesRequest>,
    ) -> Result<Response<pb::ListPlaybookEntriesResponse>, Status> {
        call!(self, request, playbook)
    }

    async fn delete_playbook_entry(
        &self,
        request: Request<pb::DeletePlaybookEntryRequest>,
    ) -> Result<Response<pb::DeletePlaybookEntryResponse>, Status> {
        call!(self, request, delete_entry)
    }

    async fn put_data_protection_record(
        &self,
        request: Request<pb::PutDataProtectionRecordRequest>,
    ) -> Result<Response<pb::PutDataProtectionRecordResponse>, Status> {
        call!(self, request, put_record)
    }

    async fn get_data_protection_record(
        &self,
        request: Request<pb::GetDataProtectionRecordRequest>,
    ) -> Result<Response<pb::GetDataProtectionRecordResponse>, Status> {
        call!(self, request, record)
    }
}
