//! Billing: usage taken in through the gateway beside a raw batched insert of the same rows; a million events rated
//! into a thousand finalized invoices beside one GROUP BY over the same rows; and the running month of a seller with
//! 100,000 contacts beside a read by primary key. What counts is CPU time: of the platform's process and of all of
//! PostgreSQL for the platform, of PostgreSQL alone for the peers.
//!
//! `BILLING_SELLERS` (1,000) sets how many sellers there are, each with a thousand events.

use std::time::{Duration, Instant};

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use jiff_sqlx::ToSqlx;
use manydesk::cli::Session;
use proto::billing::v1::billing_service_client::BillingServiceClient;
use proto::billing::v1::*;
use sqlx::{Connection, PgConnection};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::create_ticket::Target;
use crate::world::World;
use crate::{cpu, peer};

/// Events of a batch, and of a seller.
const BATCH: usize = 1_000;
/// Contacts of the seller whose running month is looked at.
const CONTACTS: usize = 100_000;
const CALLERS: usize = 4;
const ROUNDS: usize = 40;
const LANGUAGES: [&str; 5] = ["it", "de", "fr", "es", "en"];
const CHANNELS: [&str; 3] = ["email", "chat", "phone"];

macro_rules! billing {
    ($session:expr) => {
        BillingServiceClient::new($session.transport().await.expect("a token"))
    };
}

pub async fn run() {
    #[allow(clippy::disallowed_methods)] // how large the run is, is asked of the environment
    let sellers: usize = std::env::var("BILLING_SELLERS").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000);
    let world = World::start().await;
    let mut session = world.admin("bench").await;
    let today = kit::Clock::System.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let month = today.first_of_month().saturating_sub(1.month());
    let begun = Instant::now();
    let targets = contracts(&mut session, sellers, month).await;
    println!("billing: {sellers} sellers with contracts in {:.0} s", begun.elapsed().as_secs_f64());
    quiet(&world).await;
    let ours = take_in(&world, &mut session, &targets[..sellers], |n| items(month, 28, n, BATCH)).await;
    let raw = raw(&world, &targets[..sellers], month).await;
    println!(
        "billing: usage taken in with {CALLERS} callers: {:.0} events/CPU-s (platform {:.2} µs, PostgreSQL {:.2} µs each); raw insert {:.0} rows/CPU-s ({:.2} µs); ratio {:.2}",
        1e6 / (ours.0 + ours.1),
        ours.0,
        ours.1,
        1e6 / raw,
        raw,
        raw / (ours.0 + ours.1)
    );
    quiet(&world).await;
    finalize(&world, &mut session, &targets[..sellers], month).await;
    running_month(&world, &mut session, &targets[sellers], today).await;
    world.stop();
}

/// Sellers with a profile and a contract, and one more.
async fn contracts(session: &mut Session, sellers: usize, month: Date) -> Vec<Target> {
    let mut client = billing!(session);
    let party = |name: &str, country: &str, vat_id: &str| {
        Some(Party {
            legal_name: name.into(),
            address_lines: vec!["1 Main Street".into()],
            postal_code: "1000".into(),
            city: "Town".into(),
            country: country.into(),
            vat_id: vat_id.into(),
            ..Party::default()
        })
    };
    let issuer = Issuer {
        party: party("Contact Center SA", "FR", "FR12345678901"),
        number_prefix: "BENCH".into(),
        time_zone: "UTC".into(),
        ..Issuer::default()
    };
    let request = UpsertIssuerRequest { issuer: Some(issuer), request_id: "issuer".into() };
    let issuer_id = client.upsert_issuer(request).await.expect("an issuer").into_inner().issuer.expect("it").issuer_id;
    let request = CreateRatePlanRequest { plan: Some(plan()), request_id: "plan".into() };
    let plan = client.create_rate_plan(request).await.expect("a plan").into_inner().plan.expect("it");
    let mut targets = Vec::with_capacity(sellers + 1);
    for n in 0..=sellers {
        let target = Target::make(session, &format!("seller-{n}")).await;
        let mut client = billing!(session);
        let profile = BillingProfile {
            buyer: party("Shop GmbH", "DE", "DE123456789"),
            vat_check: VatCheck::Valid.into(),
            vat_evidence: "consultation".into(),
            issuer_id: issuer_id.clone(),
            currency: "EUR".into(),
            time_zone: "UTC".into(),
            payment_term_days: 30,
            ..BillingProfile::default()
        };
        let seller_id = target.seller_id.clone();
        let request = UpsertBillingProfileRequest {
            seller_id: seller_id.clone(),
            profile: Some(profile),
            request_id: String::new(),
        };
        client.upsert_billing_profile(request).await.expect("a profile");
        let request = SignRatePlanRequest {
            seller_id,
            rate_plan_id: plan.rate_plan_id.clone(),
            version: plan.version,
            effective_from: month.to_string(),
            signed_by: "Managing director".into(),
            ..SignRatePlanRequest::default()
        };
        client.sign_rate_plan(request).await.expect("a contract");
        targets.push(target);
    }
    targets
}

/// A base team, graduated contacts with surcharges, and messages.
fn plan() -> RatePlan {
    let tier = |up_to: &str, unit: &str| Tier { up_to: up_to.into(), unit_amount: unit.into(), ..Tier::default() };
    let surcharge = |property: &str, value: &str, percent: &str| Surcharge {
        property: property.into(),
        values: vec![value.into()],
        percent: percent.into(),
    };
    RatePlan {
        name: "Hybrid".into(),
        currency: "EUR".into(),
        charges: vec![
            Charge {
                code: "team".into(),
                name: "Base team".into(),
                model: PriceModel::Flat.into(),
                unit_amount: "1000".into(),
                prorate: true,
                ..Charge::default()
            },
            Charge {
                code: "contacts".into(),
                name: "Contacts".into(),
                meter: Meter::Contact.into(),
                model: PriceModel::Graduated.into(),
                tiers: vec![tier("100", "0"), tier("500", "1.335"), tier("", "1.1")],
                surcharges: vec![surcharge("language", "it", "5"), surcharge("channel", "phone", "20")],
                ..Charge::default()
            },
            Charge {
                code: "messages".into(),
                name: "Messages".into(),
                meter: Meter::Message.into(),
                model: PriceModel::PerUnit.into(),
                unit_amount: "0.05".into(),
                ..Charge::default()
            },
        ],
        ..RatePlan::default()
    }
}

/// What the `n`th event of a batch is: meter, second of the month, language, channel.
fn event(days: i64, batch: usize, n: usize) -> (Meter, i64, &'static str, &'static str) {
    let spread = (n * 7_919 + batch * 104_729) as i64 * 2_654_435_761;
    let meter = if n % 4 == 3 { Meter::Message } else { Meter::Contact };
    (meter, spread.rem_euclid(days * 86_400), LANGUAGES[n % 5], CHANNELS[n / 5 % 3])
}

fn instant(month: Date, second: i64) -> Timestamp {
    let first = month.at(0, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC).expect("a time").timestamp();
    first.checked_add(second.seconds()).expect("a time")
}

fn items(month: Date, days: i64, batch: usize, number: usize) -> Vec<UsageItem> {
    let item = |n| {
        let (meter, second, language, channel) = event(days, batch, n);
        UsageItem {
            source: "bench".into(),
            event_key: format!("contact_{batch:06}_{n:06}"),
            meter: meter.into(),
            quantity: "1".into(),
            event_time: Some(kit::wire::timestamp(instant(month, second))),
            subject: format!("ticket_{batch:06}_{:06}", n / 3),
            channel: channel.into(),
            language: language.into(),
            country: "IT".into(),
            ..UsageItem::default()
        }
    };
    (0..number).map(item).collect()
}

/// Sends each target its batch; microseconds of the platform and of PostgreSQL for each event.
async fn take_in(
    world: &World,
    session: &mut Session,
    targets: &[Target],
    batch: impl Fn(usize) -> Vec<UsageItem>,
) -> (f64, f64) {
    let mut spent = (0.0, 0.0);
    let mut events = 0_usize;
    // requests are made before the clocks run: making them is the client's work
    for (first, part) in targets.chunks(100).enumerate() {
        let mut lanes: Vec<Vec<BatchRecordUsageRequest>> = vec![Vec::new(); CALLERS];
        for (n, target) in part.iter().enumerate() {
            let items = batch(first * 100 + n);
            events += items.len();
            lanes[n % CALLERS].push(BatchRecordUsageRequest {
                seller_id: target.seller_id.clone(),
                items,
                request_id: String::new(),
            });
        }
        let transport = session.transport().await.expect("a token");
        let before = (cpu::seconds(world.pid()), cpu::seconds_of_tree(world.postgres().0));
        let mut tasks = JoinSet::new();
        for lane in lanes {
            let mut client = BillingServiceClient::new(transport.clone());
            tasks.spawn(async move {
                for request in lane {
                    let answer = client.batch_record_usage(request).await.expect("a batch").into_inner();
                    assert!(answer.results.iter().all(|r| r.outcome() == RecordOutcome::Accepted), "all are new");
                }
            });
        }
        tasks.join_all().await;
        spent.0 += cpu::seconds(world.pid()) - before.0;
        spent.1 += cpu::seconds_of_tree(world.postgres().0) - before.1;
    }
    (spent.0 / events as f64 * 1e6, spent.1 / events as f64 * 1e6)
}

/// The same rows into a table with nothing but its key; microseconds of PostgreSQL for each.
async fn raw(world: &World, targets: &[Target], month: Date) -> f64 {
    let mut conn = PgConnection::connect(&world.database()).await.expect("the database answers");
    sqlx::raw_sql(
        "create schema peer;
         create table peer.usage_event (
             provider_id uuid not null, seller_id uuid not null, usage_id uuid not null, source text not null,
             event_key text not null, fingerprint bytea not null, meter text not null, quantity numeric not null,
             event_at timestamptz not null, received_at timestamptz not null, time_zone text not null,
             local_date date not null, bill_date date not null, subject text not null, channel text not null,
             language text not null, marketplace text not null, country text not null, hour_class text not null,
             agent_group text not null, corrects_event_key text, duration_seconds integer not null,
             historical boolean not null, primary key (provider_id, seller_id, source, event_key))",
    )
    .execute(&mut conn)
    .await
    .expect("a table");
    let insert = "insert into peer.usage_event
        select $1, $2, e.usage_id, 'bench', e.event_key, e.fingerprint, e.meter, e.quantity, e.event_at, $3, 'UTC',
               e.local_date, e.local_date, e.subject, e.channel, e.language, '', 'IT', 'regular', '', null, 0, false
          from unnest($4::uuid[], $5::text[], $6::bytea[], $7::text[], $8::bigint[], $9::timestamptz[], $10::date[],
                      $11::text[], $12::text[], $13::text[])
               as e (usage_id, event_key, fingerprint, meter, quantity, event_at, local_date, subject, channel, language)
        on conflict do nothing";
    let clock = kit::Clock::System;
    let mut spent = 0.0;
    for (batch, target) in targets.iter().enumerate() {
        let rows: Vec<_> = (0..BATCH).map(|n| (n, event(28, batch, n))).collect();
        let at = |second: i64| instant(month, second);
        let date = |second: i64| at(second).to_zoned(jiff::tz::TimeZone::UTC).date();
        let query = sqlx::query(insert)
            .bind(target.provider)
            .bind(target.seller())
            .bind(clock.now().to_sqlx())
            .bind(rows.iter().map(|_| clock.new_uuid()).collect::<Vec<Uuid>>())
            .bind(rows.iter().map(|(n, _)| format!("contact_{batch:06}_{n:06}")).collect::<Vec<_>>())
            .bind(rows.iter().map(|(n, _)| [*n as u8; 32].to_vec()).collect::<Vec<Vec<u8>>>())
            .bind(
                rows.iter().map(|(_, e)| if e.0 == Meter::Contact { "contact" } else { "message" }).collect::<Vec<_>>(),
            )
            .bind(vec![1_i64; BATCH])
            .bind(rows.iter().map(|(_, e)| at(e.1).to_sqlx()).collect::<Vec<_>>())
            .bind(rows.iter().map(|(_, e)| date(e.1).to_sqlx()).collect::<Vec<_>>())
            .bind(rows.iter().map(|(n, _)| format!("ticket_{batch:06}_{:06}", n / 3)).collect::<Vec<_>>())
            .bind(rows.iter().map(|(_, e)| e.3).collect::<Vec<_>>())
            .bind(rows.iter().map(|(_, e)| e.2).collect::<Vec<_>>());
        let before = cpu::seconds_of_tree(world.postgres().0);
        let done = query.execute(&mut conn).await.expect("rows").rows_affected();
        spent += cpu::seconds_of_tree(world.postgres().0) - before;
        assert_eq!(done, BATCH as u64);
    }
    spent / (targets.len() * BATCH) as f64 * 1e6
}

/// Waits until what was told has been heard, so that it is not measured with the rest.
async fn quiet(world: &World) {
    let mut still = 0;
    while still < 3 {
        let before = cpu::seconds(world.pid());
        tokio::time::sleep(Duration::from_millis(500)).await;
        still = if cpu::seconds(world.pid()) - before < 0.05 { still + 1 } else { 0 };
    }
}

async fn finalize(world: &World, session: &mut Session, targets: &[Target], month: Date) {
    let mut conn = PgConnection::connect(&world.database()).await.expect("the database answers");
    sqlx::raw_sql("vacuum analyze billing.usage_event").execute(&mut conn).await.expect("analyzed");
    let before = (cpu::seconds(world.pid()), cpu::seconds_of_tree(world.postgres().0));
    let begun = Instant::now();
    for (first, part) in targets.chunks(100).enumerate() {
        let transport = session.transport().await.expect("a token");
        let mut tasks = JoinSet::new();
        for lane in 0..CALLERS {
            let mut client = BillingServiceClient::new(transport.clone());
            let sellers: Vec<String> =
                part.iter().skip(lane).step_by(CALLERS).map(|target| target.seller_id.clone()).collect();
            tasks.spawn(async move {
                for (n, seller_id) in sellers.into_iter().enumerate() {
                    let request_id = format!("close-{first}-{lane}-{n}");
                    let request = FinalizeInvoiceRequest { seller_id, date: month.to_string(), request_id };
                    let invoice = client.finalize_invoice(request).await.expect("an invoice").into_inner().invoice;
                    let events: i64 = invoice.expect("it").lines.iter().map(|line| line.usage_events).sum();
                    assert_eq!(events, BATCH as i64, "every event is on the invoice");
                }
            });
        }
        tasks.join_all().await;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let ours = cpu::seconds(world.pid()) - before.0;
    let theirs = cpu::seconds_of_tree(world.postgres().0) - before.1;
    let before = cpu::seconds_of_tree(world.postgres().0);
    let groups: i64 = sqlx::query_scalar(
        "select count(*) from (select seller_id, meter, channel, language, marketplace, country, hour_class, agent_group,
                historical, sum(quantity), count(*), max(quantity) from billing.usage_event
          where local_date >= $1 and local_date < $2 group by 1, 2, 3, 4, 5, 6, 7, 8, 9) as sums",
    )
    .bind(month.to_sqlx())
    .bind(month.saturating_add(1.month()).to_sqlx())
    .fetch_one(&mut conn)
    .await
    .expect("sums");
    // the workers that helped are counted when they have ended
    drop(conn);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let peer = cpu::seconds_of_tree(world.postgres().0) - before;
    println!(
        "billing: {} events into {} finalized invoices in {seconds:.1} s, CPU {:.2} s platform + {:.2} s PostgreSQL ({:.2} ms an invoice); one GROUP BY into {groups} sums {peer:.2} s; ratio {:.2}",
        targets.len() * BATCH,
        targets.len(),
        ours,
        theirs,
        (ours + theirs) / targets.len() as f64 * 1e3,
        (ours + theirs) / peer
    );
}

async fn running_month(world: &World, session: &mut Session, target: &Target, today: Date) {
    let month = today.first_of_month();
    let days = i64::from(today.day()).max(2) - 1;
    let whole = vec![target.clone(); CONTACTS / BATCH];
    take_in(world, session, &whole, |n| items(month, days, n, BATCH)).await;
    let mut client = billing!(session);
    let request = PreviewInvoiceRequest { seller_id: target.seller_id.clone(), date: today.to_string() };
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let draft = client.preview_invoice(request.clone()).await.expect("a preview").into_inner().invoice;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
        let events: i64 = draft.expect("a draft").lines.iter().map(|line| line.usage_events).sum();
        assert_eq!(events, CONTACTS as i64);
    }
    times.sort_by(f64::total_cmp);
    let script = format!(
        "begin;\nset local app.provider_id = '{0}';\nset local app.seller_ids = '{{{1}}}';\nset local app.writable = '{{}}';\nselect * from billing.usage_event where provider_id = '{0}' and seller_id = '{1}' and source = 'bench' and event_key = 'contact_000007_000007';\ncommit;\n",
        target.provider,
        target.seller()
    );
    let base = 1e3 / peer::pgbench_as(world, "billing_app", &script, 1, 3).per_second;
    println!(
        "billing: the running month of {CONTACTS} contacts {:.1} ms (median of {ROUNDS}, the slowest {:.1}); a read by primary key {base:.2} ms; ratio {:.0}",
        times[ROUNDS / 2],
        times[ROUNDS - 1],
        times[ROUNDS / 2] / base
    );
}
