//! `AuthService`: two lines an RPC; the work is in the modules beside.

use std::pin::Pin;

use futures_util::Stream;
use kit::Fault;
use proto::tenants::v1 as wire;
use proto::tenants::v1::auth_service_server::AuthService;
use tonic::{Request, Response, Status};

use super::Identity;

/// The handlers of `AuthService`.
#[derive(Clone)]
pub struct AuthApi(pub Identity);

#[tonic::async_trait]
impl AuthService for AuthApi {
    async fn login(&self, request: Request<wire::LoginRequest>) -> Result<Response<wire::LoginResponse>, Status> {
        let (origin, request) = kit::public(request);
        Ok(Response::new(self.0.login(&origin, request).await?))
    }

    async fn refresh(&self, request: Request<wire::RefreshRequest>) -> Result<Response<wire::RefreshResponse>, Status> {
        let (_, request) = kit::public(request);
        Ok(Response::new(self.0.refresh(request).await?))
    }

    async fn logout(&self, request: Request<wire::LogoutRequest>) -> Result<Response<wire::LogoutResponse>, Status> {
        let (_, request) = kit::public(request);
        Ok(Response::new(self.0.logout(request).await?))
    }

    async fn get_jwks(&self, _: Request<wire::GetJwksRequest>) -> Result<Response<wire::GetJwksResponse>, Status> {
        Ok(Response::new(self.0.get_jwks()?))
    }

    async fn start_oidc(
        &self,
        request: Request<wire::StartOidcRequest>,
    ) -> Result<Response<wire::StartOidcResponse>, Status> {
        let (_, request) = kit::public(request);
        Ok(Response::new(self.0.start_oidc(request).await?))
    }

    async fn finish_oidc(
        &self,
        request: Request<wire::FinishOidcRequest>,
    ) -> Result<Response<wire::FinishOidcResponse>, Status> {
        let (_, request) = kit::public(request);
        Ok(Response::new(self.0.finish_oidc(request).await?))
    }

    async fn get_invitation(
        &self,
        request: Request<wire::GetInvitationRequest>,
    ) -> Result<Response<wire::GetInvitationResponse>, Status> {
        let (_, request) = kit::public(request);
        Ok(Response::new(self.0.get_invitation(request).await?))
    }

    async fn accept_invitation(
        &self,
        request: Request<wire::AcceptInvitationRequest>,
    ) -> Result<Response<wire::AcceptInvitationResponse>, Status> {
        let (_, request) = kit::public(request);
        Ok(Response::new(self.0.accept_invitation(request).await?))
    }

    async fn exchange_api_key(
        &self,
        request: Request<wire::ExchangeApiKeyRequest>,
    ) -> Result<Response<wire::ExchangeApiKeyResponse>, Status> {
        let (_, request) = kit::public(request);
        Ok(Response::new(self.0.exchange_api_key(request).await?))
    }

    async fn change_password(
        &self,
        request: Request<wire::ChangePasswordRequest>,
    ) -> Result<Response<wire::ChangePasswordResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.0.change_password(&caller, request).await?))
    }

    type WatchRevocationsStream = Pin<Box<dyn Stream<Item = Result<wire::WatchRevocationsResponse, Status>> + Send>>;

    async fn watch_revocations(
        &self,
        request: Request<wire::WatchRevocationsRequest>,
    ) -> Result<Response<Self::WatchRevocationsStream>, Status> {
        let (_, _) = kit::admitted(request)?;
        Ok(Response::new(Box::pin(self.0.watch_revocations())))
    }
}

impl Identity {
    fn get_jwks(&self) -> Result<wire::GetJwksResponse, Fault> {
        let keys = self.signer.published().keys;
        if keys.is_empty() {
            return Err(Fault::Unavailable("there is no signing key yet".into()));
        }
        let key = |jwk: kit::keys::Jwk| wire::Jwk {
            kty: jwk.kty,
            crv: jwk.crv,
            r#use: jwk.usage,
            alg: jwk.alg,
            kid: jwk.kid,
            x: jwk.x,
        };
        Ok(wire::GetJwksResponse { keys: keys.into_iter().map(key).collect() })
    }
}
