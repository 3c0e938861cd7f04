//! Promises through the gateway: warnings told once, holidays from regions and files, and the numbers that
//! marketplaces will show.

use jiff::{SignedDuration, Timestamp};
use proto::Role;
use proto::events::v1::{Calendar, ClockInterval, SlaEscalation, SlaPolicy, SlaTarget, WeeklyHours};
use proto::tenants::v1::sellers_service_client::SellersServiceClient;
use proto::tenants::v1::{ImportHolidaysRequest, PutCalendarRequest, PutSlaPolicyRequest};
use proto::tickets::v1 as pb;
use proto::tickets::v1::sla_service_client::SlaServiceClient;
use proto::tickets::v1::tickets_service_client::TicketsServiceClient;
use tests::{Tenant, desk, eventually, violated};
use tonic::Code;

struct Shop {
    tenant: Tenant,
    seller: String,
}

async fn shop(name: &str) -> Shop {
    let mut tenant = desk().await.provider(name).await;
    let seller = tenant.seller("masque").await;
    Shop { tenant, seller }
}

macro_rules! client {
    ($client:ident, $session:expr) => {
        $client::new($session.transport().await.expect("a token"))
    };
}

#[tokio::test]
async fn a_clock_that_runs_out_warns_once_and_is_seen_to() {
    let mut shop = shop("Warned").await;
    let account = shop.tenant.account(&shop.seller, "email", "help@masque.example").await;
    let mut boss = shop.tenant.person("Bea Boss", Role::Supervisor, &[&shop.seller]).await;
    let target = SlaTarget {
        metric: "first_response".into(),
        target_seconds: 4,
        languages: vec!["it".into()],
        ..SlaTarget::default()
    };
    let notice = SlaEscalation { percent: 100, notice_level: 2, ..SlaEscalation::default() };
    let policy =
        SlaPolicy { targets: vec![target], warn_percent: vec![25], escalations: vec![notice], ..SlaPolicy::default() };
    let put = PutSlaPolicyRequest {
        seller_id: shop.seller.clone(),
        sla_policy: Some(policy),
        ..PutSlaPolicyRequest::default()
    };
    client!(SellersServiceClient, shop.tenant.admin).put_sla_policy(put).await.expect("a policy");
    // Perhaps before the policy is known there: then its clock begins with the policy.
    let message = pb::ReceiveMessageRequest {
        seller_id: shop.seller.clone(),
        channel_account_id: account,
        external_id: "one".into(),
        author: Some(pb::Author { address: "anna@example.it".into(), name: "Anna".into() }),
        text: "Buongiorno, non ho ancora ricevuto il mio ordine. Quando arriva il pacco?".into(),
        ..pb::ReceiveMessageRequest::default()
    };
    let taken = client!(TicketsServiceClient, shop.tenant.admin).receive_message(message).await.expect("a message");
    let ticket = taken.into_inner().ticket.expect("a ticket");

    let alerts = client!(SlaServiceClient, boss.session);
    let list = |page_size, page_token: &str, open_only| pb::ListSlaAlertsRequest {
        seller_id: shop.seller.clone(),
        page_size,
        page_token: page_token.to_owned(),
        open_only,
    };
    let both = eventually("the warning's and the miss's alert", || {
        let (mut alerts, list) = (alerts.clone(), list(0, "", false));
        async move {
            let found = alerts.list_sla_alerts(list).await.ok()?.into_inner().alerts;
            found.iter().any(|alert| alert.percent == 100).then_some(found)
        }
    })
    .await;
    // Who looks late tells the miss alone: then there was nothing left to warn of.
    let percents: Vec<i32> = both.iter().map(|alert| alert.percent).collect();
    assert!(percents == [100, 25] || percents == [100], "{percents:?}");
    let miss = &both[0];
    assert_eq!((miss.ticket_id.as_str(), miss.ticket_number.as_str()), (ticket.id.as_str(), ticket.number.as_str()));
    assert_eq!((miss.notice_level, miss.metric()), (2, pb::SlaMetric::FirstResponse));
    assert_eq!(miss.due_time, miss.reach_time);

    let see_to = pb::AcknowledgeSlaAlertRequest {
        seller_id: shop.seller.clone(),
        alert_id: miss.alert_id.clone(),
        request_id: "seen".into(),
    };
    let seen = alerts.clone().acknowledge_sla_alert(see_to.clone()).await.expect("seen to").into_inner().alert;
    assert_eq!(seen.as_ref().map(|alert| alert.acknowledged_by.as_str()), Some(boss.user_id.as_str()));
    let again = client!(SlaServiceClient, shop.tenant.admin).acknowledge_sla_alert(see_to).await.expect("once more");
    assert_eq!(again.into_inner().alert, seen, "who was first stays");
    let open = alerts.clone().list_sla_alerts(list(0, "", true)).await.expect("a list").into_inner().alerts;
    assert_eq!(open.len(), both.len() - 1);

    let mut viewer = shop.tenant.person("Vera Viewer", Role::SellerViewer, &[&shop.seller]).await;
    let mut theirs = client!(SlaServiceClient, viewer.session);
    let mut read = Vec::new();
    let mut token = String::new();
    loop {
        let page = theirs.list_sla_alerts(list(1, &token, false)).await.expect("a page").into_inner();
        read.extend(page.alerts);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(read.len(), both.len());
    assert!(read.iter().all(|alert| alert.acknowledged_by.is_empty()), "people of the provider stay unnamed");
    let refused = theirs.acknowledge_sla_alert(pb::AcknowledgeSlaAlertRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let absent = pb::AcknowledgeSlaAlertRequest {
        seller_id: shop.seller.clone(),
        alert_id: "alert_01h455vb4pex5vsknk084sn02q".into(),
        request_id: String::new(),
    };
    assert_eq!(alerts.clone().acknowledge_sla_alert(absent).await.unwrap_err().code(), Code::NotFound);
}

fn office(region: &str, open_dates: &[&str]) -> Calendar {
    let interval = ClockInterval { start: "09:00".into(), end: "17:00".into() };
    Calendar {
        name: "office".into(),
        time_zone: "Europe/Berlin".into(),
        hours: (1..=5).map(|weekday| WeeklyHours { weekday, intervals: vec![interval.clone()] }).collect(),
        holiday_region: region.into(),
        open_dates: open_dates.iter().map(|date| (*date).to_owned()).collect(),
        ..Calendar::default()
    }
}

const FEED: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Masque//Days//EN\r\n\
    BEGIN:VEVENT\r\nUID:1\r\nDTSTART;VALUE=DATE:20260106\r\nSUMMARY:Epiphany\r\nEND:VEVENT\r\n\
    BEGIN:VEVENT\r\nUID:2\r\nDTSTART;VALUE=DATE:20260706\r\nDTEND;VALUE=DATE:20260708\r\nSUMMARY:Summer\r\n\
    END:VEVENT\r\n\
    BEGIN:VEVENT\r\nUID:3\r\nDTSTART:20260706T090000Z\r\nSUMMARY:A meeting\r\nEND:VEVENT\r\n\
    END:VCALENDAR\r\n";

#[tokio::test]
async fn holidays_come_from_a_region_and_from_files_and_stay_switched_off() {
    let mut shop = shop("Holidays").await;
    let mut sellers = client!(SellersServiceClient, shop.tenant.admin);
    let put = |calendar, etag: &str| PutCalendarRequest {
        seller_id: shop.seller.clone(),
        calendar: Some(calendar),
        etag: etag.to_owned(),
        ..PutCalendarRequest::default()
    };
    let moon = sellers.put_calendar(put(office("DE-MOON", &[]), "")).await.unwrap_err();
    assert_eq!(violated(&moon), ["calendar.holiday_region"]);
    sellers.put_calendar(put(office("DE-BY", &["2026-01-06"]), "")).await.expect("a calendar");

    let import = |icalendar: &str, etag: &str| ImportHolidaysRequest {
        seller_id: shop.seller.clone(),
        name: "office".into(),
        source: "company-days".into(),
        icalendar: icalendar.as_bytes().to_vec().into(),
        request_id: String::new(),
        etag: etag.to_owned(),
    };
    let no_file = sellers.import_holidays(import("BEGIN:VEVENT", "")).await.unwrap_err();
    assert_eq!(violated(&no_file), ["icalendar"]);
    assert_eq!(sellers.import_holidays(import(FEED, "v9")).await.unwrap_err().code(), Code::Aborted);
    let taken = sellers.import_holidays(import(FEED, "v1")).await.expect("holidays").into_inner();
    assert_eq!((taken.skipped_count, taken.skipped[0].event), (1, 3));
    let calendar = taken.calendar.expect("a calendar");
    assert_eq!((calendar.version, calendar.imported.len()), (2, 3));
    // The same file again changes nothing, and the calendar's own call leaves what files brought alone.
    assert_eq!(sellers.import_holidays(import(FEED, "")).await.unwrap().into_inner().calendar.unwrap().version, 2);
    let kept = sellers.put_calendar(put(office("DE-BY", &["2026-01-06", "2026-07-07"]), "v2")).await.unwrap();
    assert_eq!(kept.into_inner().calendar.unwrap().imported.len(), 3);

    // What the clocks make of it: an hour of opening from messages at 10:00 in Berlin.
    let target = SlaTarget {
        metric: "first_response".into(),
        target_seconds: 3_600,
        calendar: "office".into(),
        catch_all: Some(true),
        ..SlaTarget::default()
    };
    let policy = SlaPolicy { targets: vec![target], ..SlaPolicy::default() };
    let promise = PutSlaPolicyRequest {
        seller_id: shop.seller.clone(),
        sla_policy: Some(policy),
        ..PutSlaPolicyRequest::default()
    };
    sellers.put_sla_policy(promise).await.expect("a policy");
    let account = shop.tenant.account(&shop.seller, "email", "help@masque.example").await;
    let mut tickets = client!(TicketsServiceClient, shop.tenant.admin);
    for (written, due) in [
        ("2025-12-25T09:00:00Z", "2025-12-29T09:00:00Z"), // Christmas and the weekend behind it
        ("2026-01-06T09:00:00Z", "2026-01-06T10:00:00Z"), // switched off, whoever brings it
        ("2026-06-04T08:00:00Z", "2026-06-05T08:00:00Z"), // Corpus Christi in Bavaria
        ("2026-07-06T08:00:00Z", "2026-07-07T08:00:00Z"), // two days of the file, the second switched off
    ] {
        let second = |text: &str| text.parse::<Timestamp>().expect("an instant").as_second();
        let message = pb::ImportedMessage {
            external_id: written.into(),
            direction: pb::Direction::Inbound.into(),
            author: Some(pb::Author { address: "anna@example.de".into(), name: String::new() }),
            text: "Wo ist mein Paket?".into(),
            occurred_at: Some(prost_types::Timestamp { seconds: second(written), nanos: 0 }),
            ..pb::ImportedMessage::default()
        };
        let import = pb::ImportMessagesRequest {
            seller_id: shop.seller.clone(),
            import_key: written.into(),
            channel_account_id: account.clone(),
            messages: vec![message],
            ..pb::ImportMessagesRequest::default()
        };
        tickets.import_messages(import).await.expect("an import");
        let list = pb::ListTicketsRequest { seller_id: shop.seller.clone(), page_size: 1, ..Default::default() };
        let newest = tickets.list_tickets(list).await.expect("a list").into_inner().tickets.remove(0);
        eventually("the calendar to be counted with", || {
            let explain = pb::ExplainSlaRequest { seller_id: shop.seller.clone(), ticket_id: newest.id.clone() };
            let mut tickets = tickets.clone();
            async move {
                let clocks = tickets.explain_sla(explain).await.ok()?.into_inner().clocks;
                (clocks.first()?.due_at.as_ref()?.seconds == second(due)).then_some(())
            }
        })
        .await;
    }
}

#[tokio::test]
async fn the_marketplaces_numbers_are_theirs() {
    let mut shop = shop("Standing").await;
    let mut sellers = client!(SellersServiceClient, shop.tenant.admin);
    let mut accounts = std::collections::BTreeMap::new();
    for marketplace in ["amazon", "conrad"] {
        let account = proto::events::v1::ChannelAccount {
            channel: "marketplace".into(),
            address: format!("{marketplace}@masque.example"),
            marketplace: marketplace.into(),
            country: "DE".into(),
            active: true,
            ..Default::default()
        };
        let put = proto::tenants::v1::PutChannelAccountRequest {
            seller_id: shop.seller.clone(),
            channel_account: Some(account),
            request_id: String::new(),
        };
        let kept = sellers.put_channel_account(put).await.expect("an account").into_inner();
        accounts.insert(marketplace, kept.channel_account.expect("an account").channel_account_id);
    }
    let now = kit::Clock::System.now();
    let mut tickets = client!(TicketsServiceClient, shop.tenant.admin);
    // Hours ago that a customer wrote, and hours after that until the answer.
    for (marketplace, exchanges) in
        [("amazon", &[(96, Some(2)), (72, Some(30)), (48, None)][..]), ("conrad", &[(96, Some(10)), (72, Some(40))])]
    {
        let mut messages = Vec::new();
        for (n, (ago, answered)) in exchanges.iter().enumerate() {
            let mut said = |direction: pb::Direction, hours: i64| {
                let at = now - SignedDuration::from_hours(hours);
                messages.push(pb::ImportedMessage {
                    external_id: format!("{marketplace}-{n}-{}", direction.as_str_name()),
                    external_thread_id: format!("{marketplace}-{n}"),
                    direction: direction.into(),
                    author: Some(pb::Author { address: format!("kunde{n}@example.de"), name: String::new() }),
                    text: "Wo ist mein Paket?".into(),
                    occurred_at: Some(prost_types::Timestamp { seconds: at.as_second(), nanos: 0 }),
                    ..pb::ImportedMessage::default()
                });
            };
            said(pb::Direction::Inbound, *ago);
            if let Some(after) = answered {
                said(pb::Direction::Outbound, ago - after);
            }
        }
        let import = pb::ImportMessagesRequest {
            seller_id: shop.seller.clone(),
            import_key: marketplace.into(),
            channel_account_id: accounts[marketplace].clone(),
            messages,
            ..pb::ImportMessagesRequest::default()
        };
        tickets.import_messages(import).await.expect("an import");
    }
    let mut viewer = shop.tenant.person("Vera Viewer", Role::SellerViewer, &[&shop.seller]).await;
    let mut sla = client!(SlaServiceClient, viewer.session);
    let standings = sla
        .get_marketplace_standing(pb::GetMarketplaceStandingRequest::default())
        .await
        .expect("standings")
        .into_inner()
        .standings;
    assert_eq!(standings.len(), 2, "{standings:?}");
    let (amazon, conrad) = (&standings[0], &standings[1]);
    assert_eq!((amazon.marketplace.as_str(), amazon.country.as_str()), ("amazon", "DE"));
    assert_eq!((amazon.in_time, amazon.late, amazon.waiting), (1, 2, 0));
    assert_eq!((amazon.in_time_percent, amazon.meets), (Some(33.33), Some(false)));
    assert_eq!(conrad.marketplace, "conrad");
    assert_eq!((conrad.average_seconds, conrad.meets), (Some(25 * 3_600), Some(true)));

    let early = pb::GetMarketplaceStandingRequest {
        from: Some(prost_types::Timestamp { seconds: 1_577_836_800, nanos: 0 }),
        ..pb::GetMarketplaceStandingRequest::default()
    };
    assert_eq!(violated(&sla.get_marketplace_standing(early).await.unwrap_err()), ["from"]);
    let rules =
        sla.list_marketplace_rules(pb::ListMarketplaceRulesRequest::default()).await.expect("rules").into_inner();
    assert!(
        rules.rules.iter().all(|rule| !rule.source.is_empty()) && rules.rules.iter().any(|r| r.confidence == "low")
    );
}
