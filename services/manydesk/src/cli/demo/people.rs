//! The people of the demo, one of every role.

use anyhow::anyhow;
use proto::Role;
use proto::tenants::v1::users_service_client::UsersServiceClient;
use proto::tenants::v1::{
    AgentProfile, CertifyAgentRequest, CreateUserRequest, LanguageLevel, LanguageProficiency, UpdateAgentProfileRequest,
};
use tokio::task::JoinSet;

use crate::cli::client::{Transport, told};
use crate::cli::provider::OPERATOR;

/// For whom somebody works.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    /// The installation, or the provider as a whole.
    All,
    /// Both sellers, by grant.
    Both,
    /// One seller, by handle.
    One(&'static str),
}

/// One of them.
pub(super) struct Somebody {
    pub email: &'static str,
    pub name: &'static str,
    pub role: Role,
    pub works_for: For,
    /// Language and level of agents.
    pub speaks: &'static [(&'static str, LanguageLevel)],
    /// For the table of logins.
    pub what: &'static str,
}

const fn person(email: &'static str, name: &'static str, role: Role, works_for: For, what: &'static str) -> Somebody {
    Somebody { email, name, role, works_for, speaks: &[], what }
}

const fn agent(
    email: &'static str,
    name: &'static str,
    speaks: &'static [(&'static str, LanguageLevel)],
    what: &'static str,
) -> Somebody {
    Somebody { email, name, role: Role::Agent, works_for: For::Both, speaks, what }
}

/// The provider's first administrator.
pub(super) const ADMIN: &str = "admin@demo.example";
/// Who approves what the administrator answered.
pub(super) const SUPERVISOR: &str = "sofia@demo.example";
/// The agents.
pub(super) const GIULIA: &str = "giulia@demo.example";
/// See [`GIULIA`].
pub(super) const JONAS: &str = "jonas@demo.example";
/// See [`GIULIA`].
pub(super) const CLAIRE: &str = "claire@demo.example";

/// Everybody, in the order of the table of logins. The first two are there before.
pub(super) const PEOPLE: &[Somebody] = &[
    person(OPERATOR, "Operator", Role::PlatformOperator, For::All, "operator of the platform"),
    person(ADMIN, "Northdesk admin", Role::ProviderAdmin, For::All, "administrator of Northdesk"),
    person(SUPERVISOR, "Sofia Marques", Role::Supervisor, For::Both, "supervisor"),
    person("paulo@demo.example", "Paulo Nunes", Role::Planner, For::Both, "planner"),
    person("bia@demo.example", "Bia Costa", Role::BillingClerk, For::All, "billing clerk"),
    agent(GIULIA, "Giulia Bianchi", &[("it", LanguageLevel::Native), ("en", LanguageLevel::B1)], "agent: Italian"),
    agent(JONAS, "Jonas Weber", &[("de", LanguageLevel::Native), ("en", LanguageLevel::B1)], "agent: German"),
    agent(
        CLAIRE,
        "Claire Petit",
        &[("fr", LanguageLevel::Native), ("en", LanguageLevel::C1)],
        "agent: French, English",
    ),
    person(
        "chiara@masque-noir.example",
        "Chiara Conti",
        Role::SellerAdmin,
        For::One("masque-noir"),
        "seller Masque Noir: admin",
    ),
    person(
        "luca@masque-noir.example",
        "Luca Ferri",
        Role::SellerViewer,
        For::One("masque-noir"),
        "seller Masque Noir: viewer",
    ),
    person("vroni@bergkind.example", "Vroni Huber", Role::SellerAdmin, For::One("bergkind"), "seller Bergkind: admin"),
    person("max@bergkind.example", "Max Huber", Role::SellerViewer, For::One("bergkind"), "seller Bergkind: viewer"),
];

/// A seller of the demo: handle and id.
pub(super) type Sold = (&'static str, String);

/// Makes everybody who is not there yet; user ids of the agents, in their order.
/// Passwords are hashed with care, so people are made side by side.
pub(super) async fn hire(
    transport: &Transport,
    sellers: &[Sold],
    password: &dyn Fn(&str) -> String,
) -> anyhow::Result<Vec<String>> {
    let mut hired = JoinSet::new();
    for (place, one) in PEOPLE.iter().enumerate().skip(2) {
        let seller_ids = match one.works_for {
            For::All => Vec::new(),
            For::Both => sellers.iter().map(|(_, id)| id.clone()).collect(),
            For::One(handle) => sellers.iter().filter(|(h, _)| *h == handle).map(|(_, id)| id.clone()).collect(),
        };
        let request = CreateUserRequest {
            email: one.email.to_owned(),
            display_name: one.name.to_owned(),
            language: String::new(),
            roles: vec![one.role.into()],
            seller_ids,
            password: password(one.email),
            request_id: format!("demo-{}", one.email),
        };
        let mut users = UsersServiceClient::new(transport.clone());
        hired.spawn(async move {
            let made = users.create_user(request).await.map_err(|status| told(&status))?.into_inner();
            let user = made.user.ok_or_else(|| anyhow!("the answer holds no user"))?;
            Ok::<_, anyhow::Error>((place, user.user_id))
        });
    }
    let mut made = Vec::new();
    while let Some(done) = hired.join_next().await {
        made.push(done??);
    }
    made.sort();
    let agents = made.into_iter().filter(|(place, _)| PEOPLE[*place].role == Role::Agent);
    let mut ids = Vec::new();
    for (place, user_id) in agents {
        train(transport, &PEOPLE[place], &user_id, sellers).await?;
        ids.push(user_id);
    }
    Ok(ids)
}

/// Languages and certifications of an agent.
async fn train(transport: &Transport, one: &Somebody, user_id: &str, sellers: &[Sold]) -> anyhow::Result<()> {
    let mut users = UsersServiceClient::new(transport.clone());
    let spoken = |(language, level): &(&str, LanguageLevel)| LanguageProficiency {
        language: (*language).to_owned(),
        level: (*level).into(),
    };
    let profile = AgentProfile {
        languages: one.speaks.iter().map(spoken).collect(),
        site: "lisbon".to_owned(),
        time_zone: "Europe/Lisbon".to_owned(),
        ..AgentProfile::default()
    };
    users
        .update_agent_profile(UpdateAgentProfileRequest {
            user_id: user_id.to_owned(),
            agent_profile: Some(profile),
            ..UpdateAgentProfileRequest::default()
        })
        .await
        .map_err(|status| told(&status))?;
    for (_, seller_id) in sellers {
        let request = CertifyAgentRequest {
            seller_id: seller_id.clone(),
            user_id: user_id.to_owned(),
            ..CertifyAgentRequest::default()
        };
        users.certify_agent(request).await.map_err(|status| told(&status))?;
    }
    Ok(())
}
