//! Reports through the gateway: they add up to the raw rows whatever happens to tickets, in the seller's own
//! hours, for whoever may read them.

use jiff::civil::date;
use proto::Role;
use proto::events::v1::{SlaPolicy, SlaTarget};
use proto::tenants::v1::sellers_service_client::SellersServiceClient;
use proto::tenants::v1::{PutSlaPolicyRequest, Seller, UpdateSellerRequest};
use proto::tickets::v1 as pb;
use proto::tickets::v1::privacy_service_client::PrivacyServiceClient;
use proto::tickets::v1::reports_service_client::ReportsServiceClient;
use proto::tickets::v1::tickets_service_client::TicketsServiceClient;
use sqlx::{Connection, PgConnection};
use tests::{Tenant, desk, eventually, violated};
use tonic::Code;
use uuid::Uuid;

type Transport = manydesk::cli::Transport;
type Reports = ReportsServiceClient<Transport>;

struct Shop {
    tenant: Tenant,
    seller: String,
    account: String,
    tickets: TicketsServiceClient<Transport>,
    reports: Reports,
}

async fn shop(name: &str) -> Shop {
    let mut tenant = desk().await.provider(name).await;
    let seller = tenant.seller("masque").await;
    let account = tenant.account(&seller, "email", "help@masque.example").await;
    let transport = tenant.admin.transport().await.expect("a token");
    Shop {
        tenant,
        seller,
        account,
        tickets: TicketsServiceClient::new(transport.clone()),
        reports: ReportsServiceClient::new(transport),
    }
}

impl Shop {
    fn seller_uuid(&self) -> Uuid {
        kit::ids::decode("seller", &self.seller).expect("a seller id")
    }

    /// Puts the seller into a zone, and waits until it is counted by it.
    async fn zone(&mut self, zone: &str) {
        let update = UpdateSellerRequest {
            seller_id: self.seller.clone(),
            seller: Some(Seller { time_zone: zone.into(), ..Seller::default() }),
            ..UpdateSellerRequest::default()
        };
        let mut sellers = SellersServiceClient::new(self.tenant.admin.transport().await.expect("a token"));
        sellers.update_seller(update).await.expect("a zone");
        let (url, seller) = (self.tenant.desk.database.clone(), self.seller_uuid());
        eventually("the seller to be counted by its zone", || {
            let url = url.clone();
            async move {
                let mut conn = PgConnection::connect(&url).await.expect("the database answers");
                let by: Option<String> =
                    sqlx::query_scalar("select time_zone from tickets.report_mark where seller_id = $1")
                        .bind(seller)
                        .fetch_optional(&mut conn)
                        .await
                        .expect("a mark");
                (by.as_deref() == Some(zone)).then_some(())
            }
        })
        .await;
    }

    /// Conversations of the past: thread, when and by whom it was written, and what.
    async fn import(&mut self, key: &str, said: &[(&str, &str, bool, &str)]) {
        let messages = said.iter().enumerate().map(|(n, (thread, at, inbound, text))| pb::ImportedMessage {
            external_id: format!("{key}-{n}"),
            external_thread_id: (*thread).into(),
            direction: if *inbound { pb::Direction::Inbound } else { pb::Direction::Outbound }.into(),
            author: Some(pb::Author { address: format!("{thread}@customer.example"), name: String::new() }),
            text: (*text).into(),
            occurred_at: Some(prost_types::Timestamp { seconds: second(at), nanos: 0 }),
            ..pb::ImportedMessage::default()
        });
        let import = pb::ImportMessagesRequest {
            seller_id: self.seller.clone(),
            import_key: key.into(),
            channel_account_id: self.account.clone(),
            messages: messages.collect(),
            ..pb::ImportMessagesRequest::default()
        };
        self.tickets.import_messages(import).await.expect("an import");
    }

    async fn write(&mut self, id: &str, thread: &str, text: &str) -> pb::Ticket {
        let message = pb::ReceiveMessageRequest {
            seller_id: self.seller.clone(),
            channel_account_id: self.account.clone(),
            external_id: id.into(),
            external_thread_id: thread.into(),
            author: Some(pb::Author { address: format!("{thread}@customer.example"), name: "Anna".into() }),
            text: text.into(),
            ..pb::ReceiveMessageRequest::default()
        };
        self.tickets.receive_message(message).await.expect("a message").into_inner().ticket.expect("a ticket")
    }

    /// A report of everything that there is, once it is complete.
    async fn report(&self, group_by: &[pb::ReportDimension]) -> pb::GetReportResponse {
        let request = request(&self.seller, &days_ago(730), &days_ago(0), group_by);
        complete(&self.reports, &request).await
    }

    /// Counts everything again and compares; the last word of it.
    async fn check(&self, first: &str, last: &str) -> pb::CheckReportResponse {
        let request =
            pb::CheckReportRequest { seller_id: self.seller.clone(), first_date: first.into(), last_date: last.into() };
        let mut told = self.reports.clone().check_report(request).await.expect("a check").into_inner();
        let mut last = pb::CheckReportResponse::default();
        while let Some(next) = told.message().await.expect("a message") {
            last = next;
        }
        assert!(last.done, "{last:?}");
        last
    }

    /// The sums of long and short spans are what the tickets add up to.
    async fn adds_up(&self) {
        self.report(&[]).await;
        for (first, last) in [(400, 0), (250, 200), (90, 90), (1, 0)] {
            // What the clocks do by themselves meanwhile is waited for.
            let checked = eventually("nothing to be under way", || async {
                let checked = self.check(&days_ago(first), &days_ago(last)).await;
                assert_eq!(checked.differences, [], "{first} to {last} days ago");
                (checked.not_counted_yet == 0).then_some(checked)
            })
            .await;
            assert!(0 < checked.tickets && (0 < checked.compared || first < 100), "{checked:?}");
        }
    }
}

fn second(at: &str) -> i64 {
    at.parse::<jiff::Timestamp>().expect("an instant").as_second()
}

fn days_ago(days: i64) -> String {
    let today = kit::Clock::System.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    today.saturating_sub(jiff::Span::new().days(days)).to_string()
}

fn request(seller: &str, first: &str, last: &str, group_by: &[pb::ReportDimension]) -> pb::GetReportRequest {
    pb::GetReportRequest {
        seller_id: seller.into(),
        query: Some(pb::ReportQuery {
            first_date: first.into(),
            last_date: last.into(),
            group_by: group_by.iter().map(|dimension| i32::from(*dimension)).collect(),
            ..pb::ReportQuery::default()
        }),
        page_size: 200,
        page_token: String::new(),
    }
}

async fn complete(reports: &Reports, request: &pb::GetReportRequest) -> pb::GetReportResponse {
    eventually("every change to be counted", || {
        let (mut reports, request) = (reports.clone(), request.clone());
        async move {
            let report = reports.get_report(request).await.expect("a report").into_inner();
            report.is_complete.then_some(report)
        }
    })
    .await
}

fn figures(line: &pb::ReportLine) -> &pb::ReportFigures {
    line.figures.as_ref().expect("figures")
}

fn total(report: &pb::GetReportResponse) -> &pb::ReportFigures {
    figures(report.total.as_ref().expect("a total"))
}

fn waits(figures: &pb::ReportFigures, metric: pb::SlaMetric, business: bool) -> Option<&pb::ReportWaits> {
    figures.waits.iter().find(|waits| waits.metric() == metric && waits.business_time == business)
}

const GERMAN: &str = "Guten Tag, ich habe vor einer Woche bestellt und noch immer nichts erhalten. Wo ist mein Paket?";
const ITALIAN: &str = "Buongiorno, non ho ancora ricevuto il mio ordine. Quando arriva il pacco?";

async fn promise(shop: &mut Shop) {
    let target = |metric: &str, seconds| SlaTarget {
        metric: metric.into(),
        target_seconds: seconds,
        catch_all: Some(true),
        ..SlaTarget::default()
    };
    let targets = vec![target("first_response", 3_600), target("next_response", 7_200), target("resolution", 86_400)];
    let put = PutSlaPolicyRequest {
        seller_id: shop.seller.clone(),
        sla_policy: Some(SlaPolicy { targets, ..SlaPolicy::default() }),
        ..PutSlaPolicyRequest::default()
    };
    let mut sellers = SellersServiceClient::new(shop.tenant.admin.transport().await.expect("a token"));
    sellers.put_sla_policy(put).await.expect("a policy");
}

#[tokio::test]
async fn a_report_is_in_the_sellers_hours_and_follows_its_zone() {
    let mut shop = shop("Hours").await;
    shop.zone("Europe/Rome").await;
    // In Rome the clock goes from 02:00 to 03:00 on 30 March 2025; two tickets, one of them answered.
    shop.import(
        "past",
        &[
            ("one", "2025-03-29T22:30:00Z", true, ITALIAN),
            ("two", "2025-03-30T01:10:00Z", true, GERMAN),
            ("one", "2025-03-30T02:30:00Z", false, "Arriva domani."),
        ],
    )
    .await;
    let seller = shop.seller.clone();
    let span = |group_by: &[pb::ReportDimension]| request(&seller, "2025-03-28", "2025-04-02", group_by);
    let days = complete(&shop.reports, &span(&[pb::ReportDimension::Day])).await;
    let of: Vec<_> = days
        .lines
        .iter()
        .map(|line| {
            let (figures, backlog) = (figures(line), figures(line).backlog.expect("open tickets"));
            (line.date.as_str(), figures.opened, figures.handled, backlog.open, backlog.today, backlog.days_1_to_2)
        })
        .collect();
    assert_eq!(
        of,
        [
            ("2025-03-29", 1, 0, 1, 1, 0),
            ("2025-03-30", 1, 1, 2, 1, 1),
            ("2025-03-31", 0, 0, 2, 0, 2),
            ("2025-04-01", 0, 0, 2, 0, 1),
            ("2025-04-02", 0, 0, 2, 0, 0),
        ]
    );
    let hours = complete(&shop.reports, &span(&[pb::ReportDimension::Weekday, pb::ReportDimension::Hour])).await;
    let at = |report: &pb::GetReportResponse| -> Vec<(i32, i32, i64)> {
        let lines = report.lines.iter().filter(|line| 0 < figures(line).messages_in);
        lines.map(|line| (line.weekday, line.hour.unwrap_or(-1), figures(line).messages_in)).collect()
    };
    assert_eq!(at(&hours), [(6, 23, 1), (7, 3, 1)], "Saturday night, and after the hour that was skipped");
    let first = waits(total(&days), pb::SlaMetric::FirstResponse, false).expect("a wait");
    assert_eq!((first.count, first.p50_seconds), (1, 14_307), "within 1 % of four hours");
    let by_language = complete(&shop.reports, &span(&[pb::ReportDimension::Language])).await;
    let languages: Vec<&str> = by_language.lines.iter().map(|line| line.language.as_str()).collect();
    assert_eq!(languages, ["de", "it"]);
    let mut only = span(&[]);
    only.query.as_mut().expect("a query").languages = vec!["it".into()];
    assert_eq!(total(&complete(&shop.reports, &only).await).opened, 1);

    // The same instants are other hours in Auckland.
    shop.zone("Pacific/Auckland").await;
    let hours = complete(&shop.reports, &span(&[pb::ReportDimension::Weekday, pb::ReportDimension::Hour])).await;
    assert_eq!(at(&hours), [(7, 11, 1), (7, 14, 1)]);
    let checked = shop.check("2025-03-01", "2025-04-30").await;
    assert_eq!((checked.differences.as_slice(), checked.tickets), (&[][..], 2));

    // The stamps are those that the database would give.
    let mut conn = PgConnection::connect(&shop.tenant.desk.database).await.expect("the database answers");
    let said: Vec<(i32, i32)> = sqlx::query_as(
        "select extract(isodow from at at time zone 'Pacific/Auckland')::int, extract(hour from at at time zone 'Pacific/Auckland')::int
           from tickets.ticket_event where seller_id = $1 and kind = 'customer_wrote' order by at",
    )
    .bind(shop.seller_uuid())
    .fetch_all(&mut conn)
    .await
    .expect("the history");
    assert_eq!(at(&hours).iter().map(|(weekday, hour, _)| (*weekday, *hour)).collect::<Vec<_>>(), said);
}

#[tokio::test]
async fn whatever_happens_to_tickets_the_sums_are_those_of_the_raw_rows() {
    let mut shop = shop("Sums").await;
    shop.zone("America/New_York").await;
    promise(&mut shop).await;
    // A past with some order in its disorder, the same in every run.
    let mut seed = 88_172_645_463_325_252_u64;
    let mut next = move |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    let start = kit::Clock::System.now().as_second() - 300 * 86_400;
    for batch in 0..4 {
        let mut begun = std::collections::BTreeSet::new();
        let said: Vec<(String, String, bool, &str)> = (0..60)
            .map(|_| {
                let thread = format!("t{batch}-{}", next(18));
                let at = jiff::Timestamp::from_second(start + next(280 * 86_400) as i64).expect("an instant");
                let inbound = begun.insert(thread.clone()) || next(3) != 0;
                (thread, at.to_string(), inbound, if next(2) == 0 { GERMAN } else { ITALIAN })
            })
            .collect();
        let said: Vec<_> =
            said.iter().map(|(t, at, inbound, text)| (t.as_str(), at.as_str(), *inbound, *text)).collect();
        shop.import(&format!("batch-{batch}"), &said).await;
    }
    shop.adds_up().await;

    // The present: written, answered, solved, taken up again, held, merged, split, erased.
    let mut live = Vec::new();
    for n in 0..12 {
        live.push(
            shop.write(&format!("live-{n}"), &format!("live-{n}"), if n % 2 == 0 { GERMAN } else { ITALIAN }).await,
        );
    }
    let seller = shop.seller.clone();
    for (n, ticket) in live.iter().enumerate() {
        let (seller_id, ticket_id) = (seller.clone(), ticket.id.clone());
        let text = "Ich habe nachgefragt.".to_owned();
        if n % 3 != 0 {
            let reply = pb::ReplyRequest {
                seller_id: seller_id.clone(),
                ticket_id: ticket_id.clone(),
                text,
                request_id: format!("r{n}"),
                solve: n % 4 == 0,
                ..Default::default()
            };
            shop.tickets.reply(reply).await.expect("an answer");
        }
        if n % 5 == 1 {
            let solve = pb::SolveTicketRequest { seller_id, ticket_id, ..Default::default() };
            shop.tickets.solve_ticket(solve).await.expect("solved");
        }
    }
    for n in [1, 4, 6] {
        shop.write(&format!("again-{n}"), &format!("live-{n}"), ITALIAN).await;
    }
    let again =
        pb::SolveTicketRequest { seller_id: seller.clone(), ticket_id: live[2].id.clone(), ..Default::default() };
    shop.tickets.solve_ticket(again).await.expect("solved");
    let reopen =
        pb::ReopenTicketRequest { seller_id: seller.clone(), ticket_id: live[2].id.clone(), ..Default::default() };
    shop.tickets.reopen_ticket(reopen).await.expect("taken up again");
    let merge = pb::MergeTicketRequest {
        seller_id: seller.clone(),
        ticket_id: live[3].id.clone(),
        target_ticket_id: live[5].id.clone(),
        ..Default::default()
    };
    shop.tickets.merge_ticket(merge).await.expect("merged");
    shop.adds_up().await;
    let report = shop.report(&[]).await;
    let now = total(&report);
    assert_eq!(now.merged, 1, "{now:?}");
    assert!(3 <= now.reopened && 12 < now.opened, "{now:?}");

    let mut privacy = PrivacyServiceClient::new(shop.tenant.admin.transport().await.expect("a token"));
    let erase = pb::EraseCustomerRequest {
        seller_id: seller.clone(),
        customer_id: live[1].customer_id.clone(),
        ..Default::default()
    };
    privacy.erase_customer(erase).await.expect("erased");
    shop.adds_up().await;
    let report = shop.report(&[]).await;
    assert_eq!(total(&report).opened, now.opened, "figures stay without the customer");
    assert_eq!(total(&report).messages_in, now.messages_in);

    // The raw tables say the same.
    let mut conn = PgConnection::connect(&shop.tenant.desk.database).await.expect("the database answers");
    let raw: (i64, i64, i64, i64) = sqlx::query_as(
        "select (select count(*) from tickets.ticket where seller_id = $1),
                (select count(*) from tickets.message where seller_id = $1 and direction = 'inbound'),
                (select count(*) from tickets.message where seller_id = $1 and direction = 'outbound'),
                (select count(*) from tickets.ticket where seller_id = $1 and state not in ('solved', 'closed'))",
    )
    .bind(shop.seller_uuid())
    .fetch_one(&mut conn)
    .await
    .expect("counts");
    let told = total(&report);
    let open = told.backlog.expect("open tickets").open;
    assert_eq!((told.opened, told.messages_in, told.messages_out, open), raw);

    // Promises are those of the report that reads the clocks themselves, once those that ran out were looked at;
    // percentiles are near the exact ones.
    let (clocks, report) = eventually("both reports to say the same", || {
        let (mut tickets, seller_id, shop) = (shop.tickets.clone(), seller.clone(), &shop);
        async move {
            let clocks = pb::GetSlaReportRequest { seller_id, ..Default::default() };
            let clocks = tickets.get_sla_report(clocks).await.expect("a report").into_inner().rows;
            let report = shop.report(&[]).await;
            let of = |p: &pb::ReportPromises| (p.metric, p.kept, p.missed, p.running, p.overdue);
            let told: Vec<_> = total(&report).promises.iter().map(of).collect();
            let rows = clocks.iter().map(|row| (row.metric, row.kept, row.missed, row.running, row.overdue));
            rows.eq(told).then_some((clocks, report))
        }
    })
    .await;
    let told = total(&report);
    assert_eq!(clocks.len(), 3);
    for row in &clocks {
        let waits = waits(told, row.metric(), true).expect("waits");
        for (told, exact) in [
            (waits.p50_seconds, row.elapsed_median_seconds.expect("a median")),
            (waits.p90_seconds, row.elapsed_p90_seconds.expect("a percentile")),
        ] {
            assert!((told - exact).abs() * 100 <= exact, "{told} for {exact}");
        }
    }

    // However it is asked, it is the same.
    for group_by in [
        &[pb::ReportDimension::Month][..],
        &[pb::ReportDimension::Week, pb::ReportDimension::Language],
        &[pb::ReportDimension::Hour],
        &[pb::ReportDimension::Seller, pb::ReportDimension::Channel],
    ] {
        let other = shop.report(group_by).await;
        let same = |figures: &pb::ReportFigures| pb::ReportFigures { backlog: None, ..figures.clone() };
        assert_eq!(same(total(&other)), same(told), "{group_by:?}");
    }

    // Counted from the start by another clock it adds up again; a sum that somebody changed is found.
    shop.zone("Asia/Kolkata").await;
    shop.adds_up().await;
    let raw = sqlx::query("update tickets.report_sum set solved = solved + 1 where seller_id = $1 and grain = 'day' and day = (select min(day) from tickets.report_sum where seller_id = $1 and grain = 'day')")
        .bind(shop.seller_uuid())
        .execute(&mut conn)
        .await
        .expect("changed");
    assert!(0 < raw.rows_affected());
    let checked = shop.check(&days_ago(400), &days_ago(0)).await;
    assert!(!checked.differences.is_empty());
    assert!(checked.differences.iter().all(|differs| differs.figures == ["solved"] && differs.grain == "day"));
}

#[tokio::test]
async fn who_may_read_which_seller_and_what_is_refused() {
    let mut shop = shop("Readers").await;
    let other = shop.tenant.seller("altra").await;
    shop.zone("Europe/Rome").await;
    shop.import("past", &[("one", "2025-05-05T10:00:00Z", true, ITALIAN)]).await;
    let may = |seller: &str, group_by: &[pb::ReportDimension]| request(seller, "2025-05-01", "2025-05-31", group_by);
    let mut boss = shop.tenant.person("Bea Boss", Role::Supervisor, &[&shop.seller, &other]).await;
    let boss = ReportsServiceClient::new(boss.session.transport().await.expect("a token"));
    let both = complete(&boss, &may("", &[pb::ReportDimension::Seller])).await;
    assert_eq!(both.lines.len(), 1);
    assert_eq!((both.lines[0].seller_id.as_str(), figures(&both.lines[0]).opened), (shop.seller.as_str(), 1));

    let mut viewer = shop.tenant.person("Vera Viewer", Role::SellerViewer, &[&other]).await;
    let mut viewer = ReportsServiceClient::new(viewer.session.transport().await.expect("a token"));
    let own = viewer.get_report(may("", &[])).await.expect("a report").into_inner();
    assert_eq!(total(&own).opened, 0, "her own seller's and nobody else's");
    let foreign = viewer.get_report(may(&shop.seller, &[])).await.expect_err("another seller");
    let absent = kit::SellerId(kit::Clock::System.new_uuid()).to_string();
    let absent = viewer.get_report(may(&absent, &[])).await.expect_err("no seller");
    assert_eq!((foreign.code(), foreign.message()), (absent.code(), absent.message()));
    let check = pb::CheckReportRequest {
        seller_id: other.clone(),
        first_date: "2025-05-01".into(),
        last_date: "2025-05-02".into(),
    };
    assert_eq!(viewer.check_report(check).await.expect_err("staff only").code(), Code::PermissionDenied);
    let mut agent = shop.tenant.agent("Ann Agent", "it", &[&shop.seller]).await;
    let mut agent = ReportsServiceClient::new(agent.session.transport().await.expect("a token"));
    assert_eq!(agent.get_report(may(&shop.seller, &[])).await.expect_err("an agent").code(), Code::PermissionDenied);

    let refused = |first: &str, last: &str, group_by: Vec<i32>, page_size, page_token: &str| {
        let query =
            pb::ReportQuery { first_date: first.into(), last_date: last.into(), group_by, ..Default::default() };
        let request = pb::GetReportRequest {
            seller_id: shop.seller.clone(),
            query: Some(query),
            page_size,
            page_token: page_token.into(),
        };
        let mut reports = shop.reports.clone();
        async move { violated(&reports.get_report(request).await.expect_err("refused")) }
    };
    assert_eq!(refused("2025-05-02", "2025-05-01", vec![], 0, "").await, ["query.last_date"]);
    assert_eq!(refused("2023-01-01", "2025-05-01", vec![], 0, "").await, ["query.last_date"], "over two years");
    assert_eq!(refused("1601-01-01", "1601-02-01", vec![], 0, "").await[0], "query.first_date");
    assert_eq!(refused("2025-01-01", "9999-12-31", vec![], 0, "").await[0], "query.last_date");
    assert_eq!(refused("May", "2025-02-30", vec![], 0, "").await[..2], ["query.first_date", "query.last_date"]);
    let unknown = refused("2025-05-01", "2025-05-01", vec![0, 99, 7, 7], 0, "").await;
    assert_eq!(unknown, ["query.group_by[0]", "query.group_by[1]", "query.group_by[3]"]);
    assert_eq!(refused("2025-05-01", "2025-05-01", vec![2, 3], 0, "").await, ["query.group_by"], "day and week");
    assert_eq!(refused("2025-05-01", "2025-05-01", vec![6, 8], 0, "").await, ["query.group_by"], "hours by country");
    assert_eq!(refused("2025-05-01", "2025-05-01", vec![1; 5_000], 0, "").await.len(), 16);
    assert_eq!(refused("2025-05-01", "2025-05-01", vec![], -1, "").await, ["page_size"]);
    assert_eq!(refused("2025-05-01", "2025-05-01", vec![], 0, "x").await, ["page_token"]);
    let none = pb::GetReportRequest { seller_id: shop.seller.clone(), ..Default::default() };
    assert_eq!(violated(&shop.reports.clone().get_report(none).await.expect_err("no question")), ["query"]);

    // A page as large as can be asked for is cut, and the next goes on where it ended.
    let huge = pb::GetReportRequest { page_size: i32::MAX, ..may(&shop.seller, &[pb::ReportDimension::Day]) };
    assert_eq!(complete(&shop.reports, &huge).await.lines.len(), 27, "open from the fifth on");
    let mut small = pb::GetReportRequest { page_size: 10, ..huge.clone() };
    let mut dates = Vec::new();
    loop {
        let page = shop.reports.clone().get_report(small.clone()).await.expect("a page").into_inner();
        dates.extend(page.lines.into_iter().map(|line| line.date));
        if page.next_page_token.is_empty() {
            break;
        }
        small.page_token = page.next_page_token;
    }
    let days: Vec<String> = (5..=31).map(|day| date(2025, 5, day).to_string()).collect();
    assert_eq!(dates, days);
    let ahead = request(&shop.seller, "2098-01-01", "2098-12-31", &[pb::ReportDimension::Day]);
    assert_eq!(complete(&shop.reports, &ahead).await.lines, [], "what is to come is not told");
}

#[tokio::test]
async fn a_report_leaves_as_a_table_for_spreadsheets() {
    let mut shop = shop("Tables").await;
    let update = UpdateSellerRequest {
        seller_id: shop.seller.clone(),
        seller: Some(Seller { name: "=HYPERLINK(\"x\"), Masque".into(), ..Seller::default() }),
        ..UpdateSellerRequest::default()
    };
    let mut sellers = SellersServiceClient::new(shop.tenant.admin.transport().await.expect("a token"));
    sellers.update_seller(update).await.expect("a name");
    shop.zone("Europe/Rome").await;
    shop.import(
        "past",
        &[("one", "2025-05-05T10:00:00Z", true, ITALIAN), ("one", "2025-05-05T10:30:00Z", false, "Domani.")],
    )
    .await;
    let asked = request("", "2025-05-01", "2025-05-07", &[pb::ReportDimension::Seller, pb::ReportDimension::Day]);
    complete(&shop.reports, &asked).await;
    let export = |byte_order_mark| {
        let request = pb::ExportReportRequest { seller_id: String::new(), query: asked.query.clone(), byte_order_mark };
        let mut reports = shop.reports.clone();
        async move {
            let mut pieces = reports.export_report(request).await.expect("a file").into_inner();
            let mut file = Vec::new();
            while let Some(piece) = pieces.message().await.expect("a piece") {
                assert!(piece.content.len() <= 64 * 1024);
                file.extend_from_slice(&piece.content);
            }
            String::from_utf8(file).expect("UTF-8")
        }
    };
    let plain = export(false).await;
    let lines: Vec<&str> = plain.split("\r\n").collect();
    assert!(lines[0].starts_with("seller,seller_name,day,opened,received,handled,solved,"), "{plain}");
    let name = "masque,\"'=HYPERLINK(\"\"x\"\"), Masque\"";
    assert!(
        lines[1].starts_with(&format!("{name},2025-05-05,1,1,1,0,0,0,1,1,1,1,0,0,0,0,1,1789,")),
        "half an hour: {plain}"
    );
    assert!(lines[2].starts_with(&format!("{name},2025-05-06,0,0,0,")), "{plain}");
    assert_eq!((lines.len(), lines[4]), (5, ""), "three days on which it was open: {plain}");
    assert_eq!(export(true).await, format!("\u{feff}{plain}"));
}
