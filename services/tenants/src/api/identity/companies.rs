//! `ProvidersService`: two lines an RPC; the work is in the modules beside.

use proto::tenants::v1 as wire;
use proto::tenants::v1::providers_service_server::ProvidersService;
use tonic::{Request, Response, Status};

use super::Identity;

/// The handlers of `ProvidersService`.
#[derive(Clone)]
pub struct ProvidersApi(pub Identity);

#[tonic::async_trait]
impl ProvidersService for ProvidersApi {
    async fn create_provider(
        &self,
        request: Request<wire::CreateProviderRequest>,
    ) -> Result<Response<wire::CreateProviderResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.0.create_provider(&caller, request).await?))
    }

    async fn create_admin_link(
        &self,
        request: Request<wire::CreateAdminLinkRequest>,
    ) -> Result<Response<wire::CreateAdminLinkResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.0.create_admin_link(&caller, request).await?))
    }

    async fn get_provider(
        &self,
        request: Request<wire::GetProviderRequest>,
    ) -> Result<Response<wire::GetProviderResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.0.get_provider(&caller, request).await?))
    }

    async fn list_providers(
        &self,
        request: Request<wire::ListProvidersRequest>,
    ) -> Result<Response<wire::ListProvidersResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.0.list_providers(&caller, request).await?))
    }

    async fn suspend_provider(
        &self,
        request: Request<wire::SuspendProviderRequest>,
    ) -> Result<Response<wire::SuspendProviderResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.0.suspend_provider(&caller, request).await?))
    }

    async fn resume_provider(
        &self,
        request: Request<wire::ResumeProviderRequest>,
    ) -> Result<Response<wire::ResumeProviderResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.0.resume_provider(&caller, request).await?))
    }

    async fn put_oidc_issuer(
        &self,
        request: Request<wire::PutOidcIssuerRequest>,
    ) -> Result<Response<wire::PutOidcIssuerResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.0.put_oidc_issuer(&caller, request).await?))
    }

    async fn list_oidc_issuers(
        &self,
        request: Request<wire::ListOidcIssuersRequest>,
    ) -> Result<Response<wire::ListOidcIssuersResponse>, Status> {
        let (caller, _) = kit::admitted(request)?;
        Ok(Response::new(self.0.list_oidc_issuers(&caller).await?))
    }

    async fn delete_oidc_issuer(
        &self,
        request: Request<wire::DeleteOidcIssuerRequest>,
    ) -> Result<Response<wire::DeleteOidcIssuerResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.0.delete_oidc_issuer(&caller, request).await?))
    }
}
