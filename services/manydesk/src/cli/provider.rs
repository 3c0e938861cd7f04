//! Providers and operators of a local installation.

use std::path::Path;

use anyhow::{Context, anyhow};
use proto::tenants::v1::auth_service_client::AuthServiceClient;
use proto::tenants::v1::providers_service_client::ProvidersServiceClient;
use proto::tenants::v1::{AcceptInvitationRequest, CreateProviderRequest};

use super::At;
use super::client::{Session, channel, told};
use super::local::Reached;
use crate::platform::Platform;
use crate::secrets::Secrets;

/// E-mail of the first operator of an installation.
pub const OPERATOR: &str = "operator@platform.example";

/// The provider of an installation that commands work in unless another
/// administrator is named, and in which the demo lives.
pub const HOME: (&str, &str) = ("demo", "Northdesk");

/// Makes the first operator of an installation, once.
pub async fn ensure_operator(platform: &mut Platform) -> anyhow::Result<()> {
    if platform.secrets.logins.contains_key(OPERATOR) {
        return Ok(());
    }
    let password = platform.secrets.password(OPERATOR);
    tenants::ensure_operator(&platform.tenants.db, OPERATOR, &password).await?;
    platform.secrets.logins.insert(OPERATOR.to_owned(), password);
    platform.secrets.save()
}

/// The e-mail of a provider's administrator whom this executable makes.
pub fn admin_of(handle: &str) -> String {
    format!("admin@{handle}.example")
}

/// Signs in as the administrator of a provider of this installation; founds it
/// on first use. What broke off half-way is taken up where it ended.
pub async fn ensure(url: &str, secrets: &mut Secrets, handle: &str, name: &str) -> anyhow::Result<Session> {
    let email = admin_of(handle);
    if let Some(password) = secrets.logins.get(&email) {
        return Session::login(url, &email, password).await;
    }
    let password = secrets.password(&email);
    // she may have accepted before that could be noted here
    let session = match Session::login(url, &email, &password).await {
        Ok(session) => session,
        Err(_) => {
            let mut operator = operator(url, secrets).await?;
            found(url, &mut operator, (handle, name), &password).await?;
            Session::login(url, &email, &password).await?
        }
    };
    secrets.logins.insert(email, password);
    secrets.save()?;
    Ok(session)
}

/// Signs in as the operator of this installation.
pub async fn operator(url: &str, secrets: &Secrets) -> anyhow::Result<Session> {
    let password = secrets.logins.get(OPERATOR).ok_or_else(|| anyhow!("this installation has no operator"))?;
    Session::login(url, OPERATOR, password).await
}

/// Founds a provider, whose administrator gets the password. Until she has it, a
/// repetition goes on where the last try broke off.
pub async fn found(
    url: &str,
    operator: &mut Session,
    (handle, name): (&str, &str),
    password: &str,
) -> anyhow::Result<()> {
    let founded = ProvidersServiceClient::new(operator.transport().await?)
        .create_provider(CreateProviderRequest {
            handle: handle.to_owned(),
            name: name.to_owned(),
            country: "PT".to_owned(),
            time_zone: "Europe/Lisbon".to_owned(),
            admin_email: admin_of(handle),
            admin_name: format!("{name} admin"),
            request_id: format!("found-{handle}"),
        })
        .await
        .map_err(|status| told(&status))
        .with_context(|| format!("founding the provider {handle}"))?
        .into_inner();
    accept(url, &founded.invitation_token, password).await
}

/// Accepts an invitation with a password.
pub async fn accept(url: &str, invitation: &str, password: &str) -> anyhow::Result<()> {
    AuthServiceClient::new(channel(url).await?)
        .accept_invitation(AcceptInvitationRequest {
            invitation_token: invitation.to_owned(),
            password: password.to_owned(),
            ..AcceptInvitationRequest::default()
        })
        .await
        .map_err(|status| told(&status))
        .context("accepting the invitation")?;
    Ok(())
}

/// `manydesk onboard FILE.toml`.
pub async fn onboard(at: &At, file: &Path) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    let mut reached = Reached::find(at).await?;
    let folder = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let done = match reached.as_admin(at, HOME.0, HOME.1).await {
        Ok(mut session) => super::onboard::apply(&mut session, &text, folder, &mut super::onboard::show_step).await,
        Err(error) => Err(error),
    };
    reached.leave().await;
    super::onboard::show(&done?);
    Ok(())
}
