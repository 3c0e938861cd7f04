//! A whole seller from one file: the example is applied as it stands, twice.

use std::path::Path;

use manydesk::cli::onboard::{self, Outcome};
use proto::tenants::v1::onboarding_service_client::OnboardingServiceClient;
use proto::tenants::v1::sellers_service_client::SellersServiceClient;
use proto::tenants::v1::{
    GetChecklistRequest, GoLiveRequest, ListChannelAccountsRequest, ListSellerTransitionsRequest, ListSellersRequest,
    SellerState,
};
use tests::{desk, reason};
use tonic::Code;

fn example() -> (String, std::path::PathBuf) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../services/tenants/examples");
    let text = std::fs::read_to_string(folder.join("onboard.toml")).expect("the example");
    (text, folder)
}

#[tokio::test]
async fn the_example_file_brings_a_seller_in_and_applying_it_again_changes_nothing() {
    let mut tenant = desk().await.provider("Onboarding").await;
    let (text, folder) = example();
    let first = onboard::apply(&mut tenant.admin, &text, &folder, &mut |_| {}).await.expect("it applies");
    assert_eq!(first.count(Outcome::Kept), 0, "{:?}", first.steps);
    assert_eq!(first.seller.state(), SellerState::Onboarding);
    assert_eq!((first.seller.handle.as_str(), first.seller.ticket_prefix.as_str()), ("masque-noir", "MAS"));

    // What can be done by a file is done; what takes people, a signature or a probe is open.
    let mut onboarding = OnboardingServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let asked = GetChecklistRequest { seller_id: first.seller.seller_id.clone() };
    let list = onboarding.get_checklist(asked).await.expect("a checklist").into_inner();
    let open: Vec<_> = list.items.iter().filter(|i| i.required && !i.done).map(|i| i.item.as_str()).collect();
    assert_eq!(open, ["questionnaire", "agents_certified", "rate_plan", "isolation_probe"]);
    assert!(list.items.iter().filter(|i| !i.done).all(|i| !i.missing.is_empty()), "{:?}", list.items);
    assert!(!list.ready);
    let mut sellers = SellersServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let live = GoLiveRequest { seller_id: first.seller.seller_id.clone(), ..GoLiveRequest::default() };
    let refused = sellers.go_live(live).await.expect_err("not yet");
    assert_eq!((refused.code(), reason(&refused)), (Code::FailedPrecondition, "EVIDENCE_MISSING".to_owned()));

    let again = onboard::apply(&mut tenant.admin, &text, &folder, &mut |_| {}).await.expect("it applies again");
    let redone: Vec<_> = again.steps.iter().filter(|step| step.outcome != Outcome::Kept).collect();
    assert!(redone.is_empty(), "{redone:?}");
    assert_eq!(again.steps.len(), first.steps.len());
    assert_eq!((again.seller.etag, again.seller.terms_version), (first.seller.etag, first.seller.terms_version));
    let asked = ListSellerTransitionsRequest { seller_id: first.seller.seller_id.clone(), ..Default::default() };
    let moves = sellers.list_seller_transitions(asked).await.expect("transitions").into_inner().transitions;
    assert_eq!(moves.len(), 1);
}

#[tokio::test]
async fn a_changed_line_changes_that_and_nothing_else() {
    let mut tenant = desk().await.provider("Changed file").await;
    let (text, folder) = example();
    let first = onboard::apply(&mut tenant.admin, &text, &folder, &mut |_| {}).await.expect("it applies");
    let changed = text
        .replace("name = \"Chiara Example\"", "name = \"Chiara Rossi\"")
        .replace("retention_days = 730", "retention_days = 365")
        .replace("address = \"shop-chat\"", "address = \"shop-chat-2\"");
    let second = onboard::apply(&mut tenant.admin, &changed, &folder, &mut |_| {}).await.expect("it applies");
    let done: Vec<_> = second
        .steps
        .iter()
        .filter(|step| step.outcome != Outcome::Kept)
        .map(|step| (step.outcome, step.title.as_str()))
        .collect();
    let wanted = [
        (Outcome::Changed, "contact head-of-shop"),
        (Outcome::Created, "channel account chat shop-chat-2"),
        (Outcome::Changed, "data-protection record"),
    ];
    assert_eq!(done, wanted);
    assert!(first.seller.terms_version < second.seller.terms_version);
    let asked = ListChannelAccountsRequest { seller_id: second.seller.seller_id };
    let mut sellers = SellersServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let accounts = sellers.list_channel_accounts(asked).await.expect("accounts").into_inner().channel_accounts;
    assert_eq!(accounts.len(), 6);

    // A changed template is published anew, and the seller's questionnaire moves to it.
    let moved = changed.replace(
        "question_key = \"ships_abroad\"\nsection = \"delivery\"",
        "question_key = \"ships_abroad\"\nsection = \"abroad\"",
    );
    assert_ne!(moved, changed);
    let third = onboard::apply(&mut tenant.admin, &moved, &folder, &mut |_| {}).await.expect("it applies");
    let done: Vec<_> = third.steps.iter().filter(|s| s.outcome != Outcome::Kept).map(|s| s.title.as_str()).collect();
    assert_eq!(done, ["template general", "publish template general", "questionnaire general", "hand in general"]);
    let fourth = onboard::apply(&mut tenant.admin, &moved, &folder, &mut |_| {}).await.expect("it applies again");
    assert_eq!(fourth.count(Outcome::Kept), fourth.steps.len(), "{:?}", fourth.steps);
}

#[tokio::test]
async fn a_file_with_problems_changes_nothing_and_tells_every_line() {
    let mut tenant = desk().await.provider("Broken file").await;
    let (text, folder) = example();
    let broken = text
        .replace("vat_id = \"IT00743110157\"", "vat_id = \"IT00743110158\"")
        .replace("target = \"8h\"", "target = \"soon\"");
    let error =
        onboard::apply(&mut tenant.admin, &broken, &folder, &mut |_| {}).await.expect_err("it is broken").to_string();
    let line = |needle: &str| 1 + broken.lines().position(|l| l.contains(needle)).expect("the line");
    for needle in ["IT00743110158", "target = \"soon\""] {
        assert!(error.contains(&format!("line {}: ", line(needle))), "{error}");
    }
    let unread = text.replace("documents/contract.txt", "documents/nowhere.txt");
    let error = onboard::apply(&mut tenant.admin, &unread, &folder, &mut |_| {})
        .await
        .expect_err("it is not there")
        .to_string();
    assert!(error.contains("documents[0].file cannot be read"), "{error}");
    let mut sellers = SellersServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let all = sellers.list_sellers(ListSellersRequest::default()).await.expect("a list").into_inner().sellers;
    assert!(all.is_empty());
}
