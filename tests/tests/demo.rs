//! The demo loads on an empty platform, shows something of everything, and a
//! load that is repeated changes nothing.

use manydesk::cli::{Session, Transport, demo};
use manydesk::platform::{Database, Platform};
use manydesk::secrets::Secrets;
use proto::billing::v1::billing_service_client::BillingServiceClient;
use proto::billing::v1::{ListInvoicesRequest, PreviewInvoiceRequest};
use proto::tenants::v1::sellers_service_client::SellersServiceClient;
use proto::tenants::v1::{ListSellersRequest, SellerState};
use proto::tickets::v1::satisfaction_service_client::SatisfactionServiceClient;
use proto::tickets::v1::tickets_service_client::TicketsServiceClient;
use proto::tickets::v1::{
    GetSatisfactionReportRequest, GetSlaReportRequest, ListTicketsRequest, SatisfactionDimension, TicketState,
};
use proto::workforce::v1::workforce_service_client::WorkforceServiceClient;
use proto::workforce::v1::{ListSchedulesRequest, ScheduleState};
use scratch::TemporaryCluster;

const OPERATOR: &str = "operator@platform.example";

#[derive(Debug, PartialEq, Eq)]
struct Seen {
    live: usize,
    tickets: usize,
    waiting: usize,
    kept: i64,
    invoices: Vec<String>,
    running: Vec<String>,
    published: usize,
    /// Percent of satisfied customers in Germany, month by month.
    germany: Vec<i64>,
}

async fn look(platform: &Platform) -> Seen {
    let password = |email: &str| platform.secrets.logins.get(email).expect("a login").clone();
    let admin = "admin@demo.example";
    let mut admin = Session::login(&platform.url, admin, &password(admin)).await.expect("signed in");
    let transport = admin.transport().await.expect("a token");
    let asked = ListSellersRequest::default();
    let sellers = SellersServiceClient::new(transport.clone()).list_sellers(asked).await.expect("sellers").into_inner();
    let mut tickets = TicketsServiceClient::new(transport.clone());
    let asked = ListTicketsRequest { page_size: 200, ..ListTicketsRequest::default() };
    let all = tickets.list_tickets(asked).await.expect("tickets").into_inner().tickets;
    assert!(all.iter().all(|ticket| !ticket.language.is_empty()), "{all:?}");
    let report = tickets.get_sla_report(GetSlaReportRequest::default()).await.expect("a report").into_inner().rows;
    let mut billing = BillingServiceClient::new(transport.clone());
    let invoices = billing.list_invoices(ListInvoicesRequest::default()).await.expect("invoices").into_inner().invoices;
    let mut running = Vec::new();
    for seller in &sellers.sellers {
        let asked = PreviewInvoiceRequest { seller_id: seller.seller_id.clone(), date: String::new() };
        let draft = billing.preview_invoice(asked).await.expect("a preview").into_inner().invoice.expect("a draft");
        assert_eq!(draft.lines.len(), 2, "{draft:?}");
        running.push(draft.total_amount);
    }
    let asked = ListSchedulesRequest { state: ScheduleState::Published.into(), ..ListSchedulesRequest::default() };
    let schedules =
        WorkforceServiceClient::new(transport.clone()).list_schedules(asked).await.expect("schedules").into_inner();
    Seen {
        live: sellers.sellers.iter().filter(|seller| seller.state() == SellerState::Live).count(),
        tickets: all.len(),
        waiting: all.iter().filter(|ticket| ticket.state() == TicketState::New).count(),
        kept: report.iter().map(|row| row.kept).sum(),
        invoices: invoices.into_iter().map(|invoice| invoice.number).collect(),
        running,
        published: schedules.schedules.len(),
        germany: germany(transport).await,
    }
}

/// What the seller's report says of the half-year before.
async fn germany(transport: Transport) -> Vec<i64> {
    let today = kit::Clock::System.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let asked = GetSatisfactionReportRequest {
        from: (today.first_of_month() - jiff::Span::new().months(6)).to_string(),
        before: today.first_of_month().to_string(),
        country: "DE".into(),
        group_by: vec![SatisfactionDimension::Month.into()],
        ..GetSatisfactionReportRequest::default()
    };
    let mut reports = SatisfactionServiceClient::new(transport);
    let rows = reports.get_satisfaction_report(asked).await.expect("a report").into_inner().rows;
    rows.iter().filter_map(|row| row.csat.as_ref()?.share).map(|share| (100.0 * share).round() as i64).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_shows_something_of_everything_and_loads_once() {
    let cluster = TemporaryCluster::start();
    let database = Database::Given { admin: cluster.admin(), name: Some("demo".to_owned()), trusted: true };
    let secrets = Secrets::ephemeral().expect("secrets");
    let password = secrets.password(OPERATOR);
    let started = Platform::start(&tests::config(), database, secrets, kit::Clock::System, &mut |_| {}).await;
    let mut platform = started.expect("a platform");
    manydesk::ensure_operator(&platform, OPERATOR, &password).await.expect("an operator");
    platform.secrets.logins.insert(OPERATOR.to_owned(), password);

    demo::load(&mut platform).await.expect("the demo loads");
    assert!(platform.secrets.demo_loaded);
    let first = look(&platform).await;
    assert_eq!((first.live, first.tickets, first.waiting, first.published), (2, 31, 7, 1), "{first:?}");
    assert!(10 < first.kept, "{first:?}");
    assert_eq!(first.germany, [78, 80, 84, 86, 90, 92]);
    assert_eq!(first.invoices.len(), 1);
    for (email, password) in platform.secrets.logins.clone() {
        assert!(12 <= password.len());
        Session::login(&platform.url, &email, &password).await.expect("every login of the table works");
    }

    platform.secrets.demo_loaded = false;
    demo::load(&mut platform).await.expect("it loads again");
    assert_eq!(look(&platform).await, first);
    platform.stop().await;
}
