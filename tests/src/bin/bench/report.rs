//! A year of 10 million messages, read as reports through the gateway: 20 sellers, whose sums are those that
//! 3.3 million tickets leave behind. The tickets themselves are not there; what they would cost is shown by
//! aggregating a part of such rows on the same server. Beside it pgbench reads the very sums.

use std::collections::BTreeMap;
use std::time::Instant;

use proto::tickets::v1 as pb;
use proto::tickets::v1::reports_service_client::ReportsServiceClient;
use sqlx::{Connection, PgConnection, QueryBuilder};
use tickets::domain::report::tally::{
    COLUMN_NAMES, Count, Key, Share, Sort, Stand, Sums, Tally, day_of, write_figures,
};
use tickets::domain::sla::policy::{Family, Metric};
use uuid::Uuid;

use crate::create_ticket::Target;
use crate::peer;
use crate::world::World;

const SELLERS: usize = 20;
const DAYS: i32 = 365;
const TICKETS: u64 = 3_333_333;
const MESSAGES_OF_TICKET: i64 = 3;
/// Rows of the part that is aggregated raw.
const RAW: u64 = 400_000;
const ROUNDS: usize = 9;

/// Numbers that look random and are the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    /// Small numbers often, large ones seldom.
    fn skewed(&mut self, end: u64) -> u64 {
        let (a, b) = (self.below(end), self.below(end));
        a * b / end
    }
}

pub async fn run() {
    let world = World::start().await;
    let mut session = world.admin("bench").await;
    let mut sellers = Vec::new();
    for n in 0..SELLERS {
        sellers.push(Target::make(&mut session, &format!("bench-{n}")).await);
    }
    let mut conn = PgConnection::connect(&world.database()).await.expect("the database answers");
    let begun = Instant::now();
    let mut chance = Chance(88_172_645_463_325_252);
    let mut rows = 0;
    for seller in &sellers {
        let sums = year(&mut chance, TICKETS / SELLERS as u64);
        rows += sums.len();
        write(&mut conn, seller, sums).await;
    }
    sqlx::raw_sql("vacuum analyze tickets.report_sum").execute(&mut conn).await.expect("analyzed");
    println!(
        "report: {TICKETS} tickets with {} messages of {SELLERS} sellers in {DAYS} days are {rows} sums, made in {:.0} s",
        TICKETS as i64 * MESSAGES_OF_TICKET,
        begun.elapsed().as_secs_f64()
    );
    let script = format!(
        "begin;\nset local app.provider_id = '{}';\nset local app.seller_ids = '{{{1}}}';\nset local app.writable = '{{}}';\nselect seller_id, grain, day, weekday, hour, channel, country, marketplace, language, {2}, figures from tickets.report_sum where provider_id = '{0}' and seller_id = any ('{{{1}}}') and grain = 'month' and day >= {3} and day < {4};\ncommit;\n",
        sellers[0].provider,
        sellers.iter().map(|seller| seller.seller().to_string()).collect::<Vec<_>>().join(","),
        COLUMN_NAMES.join(", "),
        first_day(),
        first_day() + DAYS,
    );
    let base = 1_000.0 / peer::pgbench(&world, &script, 1, 4).per_second;
    let mut reports = ReportsServiceClient::new(session.transport().await.expect("a token"));
    use pb::ReportDimension as By;
    for (name, group_by) in [
        ("by month and channel", &[By::Month, By::Channel][..]),
        ("by country and language", &[By::Country, By::Language]),
        ("by seller", &[By::Seller]),
        ("by weekday and hour", &[By::Weekday, By::Hour]),
        ("by day", &[By::Day]),
    ] {
        let request = pb::GetReportRequest {
            seller_id: String::new(),
            query: Some(pb::ReportQuery {
                first_date: "2025-01-01".into(),
                last_date: "2025-12-31".into(),
                group_by: group_by.iter().map(|by| i32::from(*by)).collect(),
                ..Default::default()
            }),
            page_size: 200,
            page_token: String::new(),
        };
        let mut took = Vec::new();
        for _ in 0..ROUNDS {
            let begun = Instant::now();
            let report = reports.get_report(request.clone()).await.expect("a report").into_inner();
            took.push(begun.elapsed().as_secs_f64() * 1e3);
            let total = report.total.and_then(|total| total.figures).expect("a total");
            let expected = (TICKETS / SELLERS as u64) as i64 * SELLERS as i64;
            assert_eq!(
                (total.opened, total.messages_in + total.messages_out),
                (expected, expected * MESSAGES_OF_TICKET)
            );
        }
        took.sort_by(f64::total_cmp);
        println!(
            "report: the year {name} in {:.0} ms (slowest of {ROUNDS}: {:.0} ms)",
            took[ROUNDS / 2],
            took[ROUNDS - 1]
        );
    }
    let raw = raw(&mut conn).await * 1e3;
    println!(
        "report: pgbench reads the sums of the year's months in {base:.0} ms; one aggregation of {RAW} raw rows by channel takes {raw:.0} ms, of the year's {TICKETS} about {:.0} ms",
        raw * TICKETS as f64 / RAW as f64
    );
    world.stop();
}

fn first_day() -> i32 {
    day_of(jiff::civil::date(2025, 1, 1))
}

/// What a year of one seller's tickets adds up to.
fn year(chance: &mut Chance, tickets: u64) -> Sums {
    let sorts: Vec<Sort> = (0..16)
        .map(|n| {
            let of = |list: &[&str], n: usize| list[n % list.len()].to_owned();
            Sort {
                channel: of(&["email", "marketplace", "marketplace", "chat"], n),
                country: of(&["IT", "DE", "FR", "ES", "GB"], n / 2),
                marketplace: if n % 4 == 1 || n % 4 == 2 { of(&["amazon", "ebay"], n) } else { String::new() },
                language: of(&["it", "de", "fr", "es", "en"], n / 2),
            }
        })
        .collect();
    // First by what they are, so that a ticket costs one addition and not four.
    let mut shares: BTreeMap<Sort, Share> = BTreeMap::new();
    for _ in 0..tickets {
        let sort = &sorts[chance.skewed(sorts.len() as u64) as usize];
        let day = first_day() + chance.below(DAYS as u64) as i32;
        let hour = 6 + (chance.below(9) + chance.below(9)) as u8;
        let share = shares.entry(sort.clone()).or_insert_with(|| Share { sort: sort.clone(), ..Share::default() });
        ticket(share.cell(day, Some(hour)), chance);
        // Nine of ten are solved within the week.
        *share.cell(day, None).age(0) += 1;
        *share.cell(day + 1, None).age(0) -= 1;
        if chance.below(3) == 0 {
            *share.cell(day + 1, None).age(1) += 1;
            *share.cell(day + 3, None).age(1) -= 1;
        }
    }
    let mut sums = Sums::new();
    shares.values().for_each(|share| share.add_to(&mut sums, 1));
    sums
}

fn ticket(tally: &mut Tally, chance: &mut Chance) {
    let counts = [
        Count::Opened,
        Count::Received,
        Count::Handled,
        Count::Solved,
        Count::MessagesIn,
        Count::MessagesIn,
        Count::MessagesOut,
    ];
    counts.into_iter().for_each(|count| tally.add(count));
    for (metric, longest) in
        [(Metric::FirstResponse, 90_000), (Metric::NextResponse, 120_000), (Metric::Resolution, 900_000)]
    {
        let seconds = 60 + chance.skewed(longest) as i64;
        for business in [false, true] {
            tally.figures.waits.entry((metric, business)).or_default().add(seconds, 1);
        }
        let stand = tally.figures.promises.entry((Family::Contract, metric)).or_default();
        *stand = if seconds < longest as i64 / 2 {
            Stand { kept: stand.kept + 1, ..*stand }
        } else {
            Stand { missed: stand.missed + 1, ..*stand }
        };
    }
}

async fn write(conn: &mut PgConnection, seller: &Target, sums: Sums) {
    let (provider, seller): (Uuid, Uuid) = (seller.provider, seller.seller());
    let sums: Vec<(Key, Tally)> = sums.into_iter().collect();
    for part in sums.chunks(2_000) {
        let mut insert = QueryBuilder::new(format!(
            "insert into tickets.report_sum (provider_id, seller_id, grain, day, weekday, hour, channel, country, marketplace, language, {}, figures) ",
            COLUMN_NAMES.join(", ")
        ));
        insert.push_values(part, |mut row, (key, tally)| {
            row.push_bind(provider).push_bind(seller).push_bind(key.grain.name()).push_bind(key.day);
            row.push_bind(key.weekday).push_bind(key.hour).push_bind(&key.sort.channel).push_bind(&key.sort.country);
            row.push_bind(&key.sort.marketplace).push_bind(&key.sort.language);
            tally.columns.iter().for_each(|figure| {
                row.push_bind(*figure);
            });
            row.push_bind(write_figures(&tally.figures).expect("figures"));
        });
        insert.build().execute(&mut *conn).await.expect("the sums");
    }
}

/// Seconds that one aggregation of raw rows takes, as a report without sums would do it.
async fn raw(conn: &mut PgConnection) -> f64 {
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
        "create temporary table raw as
            select (array['email', 'marketplace', 'chat'])[1 + n % 3] as channel,
                   timestamptz '2025-01-01' + n * interval '78 seconds' as at, (n * 7919) % 90000 as waited
              from generate_series(1, {RAW}) as n;
         analyze raw;"
    )))
    .execute(&mut *conn)
    .await
    .expect("raw rows");
    let begun = Instant::now();
    sqlx::raw_sql(
        "select channel, date_trunc('month', at at time zone 'Europe/Rome'), count(*),
                percentile_disc(array[0.5, 0.75, 0.9, 0.95]) within group (order by waited)
           from raw group by 1, 2",
    )
    .execute(&mut *conn)
    .await
    .expect("an aggregation");
    begun.elapsed().as_secs_f64()
}
