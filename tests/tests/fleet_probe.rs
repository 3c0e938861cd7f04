//! The isolation probe of services that run alone: what it finds is noted in the
//! checklist of a seller that is to go live.

use proto::tenants::v1::GetChecklistRequest;
use proto::tenants::v1::onboarding_service_client::OnboardingServiceClient;
use proto::tenants::v1::sellers_service_client::SellersServiceClient;
use proto::tenants::v1::{ChecklistItem, GetSellerRequest};
use tests::Tenant;
use tests::fleet::Fleet;

use crate::support::process::executable;

async fn probed(tenant: &mut Tenant, seller_id: &str) -> ChecklistItem {
    let request = GetChecklistRequest { seller_id: seller_id.to_owned() };
    let mut onboarding = OnboardingServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let list = onboarding.get_checklist(request).await.expect("a checklist").into_inner();
    list.items.into_iter().find(|item| item.item == "isolation_probe").expect("the probe is on the list")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_is_probed_and_the_outcome_is_noted_for_the_seller() {
    let Some(manydesk) = executable("the probe of a fleet") else { return };
    let fleet = Fleet::start(&manydesk, false).await;
    let mut tenant = fleet.desk.provider("Probed from outside").await;
    let seller = tenant.seller("masque").await;
    assert!(!probed(&mut tenant, &seller).await.done);

    let handle = tenant.handle.clone();
    let arguments = ["verify", "isolation", "--provider", &handle, "--seller", "masque"];
    let settings = fleet.probe_settings();
    let told = fleet.run(&arguments, &settings);
    assert!(told.contains("tables looked at as a stranger: green"), "{told}");
    assert!(told.contains("noted in the checklist of masque"), "{told}");
    assert!(probed(&mut tenant, &seller).await.done, "{told}");

    // the seller itself is as it was, and a second time finds the canaries there
    let get = GetSellerRequest { seller_id: seller.clone() };
    let mut sellers = SellersServiceClient::new(tenant.admin.transport().await.expect("a token"));
    let kept = sellers.get_seller(get).await.expect("the seller").into_inner().seller.expect("a seller");
    assert_eq!(kept.handle, "masque");
    let told = fleet.run(&arguments[..2], &settings);
    assert!(told.contains(" 0 findings"), "{told}");

    // another service's key is not the command line's: nothing is noted with it
    let mut wrong = settings.clone();
    let key = fleet.folder().join("keys/tickets.pem").display().to_string();
    for (name, value) in &mut wrong {
        if name == "MANYDESK_SERVICE_KEY_FILE" {
            value.clone_from(&key);
        }
    }
    let told = fleet.fails(&arguments, &wrong);
    assert!(told.contains("another key"), "{told}");
}
