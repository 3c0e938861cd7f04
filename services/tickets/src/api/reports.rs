//! Reports, read from sums.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream, poll_fn};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use kit::wire::timestamp;
use kit::{Caller, Checks, Fault, SellerId};
use proto::tickets::v1 as pb;
use proto::tickets::v1::reports_service_server::ReportsService;
use tenantdb::TenantTx;
use tenantdb::export::{LONGEST_PART, in_time};
use tokio::sync::mpsc;
use tonic::{Request, Response, Status};

use super::{report_csv, wire};
use crate::domain::ids::Uuid;
use crate::domain::report::ask::{About, Ask, Dimension, Filter, Line, Piece};
use crate::domain::report::count::count;
use crate::domain::report::tally::{Count, Day, Grain, Key, Sums, Tally, date_of, day_of, first_of_month, next_month};
use crate::domain::sla::policy::{Family, Metric};
use crate::store;
use crate::store::sums::Seller;
use crate::work::Desk;

/// The longest span of a report, in days.
const LONGEST: Day = 731;
/// Values of a filter.
const VALUES_LIMIT: usize = 50;
/// Tickets read at once by a check.
const PAGE: i64 = 500;
/// Differences told by a check.
const DIFFERENCES: usize = 100;
/// Messages of a check that wait for the reader.
const AHEAD: usize = 4;
/// A reader that takes nothing for so long ends a check.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);
/// The zone that is furthest ahead.
const FURTHEST: SignedDuration = SignedDuration::from_hours(14);

type Check = BoxStream<'static, Result<pb::CheckReportResponse, Status>>;

/// The calls of this service.
pub struct Reports {
    desk: Arc<Desk>,
}

/// A report as read.
struct Read {
    sellers: Vec<Seller>,
    lines: Vec<Line>,
    total: Line,
    at: Timestamp,
}

impl Reports {
    pub fn new(desk: Arc<Desk>) -> Reports {
        Reports { desk }
    }

    async fn read(&self, caller: &Caller, seller: &str, query: Option<&pb::ReportQuery>) -> Result<(Ask, Read), Fault> {
        let ask = ask_of(query)?;
        let mut tx = self.desk.deps.db.begin(&caller.view(seller)?).await?;
        let at = tx.now();
        let sellers = store::sums::counted(&mut tx).await?;
        let ask = Ask { end: ask.end.min(today(&sellers, at) + 1).max(ask.first), ..ask };
        let too_long = |bad| Fault::invalid("query.group_by", format!("{bad}: ask for fewer or for a shorter time"));
        let (sums, open) = if ask.first < ask.end {
            let sums = store::sums::answer(&mut tx, &ask).await?.map_err(too_long)?;
            let open = if ask.has_backlog() { store::sums::open_before(&mut tx, &ask).await? } else { BTreeMap::new() };
            (sums, open)
        } else {
            Default::default()
        };
        tx.commit().await?;
        let lines = ask.lines(sums, open).map_err(too_long)?;
        let total = ask.total(&lines);
        Ok((ask, Read { sellers, lines, total, at }))
    }

    async fn get(&self, caller: &Caller, request: pb::GetReportRequest) -> Result<pb::GetReportResponse, Fault> {
        let pager = &self.desk.deps.pager;
        let asked = request.query.clone().unwrap_or_default();
        let shape = (
            &request.seller_id,
            (&asked.first_date, &asked.last_date, &asked.group_by),
            (&asked.channels, &asked.countries, &asked.marketplaces, &asked.languages),
        );
        let page = pager.read::<Place>(caller, "GetReport", &shape, request.page_size, &request.page_token)?;
        let (_, read) = self.read(caller, &request.seller_id, request.query.as_ref()).await?;
        let after = page.after.as_ref();
        let rest = read.lines.iter().filter(|line| after.is_none_or(|after| *after < place(&line.about)));
        let mut lines: Vec<&Line> = rest.take(usize::try_from(page.size).unwrap_or(0) + 1).collect();
        let next_page_token = pager.cut(&page, &mut lines, |line| place(&line.about))?;
        Ok(pb::GetReportResponse {
            lines: lines.into_iter().map(shown).collect(),
            next_page_token,
            total: Some(shown(&read.total)),
            as_of: Some(timestamp(read.at)),
            is_complete: !read.sellers.iter().any(|seller| seller.waits),
        })
    }

    async fn export(
        &self,
        caller: &Caller,
        request: pb::ExportReportRequest,
    ) -> Result<BoxStream<'static, Result<pb::ExportReportResponse, Status>>, Fault> {
        let (ask, read) = self.read(caller, &request.seller_id, request.query.as_ref()).await?;
        let names: HashMap<Uuid, (String, String)> =
            read.sellers.into_iter().map(|seller| (seller.id.0, (seller.handle, seller.name))).collect();
        let file = report_csv::File::new(ask, names, read.lines, request.byte_order_mark);
        let pieces = file.map(|piece| Ok(pb::ExportReportResponse { content: piece?.into() }));
        Ok(stream::iter(pieces).boxed())
    }

    async fn check(&self, caller: &Caller, request: pb::CheckReportRequest) -> Result<Check, Fault> {
        let mut checks = Checks::new();
        checks.require(!request.seller_id.is_empty(), "seller_id", "must name the seller");
        let (first, end) = span(&mut checks, "", &request.first_date, &request.last_date);
        checks.finish()?;
        let scope = caller.view(&request.seller_id)?;
        let turn = self.desk.deps.db.turn_to_export_part_of(scope.provider_id()).await?;
        let mut tx = self.desk.deps.db.begin(&scope).await?;
        // Everything is read as it stands at one moment.
        store::privacy::stand_still(&mut tx).await?;
        let sellers = store::sums::counted(&mut tx).await?;
        let seller = sellers.into_iter().next().ok_or(Fault::NotFound("seller"))?;
        let (told, mut taken) = mpsc::channel(AHEAD);
        tokio::spawn(async move {
            let checked = tokio::select! {
                // Who goes away ends the work.
                () = told.closed() => return,
                checked = in_time(LONGEST_PART, check_all(tx, seller.id, first, end, &told)) => checked,
            };
            drop(turn);
            if let Err(fault) = checked {
                let _ = told.send_timeout(Err(fault.into()), PATIENCE).await;
            }
        });
        Ok(poll_fn(move |cx| taken.poll_recv(cx)).boxed())
    }
}

/// Where a line stands among the others, as a page token says it.
type Place = (Option<Uuid>, Option<Day>, Option<i16>, Option<i16>, [String; 4]);

fn place(about: &About) -> Place {
    let sort = about.sort.clone();
    let sort = [sort.channel, sort.country, sort.marketplace, sort.language];
    (about.seller, about.day, about.weekday, about.hour, sort)
}

/// The newest local day of some sellers.
fn today(sellers: &[Seller], now: Timestamp) -> Day {
    let of = |seller: &Seller| TimeZone::get(&seller.zone).ok().map(|zone| day_of(zone.to_datetime(now).date()));
    let furthest = now.checked_add(FURTHEST).unwrap_or(now);
    sellers.iter().filter_map(of).max().unwrap_or_else(|| day_of(TimeZone::UTC.to_datetime(furthest).date()))
}

/// The first day of a span and the day after its last.
fn span(checks: &mut Checks, of: &str, first: &str, last: &str) -> (Day, Day) {
    let first = day_of(checks.date(format!("{of}first_date"), first));
    let end = day_of(checks.date(format!("{of}last_date"), last)) + 1;
    checks.require(first < end, format!("{of}last_date"), "must not lie before first_date");
    checks.require(end - first <= LONGEST, format!("{of}last_date"), "must lie at most 730 days after first_date");
    (first, end)
}

fn dimension(wire: i32) -> Option<Dimension> {
    Some(match pb::ReportDimension::try_from(wire).ok()? {
        pb::ReportDimension::Unspecified => return None,
        pb::ReportDimension::Seller => Dimension::Seller,
        pb::ReportDimension::Day => Dimension::Day,
        pb::ReportDimension::Week => Dimension::Week,
        pb::ReportDimension::Month => Dimension::Month,
        pb::ReportDimension::Weekday => Dimension::Weekday,
        pb::ReportDimension::Hour => Dimension::Hour,
        pb::ReportDimension::Channel => Dimension::Channel,
        pb::ReportDimension::Country => Dimension::Country,
        pb::ReportDimension::Marketplace => Dimension::Marketplace,
        pb::ReportDimension::Language => Dimension::Language,
    })
}

fn ask_of(query: Option<&pb::ReportQuery>) -> Result<Ask, Fault> {
    let query = query.ok_or_else(|| Fault::invalid("query", "must be given"))?;
    let mut checks = Checks::new();
    let (first, end) = span(&mut checks, "query.", &query.first_date, &query.last_date);
    let mut by = BTreeSet::new();
    for (place, wire) in query.group_by.iter().enumerate().take(16) {
        match dimension(*wire) {
            Some(known) => checks.require(by.insert(known), format!("query.group_by[{place}]"), "must be named once"),
            None => checks.refuse(format!("query.group_by[{place}]"), "must be one of the dimensions"),
        }
    }
    checks.count("query.group_by", query.group_by.len(), 0..=10);
    let mut list = |field: &str, values: &[String]| {
        checks.count(format!("query.{field}"), values.len(), 0..=VALUES_LIMIT);
        let known = values.iter().take(VALUES_LIMIT).enumerate();
        known.map(|(at, value)| checks.line(format!("query.{field}[{at}]"), value, 0..=64)).collect::<Vec<_>>()
    };
    let filter = Filter {
        channels: list("channels", &query.channels),
        countries: list("countries", &query.countries),
        marketplaces: list("marketplaces", &query.marketplaces),
        languages: list("languages", &query.languages),
    };
    let ask = Ask { first, end, by, filter };
    if let Err(bad) = ask.check() {
        checks.refuse("query.group_by", bad.to_string());
    }
    checks.finish()?;
    Ok(ask)
}

fn shown(line: &Line) -> pb::ReportLine {
    let about = &line.about;
    pb::ReportLine {
        seller_id: about.seller.map(|seller| SellerId(seller).to_string()).unwrap_or_default(),
        date: about.day.map(|day| date_of(day).to_string()).unwrap_or_default(),
        weekday: about.weekday.map_or(0, i32::from),
        hour: about.hour.map(i32::from),
        channel: about.sort.channel.clone(),
        country: about.sort.country.clone(),
        marketplace: about.sort.marketplace.clone(),
        language: about.sort.language.clone(),
        figures: Some(figures(&line.tally, line.open)),
    }
}

fn figures(tally: &Tally, open: Option<[i64; 5]>) -> pb::ReportFigures {
    let waits = tally.figures.waits.iter().map(|((metric, business), sketch)| {
        let percentile = |percent| sketch.percentile(percent).unwrap_or(0);
        pb::ReportWaits {
            metric: wire::metric(*metric).into(),
            business_time: *business,
            count: sketch.count(),
            p50_seconds: percentile(50),
            p75_seconds: percentile(75),
            p90_seconds: percentile(90),
            p95_seconds: percentile(95),
        }
    });
    let promises = tally.figures.promises.iter().map(|((family, metric), stand)| pb::ReportPromises {
        family: wire::family(*family).into(),
        metric: wire::metric(*metric).into(),
        kept: stand.kept,
        missed: stand.missed,
        running: stand.running,
        overdue: stand.overdue,
        kept_percent: super::sla::percent(stand.kept, stand.kept + stand.missed + stand.overdue),
    });
    pb::ReportFigures {
        opened: tally.count(Count::Opened),
        received: tally.count(Count::Received),
        handled: tally.count(Count::Handled),
        solved: tally.count(Count::Solved),
        reopened: tally.count(Count::Reopened),
        merged: tally.count(Count::Merged),
        messages_in: tally.count(Count::MessagesIn),
        messages_out: tally.count(Count::MessagesOut),
        backlog: open.map(|open| pb::ReportBacklog {
            open: open.iter().sum(),
            today: open[0],
            days_1_to_2: open[1],
            days_3_to_6: open[2],
            days_7_to_29: open[3],
            days_30_and_more: open[4],
        }),
        waits: waits.collect(),
        promises: promises.collect(),
    }
}

/// Counts every ticket of a seller again and compares. Months are compared where they lie in the span whole.
async fn check_all(
    mut tx: TenantTx,
    seller: SellerId,
    first: Day,
    end: Day,
    told: &mpsc::Sender<Result<pb::CheckReportResponse, Status>>,
) -> Result<(), Fault> {
    let Some(mark) = store::sums::mark(&mut tx, seller).await? else { return Err(Fault::NotFound("seller")) };
    let zone = TimeZone::get(&mark.zone).unwrap_or(TimeZone::UTC);
    let from = if first_of_month(first) == first { first } else { next_month(first) };
    let until = first_of_month(end);
    let pieces = [(Grain::Day, first, end), (Grain::DayHour, first, end)];
    let pieces = pieces.into_iter().chain([(Grain::Month, from, until), (Grain::MonthHour, from, until)]);
    let pieces: Vec<Piece> = pieces.map(|(grain, from, end)| Piece { grain, from, end }).collect();
    let compared =
        |key: &Key| pieces.iter().any(|piece| piece.grain == key.grain && (piece.from..piece.end).contains(&key.day));
    let (mut sums, mut after) = (Sums::new(), Uuid::nil());
    let mut so_far = pb::CheckReportResponse::default();
    loop {
        let tickets = store::sums::page(&mut tx, seller, after, PAGE).await?;
        let Some(last) = tickets.last() else { break };
        after = last.id.0;
        let ids: Vec<Uuid> = tickets.iter().map(|ticket| ticket.id.0).collect();
        let mut shares = store::sums::shares(&mut tx, seller, &ids).await?;
        for ticket in tickets {
            so_far.tickets += 1;
            let share = if (ticket.changed_in, ticket.id.0) <= mark.after {
                count(ticket.sort, &ticket.facts, &ticket.clocks, &zone)
            } else {
                so_far.not_counted_yet += 1;
                shares.remove(&ticket.id.0).unwrap_or_default()
            };
            let mut added = Sums::new();
            share.add_to(&mut added, 1);
            for (key, tally) in added.into_iter().filter(|(key, _)| compared(key)) {
                sums.entry(key).or_default().merge(&tally, 1);
            }
        }
        told.send_timeout(Ok(so_far.clone()), PATIENCE)
            .await
            .map_err(|_| Fault::Unavailable("the reader takes nothing".into()))?;
    }
    for piece in pieces {
        for (key, tally) in store::sums::of_piece(&mut tx, seller, piece).await? {
            sums.entry(key.clone()).or_default().merge(&tally, -1);
            so_far.compared += 1;
        }
    }
    tx.commit().await?;
    so_far.done = true;
    so_far.differences = sums
        .iter()
        .filter(|(_, tally)| !tally.is_empty())
        .take(DIFFERENCES)
        .map(|(key, tally)| differs(key, tally))
        .collect();
    let _ = told.send_timeout(Ok(so_far), PATIENCE).await;
    Ok(())
}

fn differs(key: &Key, tally: &Tally) -> pb::ReportDifference {
    use crate::domain::report::tally::COLUMN_NAMES;
    let columns = tally.columns.iter().zip(COLUMN_NAMES).filter(|(figure, _)| **figure != 0);
    let mut figures: Vec<String> = columns.map(|(_, name)| name.to_owned()).collect();
    let name = |family: Family, metric: Metric| format!("{} {}", family.name(), metric.name());
    figures.extend(tally.figures.promises.keys().map(|(family, metric)| name(*family, *metric)));
    figures.extend(tally.figures.waits.keys().map(|(metric, _)| format!("wait {}", metric.name())));
    pb::ReportDifference {
        grain: key.grain.name().into(),
        date: date_of(key.day).to_string(),
        hour: key.hour.into(),
        channel: key.sort.channel.clone(),
        country: key.sort.country.clone(),
        marketplace: key.sort.marketplace.clone(),
        language: key.sort.language.clone(),
        figures,
    }
}

#[tonic::async_trait]
impl ReportsService for Reports {
    type ExportReportStream = BoxStream<'static, Result<pb::ExportReportResponse, Status>>;
    type CheckReportStream = Check;

    async fn get_report(
        &self,
        request: Request<pb::GetReportRequest>,
    ) -> Result<Response<pb::GetReportResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.get(&caller, request).await?))
    }

    async fn export_report(
        &self,
        request: Request<pb::ExportReportRequest>,
    ) -> Result<Response<Self::ExportReportStream>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.export(&caller, request).await?))
    }

    async fn check_report(
        &self,
        request: Request<pb::CheckReportRequest>,
    ) -> Result<Response<Self::CheckReportStream>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.check(&caller, request).await?))
    }
}
