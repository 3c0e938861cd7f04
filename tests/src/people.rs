//! A provider of one test, its people, and its sellers.

use manydesk::cli::Session;
use proto::Role;
use proto::events::v1::ChannelAccount;
use proto::tenants::v1::auth_service_client::AuthServiceClient;
use proto::tenants::v1::providers_service_client::ProvidersServiceClient;
use proto::tenants::v1::sellers_service_client::SellersServiceClient;
use proto::tenants::v1::users_service_client::UsersServiceClient;
use proto::tenants::v1::{
    AcceptInvitationRequest, AgentProfile, CertifyAgentRequest, CreateProviderRequest, CreateSellerRequest,
    CreateUserRequest, LanguageLevel, LanguageProficiency, PutChannelAccountRequest, UpdateAgentProfileRequest,
};
use tonic::transport::Channel;

use crate::desk::Desk;

/// The password of everybody in tests.
pub const PASSWORD: &str = "correct-horse-battery-42";

/// A provider of one test.
pub struct Tenant {
    /// The platform.
    pub desk: &'static Desk,
    /// Unique handle.
    pub handle: String,
    /// The provider, `prov_…`.
    pub provider_id: String,
    /// Its first administrator.
    pub admin: Session,
}

/// Somebody signed in.
pub struct Person {
    /// `user_…`.
    pub user_id: String,
    /// E-mail.
    pub email: String,
    /// The session.
    pub session: Session,
}

fn unique() -> String {
    let id = kit::Clock::System.new_uuid().simple().to_string();
    id[20..].to_owned()
}

impl Tenant {
    /// Founds a provider.
    pub async fn found(desk: &'static Desk, name: &str) -> Tenant {
        let handle = format!("t-{}", unique());
        let email = format!("admin@{handle}.example");
        let mut operator = desk.operator().await;
        let founded = ProvidersServiceClient::new(operator.transport().await.expect("the operator's token"))
            .create_provider(CreateProviderRequest {
                handle: handle.clone(),
                name: name.to_owned(),
                country: "PT".into(),
                time_zone: "Europe/Lisbon".into(),
                admin_email: email.clone(),
                admin_name: "Ada Admin".into(),
                request_id: format!("found-{handle}"),
            })
            .await
            .expect("a provider is founded")
            .into_inner();
        AuthServiceClient::new(desk.channel().await)
            .accept_invitation(AcceptInvitationRequest {
                invitation_token: founded.invitation_token,
                password: PASSWORD.into(),
                ..AcceptInvitationRequest::default()
            })
            .await
            .expect("the administrator accepts");
        let admin = Session::login(&desk.url, &email, PASSWORD).await.expect("the administrator signs in");
        let provider_id = founded.provider.expect("a provider").provider_id;
        Tenant { desk, handle, provider_id, admin }
    }

    /// A channel to the gateway, without a token.
    pub async fn channel(&self) -> Channel {
        self.desk.channel().await
    }

    /// A person with one role.
    pub async fn person(&mut self, name: &str, role: Role, sellers: &[&str]) -> Person {
        let email = format!("{}-{}@{}.example", name.to_lowercase().replace(' ', "-"), unique(), self.handle);
        let user = UsersServiceClient::new(self.admin.transport().await.expect("the admin's token"))
            .create_user(CreateUserRequest {
                email: email.clone(),
                display_name: name.to_owned(),
                language: String::new(),
                roles: vec![role.into()],
                seller_ids: sellers.iter().map(|s| (*s).to_owned()).collect(),
                password: PASSWORD.into(),
                request_id: format!("create-{email}").chars().take(64).collect(),
            })
            .await
            .expect("a user is created")
            .into_inner()
            .user
            .expect("a user");
        let session = Session::login(&self.desk.url, &email, PASSWORD).await.expect("the person signs in");
        Person { user_id: user.user_id, email, session }
    }

    /// An agent who speaks a language natively and is certified for the sellers.
    pub async fn agent(&mut self, name: &str, language: &str, sellers: &[&str]) -> Person {
        let person = self.person(name, Role::Agent, sellers).await;
        let mut users = UsersServiceClient::new(self.admin.transport().await.expect("the admin's token"));
        users
            .update_agent_profile(UpdateAgentProfileRequest {
                user_id: person.user_id.clone(),
                agent_profile: Some(AgentProfile {
                    languages: vec![LanguageProficiency {
                        language: language.into(),
                        level: LanguageLevel::Native.into(),
                    }],
                    time_zone: "Europe/Lisbon".into(),
                    site: "lisbon".into(),
                    ..AgentProfile::default()
                }),
                etag: String::new(),
                request_id: String::new(),
            })
            .await
            .expect("the profile is kept");
        for seller in sellers {
            users
                .certify_agent(CertifyAgentRequest {
                    seller_id: (*seller).to_owned(),
                    user_id: person.user_id.clone(),
                    valid_until: None,
                    request_id: String::new(),
                })
                .await
                .expect("the agent is certified");
        }
        person
    }

    /// A seller in draft.
    pub async fn seller(&mut self, handle: &str) -> String {
        SellersServiceClient::new(self.admin.transport().await.expect("the admin's token"))
            .create_seller(CreateSellerRequest {
                handle: handle.to_owned(),
                name: format!("Seller {handle}"),
                ticket_prefix: String::new(),
                request_id: format!("seller-{handle}"),
            })
            .await
            .expect("a seller is created")
            .into_inner()
            .seller
            .expect("a seller")
            .seller_id
    }

    /// A channel account of a seller.
    pub async fn account(&mut self, seller_id: &str, channel: &str, address: &str) -> String {
        SellersServiceClient::new(self.admin.transport().await.expect("the admin's token"))
            .put_channel_account(PutChannelAccountRequest {
                seller_id: seller_id.to_owned(),
                channel_account: Some(ChannelAccount {
                    channel: channel.to_owned(),
                    address: address.to_owned(),
                    active: true,
                    ..ChannelAccount::default()
                }),
                request_id: String::new(),
            })
            .await
            .expect("an account is kept")
            .into_inner()
            .channel_account
            .expect("an account")
            .channel_account_id
    }
}
