//! `UsersService`: two lines an RPC; the work is in the modules beside.

use proto::tenants::v1 as wire;
use proto::tenants::v1::users_service_server::UsersService;
use tonic::{Request, Response, Status};

use super::Identity;

/// The handlers of `UsersService`.
#[derive(Clone)]
pub struct UsersApi(pub Identity);

#[tonic::async_trait]
impl UsersService for UsersApi {
    async fn who_am_i(&self, request: Request<wire::WhoAmIRequest>) -> Result<Response<wire::WhoAmIResponse>, Status> {
        let (caller, _) = kit::admitted(request)?;
        Ok(Response::new(self.0.who_am_i(&caller).await?))
    }

    async fn create_user(
        &self,
        request: Request<wire::CreateUserRequest>,
    ) -> Result<Response<wire::CreateUserResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.0.create_user(&caller, request).await?))
    }

    async fn invite_user(
        &self,
        request: Request<wire::InviteUserRequest>,
    ) -> Result<Response<wire::InviteUserResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.0.invite_user(&caller, request).await?))
    }

    async fn create_password_link(
        &self,
        request: Request<wire::CreatePasswordLinkRequest>,
    ) -> Result<Response<wire::CreatePasswordLinkResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.0.create_password_link(&caller, request).await?))
    }

    async fn get_user(
        &self,
        request: Request<wire::GetUserRequest>,
    ) -> Result<Response<wire::GetUserResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.0.get_user(&caller, request).await?))
    }

    async fn list_users(
        &self,
        request: Request<wire::ListUsersRequest>,
    ) -> Result<Response<wire::ListUsersResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.0.list_users(&caller, request).await?))
    }

    async fn update_user(
        &self,
        request: Request<wire::UpdateUserRequest>,
    ) -> Result<Response<wire::UpdateUserResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.0.update_user(&caller, request).await?))
    }

    async fn set_roles(
        &self,
        request: Request<wire::SetRolesRequest>,
    ) -> Result<Response<wire::SetRolesResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.0.set_roles(&caller, request).await?))
    }

    async fn disable_user(
        &self,
        request: Request<wire::DisableUserRequest>,
    ) -> Result<Response<wire::DisableUserResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.0.disable_user(&caller, request).await?))
    }

    async fn enable_user(
        &self,
        request: Request<wire::EnableUserRequest>,
    ) -> Result<Response<wire::EnableUserResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.0.enable_user(&caller, request).await?))
    }

    async fn grant_sellers(
        &self,
        request: Request<wire::GrantSellersRequest>,
    ) -> Result<Response<wire::GrantSellersResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.0.grant_sellers(&caller, request).await?))
    }

    async fn revoke_sellers(
        &self,
        request: Request<wire::RevokeSellersRequest>,
    ) -> Result<Response<wire::RevokeSellersResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.0.revoke_sellers(&caller, request).await?))
    }

    async fn update_agent_profile(
        &self,
        request: Request<wire::UpdateAgentProfileRequest>,
    ) -> Result<Response<wire::UpdateAgentProfileResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.0.update_agent_profile(&caller, request).await?))
    }

    async fn certify_agent(
        &self,
        request: Request<wire::CertifyAgentRequest>,
    ) -> Result<Response<wire::CertifyAgentResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.0.certify_agent(&caller, request).await?))
    }

    async fn withdraw_certification(
        &self,
        request: Request<wire::WithdrawCertificationRequest>,
    ) -> Result<Response<wire::WithdrawCertificationResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.0.withdraw_certification(&caller, request).await?))
    }

    async fn list_certifications(
        &self,
        request: Request<wire::ListCertificationsRequest>,
    ) -> Result<Response<wire::ListCertificationsResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.0.list_certifications(&caller, request).await?))
    }

    async fn invite_seller_user(
        &self,
        request: Request<wire::InviteSellerUserRequest>,
    ) -> Result<Response<wire::InviteSellerUserResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.0.invite_seller_user(&caller, request).await?))
    }

    async fn list_seller_users(
        &self,
        request: Request<wire::ListSellerUsersRequest>,
    ) -> Result<Response<wire::ListSellerUsersResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.0.list_seller_users(&caller, request).await?))
    }

    async fn disable_seller_user(
        &self,
        request: Request<wire::DisableSellerUserRequest>,
    ) -> Result<Response<wire::DisableSellerUserResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.0.disable_seller_user(&caller, request).await?))
    }

    async fn create_api_key(
        &self,
        request: Request<wire::CreateApiKeyRequest>,
    ) -> Result<Response<wire::CreateApiKeyResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.0.create_api_key(&caller, request).await?))
    }

    async fn list_api_keys(
        &self,
        request: Request<wire::ListApiKeysRequest>,
    ) -> Result<Response<wire::ListApiKeysResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.0.list_api_keys(&caller, request).await?))
    }

    async fn revoke_api_key(
        &self,
        request: Request<wire::RevokeApiKeyRequest>,
    ) -> Result<Response<wire::RevokeApiKeyResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.0.revoke_api_key(&caller, request).await?))
    }

    async fn list_sessions(
        &self,
        request: Request<wire::ListSessionsRequest>,
    ) -> Result<Response<wire::ListSessionsResponse>, Status> {
        let (caller, _) = kit::admitted(request)?;
        Ok(Response::new(self.0.list_sessions(&caller).await?))
    }

    async fn revoke_session(
        &self,
        request: Request<wire::RevokeSessionRequest>,
    ) -> Result<Response<wire::RevokeSessionResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.0.revoke_session(&caller, request).await?))
    }

    async fn list_user_sessions(
        &self,
        request: Request<wire::ListUserSessionsRequest>,
    ) -> Result<Response<wire::ListUserSessionsResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.0.list_user_sessions(&caller, request).await?))
    }

    async fn revoke_user_sessions(
        &self,
        request: Request<wire::RevokeUserSessionsRequest>,
    ) -> Result<Response<wire::RevokeUserSessionsResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.0.revoke_user_sessions(&caller, request).await?))
    }
}
