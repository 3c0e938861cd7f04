//! Mails as they arrive: tickets created a second through the gateway from raw bytes, each parsed, its language
//! detected, its thread and customer found and its clocks begun, beside pgbench writing the same rows, the bytes
//! among them, in one pipelined transaction on the same server. And how often a second the evaluator of promises
//! calculates, on one thread: the worked cases, and spans over five years of a calendar with exceptions.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::civil::Date;
use manydesk::cli::Transport;
use proto::events::v1::{ChannelAccount, SlaPolicy, SlaTarget};
use proto::tenants::v1::sellers_service_client::SellersServiceClient;
use proto::tenants::v1::{PutChannelAccountRequest, PutSlaPolicyRequest};
use proto::tickets::v1::ReceiveEmailRequest;
use proto::tickets::v1::tickets_service_client::TicketsServiceClient;
use serde_json::{Map, Value};
use tickets::domain::sla::calendar::{Calendar, Hours, Plan, Span};
use tickets::domain::sla::paused;

use crate::create_ticket::{self, Target};
use crate::world::World;
use crate::{cpu, peer};

const SECONDS: u64 = 8;
/// How long calculations are repeated.
const CALCULATE: Duration = Duration::from_secs(2);

pub async fn run() {
    evaluator();
    let world = World::start().await;
    let mut session = world.admin("bench").await;
    let target = Target::make(&mut session, "bench").await;
    let mut sellers = SellersServiceClient::new(session.transport().await.expect("a token"));
    let mailbox = ChannelAccount {
        channel: "email".into(),
        address: "help@bench.example".into(),
        active: true,
        ..Default::default()
    };
    let put = PutChannelAccountRequest {
        seller_id: target.seller_id.clone(),
        channel_account: Some(mailbox),
        request_id: String::new(),
    };
    let mailbox = sellers.put_channel_account(put).await.expect("a mailbox").into_inner().channel_account;
    let mailbox = mailbox.expect("a mailbox").channel_account_id;
    let promise = |metric: &str, seconds| SlaTarget {
        metric: metric.into(),
        target_seconds: seconds,
        catch_all: Some(true),
        ..Default::default()
    };
    let targets = vec![promise("first_response", 4 * 3_600), promise("resolution", 3 * 86_400)];
    let put = PutSlaPolicyRequest {
        seller_id: target.seller_id.clone(),
        sla_policy: Some(SlaPolicy { targets, ..Default::default() }),
        ..Default::default()
    };
    sellers.put_sla_policy(put).await.expect("a policy");
    let mut transports = Vec::new();
    for _ in 0..4 {
        transports.push(world.admin("bench").await.transport().await.expect("a token"));
    }
    let counter = Arc::new(AtomicU64::new(0));
    // long enough for the tables to have been looked at by the planner
    measure(&target, &mailbox, &transports, 16, Duration::from_secs(15), &counter).await;
    let script = create_ticket::script(&world, &target, 1).await;
    for callers in [2_usize, 16, 64] {
        let cpu_before = (cpu::seconds(world.pid()), cpu::seconds_of_tree(world.postgres().0));
        let (done, per_second) =
            measure(&target, &mailbox, &transports, callers, Duration::from_secs(SECONDS), &counter).await;
        let ours = cpu::seconds(world.pid()) - cpu_before.0;
        let theirs = cpu::seconds_of_tree(world.postgres().0) - cpu_before.1;
        let base = peer::pgbench(&world, &script, callers, SECONDS).per_second;
        println!(
            "intake: {callers:>2} callers {per_second:>7.0} mails/s to tickets (CPU {:.0} µs platform, {:.0} µs PostgreSQL each); pgbench pipelined {base:>7.0}/s; ratio {:.2}",
            ours / done as f64 * 1e6,
            theirs / done as f64 * 1e6,
            per_second / base
        );
    }
    world.stop();
}

/// A mail as a shop's customers write them: two parts, a quoted word in the subject, a signature.
fn mail(n: u64) -> Vec<u8> {
    format!(
        "Received: from mx.customer.example (mx.customer.example [192.0.2.7]) by mx.bench.example with ESMTPS id {n};\r\n Mon, 05 May 2025 10:00:01 +0200\r\n\
         Message-ID: <bench-unique-{n}@customer.example>\r\nDate: Mon, 05 May 2025 10:00:00 +0200\r\n\
         From: Anna Esempio <bench-unique-{n}@customer.example>\r\nTo: help@bench.example\r\n\
         Subject: =?utf-8?q?Dov=27=C3=A8_il_mio_pacco=3F?=\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/alternative; boundary=\"part\"\r\n\r\n\
         --part\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
         Buongiorno, ho ordinato una settimana fa e non ho ancora ricevuto nulla. Il numero =C3=A8 quello della=\r\n conferma. Potete aiutarmi? Grazie mille.\r\n\r\n-- \r\nAnna Esempio\r\n\
         --part\r\nContent-Type: text/html; charset=utf-8\r\n\r\n\
         <html><body><p>Buongiorno, ho ordinato una settimana fa e non ho ancora ricevuto nulla.</p><p>Potete aiutarmi? Grazie mille.</p></body></html>\r\n--part--\r\n"
    )
    .into_bytes()
}

/// Callers deliver mails for a while: how many, and how many a second.
async fn measure(
    target: &Target,
    mailbox: &str,
    transports: &[Transport],
    callers: usize,
    time: Duration,
    counter: &Arc<AtomicU64>,
) -> (u64, f64) {
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for caller in 0..callers {
        let (target, mailbox, counter) = (target.clone(), mailbox.to_owned(), counter.clone());
        let mut client = TicketsServiceClient::new(transports[caller % transports.len()].clone());
        tasks.spawn(async move {
            let mut done = 0_u64;
            while begun.elapsed() < time {
                let n = counter.fetch_add(1, Ordering::Relaxed);
                let request = ReceiveEmailRequest {
                    seller_id: target.seller_id.clone(),
                    request_id: String::new(),
                    channel_account_id: mailbox.clone(),
                    raw: mail(n).into(),
                };
                let answer = client.receive_email(request).await.expect("a mail is taken in").into_inner();
                assert!(answer.ticket.is_some() && !answer.duplicate, "every mail opens a ticket");
                done += 1;
            }
            done
        });
    }
    let mut done = 0;
    while let Some(part) = tasks.join_next().await {
        done += part.expect("a caller");
    }
    (done, done as f64 / begun.elapsed().as_secs_f64())
}

/// A calculation of the worked cases.
enum Work {
    Add(i64, i64),
    Subtract(i64, i64),
    Elapsed(i64, i64),
}

fn evaluator() {
    match cases() {
        Some(cases) => {
            let per_second = repeat(&cases);
            println!("intake: {per_second:.0} calculations/s on one thread, the {} worked cases repeated", cases.len());
        }
        None => println!("intake: the worked cases are not there (SLA_CASES names their file)"),
    }
    let calendar = five_years();
    let (begin, year) = (instant(&Value::from("2021-01-04T07:13:00Z")), 365 * 86_400);
    let long: Vec<Case> = (0..64)
        .map(|n| {
            let start = begin + n * 50_021;
            let pauses = (1..6).map(|p| Span { start: start + p * 20_000_000, end: start + p * 20_000_000 + 400_000 });
            let work = match n % 2 {
                0 => Work::Elapsed(start, start + 5 * year - n * 1_009),
                _ => Work::Add(start, 5 * 250 * 8 * 3_600 - n * 997),
            };
            (Arc::clone(&calendar), pauses.collect(), work)
        })
        .collect();
    let per_second = repeat(&long);
    println!(
        "intake: {per_second:.0} calculations/s on one thread, each over five years with 300 exceptions and five pauses"
    );
}

/// A calculation with its calendar and pauses.
type Case = (Arc<Calendar>, Vec<Span>, Work);

/// How many a second, over and over.
fn repeat(work: &[Case]) -> f64 {
    let begun = Instant::now();
    let mut done = 0_u64;
    while begun.elapsed() < CALCULATE {
        for (calendar, pauses, work) in work {
            let found = match work {
                Work::Add(start, seconds) => paused::add(calendar, *start, *seconds, pauses),
                Work::Subtract(end, seconds) => paused::subtract(calendar, *end, *seconds, pauses),
                Work::Elapsed(start, end) => Some(paused::elapsed(calendar, *start, *end, pauses)),
            };
            black_box(found);
            done += 1;
        }
    }
    done as f64 / begun.elapsed().as_secs_f64()
}

/// Weekdays in two halves; every year 30 holidays, 20 short days and 10 breaks.
fn five_years() -> Arc<Calendar> {
    let hours = |start: &str, end: &str| Hours::parse(start, end).expect("hours");
    let mut plan = Plan { zone: "Europe/Rome".into(), ..Plan::default() };
    for day in plan.week.iter_mut().take(5) {
        *day = vec![hours("08:30", "12:30"), hours("13:30", "17:30")];
    }
    let first: Date = jiff::civil::date(2021, 1, 1);
    for n in 0..5 * 60_i64 {
        let date = first.saturating_add(jiff::Span::new().days(n * 6));
        match n % 6 {
            0..=2 => {
                plan.holidays.insert(date);
            }
            3 | 4 => {
                plan.shifts.insert(date, vec![hours("10:00", "14:00")]);
            }
            _ => {
                plan.breaks.insert(date, vec![hours("11:00", "11:45")]);
            }
        }
    }
    Arc::new(Calendar::new(plan).expect("a calendar"))
}

/// The worked cases that calculate.
fn cases() -> Option<Vec<Case>> {
    let beside = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/sla/cases.json"));
    let path = std::env::var_os("SLA_CASES").map_or(beside, PathBuf::from);
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).ok()?).expect("the cases are JSON");
    let cases = file["cases"].as_array().expect("cases").iter().filter_map(|case| {
        let name = case["calendar"].as_str().expect("a calendar's name");
        let mut keys: Map<String, Value> = file["calendars"][name].as_object().expect("a known calendar").clone();
        let other = case["override"].as_object().into_iter().flatten();
        keys.extend(other.map(|(key, value)| (key.clone(), value.clone())));
        let mut plan = Plan { zone: keys["tz"].as_str().expect("a zone").into(), ..Plan::default() };
        for (index, day) in ["mon", "tue", "wed", "thu", "fri", "sat", "sun"].iter().enumerate() {
            plan.week[index] = keys["hours"].get(*day).map(hours).unwrap_or_default();
        }
        plan.shifts = dated(keys.get("shifts"));
        plan.breaks = dated(keys.get("breaks"));
        plan.holidays = list(keys.get("holidays")).map(|date| date.as_str().unwrap().parse().unwrap()).collect();
        let pauses = list(keys.get("pauses")).map(|p| Span { start: instant(&p[0]), end: instant(&p[1]) }).collect();
        let start = instant(&case["start"]);
        let seconds = || case["seconds"].as_i64().expect("seconds");
        let work = match case["op"].as_str()? {
            "add" => Work::Add(start, seconds()),
            "subtract" => Work::Subtract(start, seconds()),
            "elapsed" => Work::Elapsed(start, instant(&case["end"])),
            _ => return None,
        };
        Some((Arc::new(Calendar::new(plan).ok()?), pauses, work))
    });
    Some(cases.collect())
}

fn list(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

fn hours(value: &Value) -> Vec<Hours> {
    let text = |v: &Value| v.as_str().expect("a time").to_owned();
    list(Some(value)).map(|pair| Hours::parse(&text(&pair[0]), &text(&pair[1])).expect("hours")).collect()
}

fn dated(value: Option<&Value>) -> BTreeMap<Date, Vec<Hours>> {
    let entries = value.and_then(Value::as_object).into_iter().flatten();
    entries.map(|(date, pairs)| (date.parse().expect("a date"), hours(pairs))).collect()
}

fn instant(value: &Value) -> i64 {
    value.as_str().expect("an instant").parse::<Timestamp>().expect("RFC 3339").as_second()
}
