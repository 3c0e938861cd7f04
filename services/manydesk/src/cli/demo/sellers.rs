//! The sellers of the demo: from their files to live.

use std::path::PathBuf;

use anyhow::{Context, anyhow};
use proto::tenants::v1::onboarding_service_client::OnboardingServiceClient;
use proto::tenants::v1::questionnaire_service_client::QuestionnaireServiceClient;
use proto::tenants::v1::sellers_service_client::SellersServiceClient;
use proto::tenants::v1::{
    ChecklistItem, GetChecklistRequest, GetSellerRequest, GoLiveRequest, ListQuestionnairesRequest,
    ReviewAnswersRequest, SellerState,
};

use super::people::Sold;
use super::until;
use crate::cli::client::{Session, Transport, told};
use crate::cli::onboard;

/// Files by name, as they lie beside one another.
const FILES: &[(&str, &str)] = &[
    ("masque-noir.toml", include_str!("files/masque-noir.toml")),
    ("bergkind.toml", include_str!("files/bergkind.toml")),
    ("documents/masque-noir-contract.txt", include_str!("files/documents/masque-noir-contract.txt")),
    ("documents/masque-noir-processing.txt", include_str!("files/documents/masque-noir-processing.txt")),
    ("documents/bergkind-contract.txt", include_str!("files/documents/bergkind-contract.txt")),
    ("documents/bergkind-processing.txt", include_str!("files/documents/bergkind-processing.txt")),
];

/// The files in a folder that goes with the value.
struct Folder(PathBuf);

impl Folder {
    fn write() -> anyhow::Result<Folder> {
        let name = format!("manydesk-demo-{}", kit::Clock::System.new_uuid().simple());
        let folder = Folder(std::env::temp_dir().join(name));
        std::fs::create_dir_all(folder.0.join("documents")).context("a temporary folder")?;
        for (name, text) in FILES {
            std::fs::write(folder.0.join(name), text).context("a temporary file")?;
        }
        Ok(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Applies the sellers' files; handles and ids.
pub(super) async fn onboard(admin: &mut Session) -> anyhow::Result<Vec<Sold>> {
    let folder = Folder::write()?;
    let mut sellers = Vec::new();
    for (name, text) in FILES.iter().filter(|(name, _)| name.ends_with(".toml")) {
        let applied = onboard::apply(admin, text, &folder.0, &mut |_| {}).await;
        let applied = applied.with_context(|| format!("applying {name}"))?;
        let handle = name.trim_end_matches(".toml");
        sellers.push((handle, applied.seller.seller_id));
    }
    Ok(sellers)
}

/// A second pair of eyes approves what was answered for the sellers.
pub(super) async fn approve(supervisor: &Transport, sellers: &[Sold]) -> anyhow::Result<()> {
    let mut questionnaires = QuestionnaireServiceClient::new(supervisor.clone());
    for (_, seller_id) in sellers {
        let asked = ListQuestionnairesRequest { seller_id: seller_id.clone() };
        let all = questionnaires.list_questionnaires(asked).await.map_err(|s| told(&s))?.into_inner().questionnaires;
        for one in all.into_iter().filter(|one| one.state == "submitted") {
            let request = ReviewAnswersRequest {
                seller_id: seller_id.clone(),
                template_key: one.template_key,
                approve_rest: true,
                ..ReviewAnswersRequest::default()
            };
            questionnaires.review_answers(request).await.map_err(|s| told(&s))?;
        }
    }
    Ok(())
}

/// Waits until nothing is open but the isolation probe, which the platform records.
pub(super) async fn only_probe_open(transport: &Transport, seller_id: &str) -> anyhow::Result<()> {
    until("the checklist to be done", || async move {
        let open = open(transport, seller_id).await?;
        Ok(open.iter().all(|item| item.item == "isolation_probe").then_some(()))
    })
    .await
}

/// What is required and open.
pub(super) async fn open(transport: &Transport, seller_id: &str) -> anyhow::Result<Vec<ChecklistItem>> {
    let asked = GetChecklistRequest { seller_id: seller_id.to_owned() };
    let list = OnboardingServiceClient::new(transport.clone()).get_checklist(asked).await.map_err(|s| told(&s))?;
    Ok(list.into_inner().items.into_iter().filter(|item| item.required && !item.done).collect())
}

/// Where a seller stands.
pub(super) async fn is_live(transport: &Transport, seller_id: &str) -> anyhow::Result<bool> {
    let asked = GetSellerRequest { seller_id: seller_id.to_owned() };
    let found = SellersServiceClient::new(transport.clone()).get_seller(asked).await.map_err(|s| told(&s))?;
    let seller = found.into_inner().seller.ok_or_else(|| anyhow!("the answer holds no seller"))?;
    Ok(seller.state() == SellerState::Live)
}

/// Onboarding to live.
pub(super) async fn go_live(transport: &Transport, seller_id: &str) -> anyhow::Result<()> {
    let request = GoLiveRequest { seller_id: seller_id.to_owned(), ..GoLiveRequest::default() };
    SellersServiceClient::new(transport.clone()).go_live(request).await.map_err(|s| told(&s))?;
    Ok(())
}
