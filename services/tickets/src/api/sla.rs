//! What people are warned of, and how sellers stand at the marketplaces.

use std::sync::Arc;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use kit::wire::timestamp;
use kit::{Caller, Checks, Fault};
use proto::tickets::v1 as pb;
use proto::tickets::v1::sla_service_server::SlaService;
use tenantdb::{Failure, TenantTx};
use tonic::{Request, Response, Status};

use super::reads::{Key, place};
use super::{fields, sees_all, wire};
use crate::domain::ids::{AlertId, SellerId};
use crate::domain::notice::About;
use crate::domain::sla::marketplace::{Counted, RULES, Rule};
use crate::domain::sla::policy::Family;
use crate::store;
use crate::store::alerts::Stored;
use crate::store::notices::{self, Notices};
use crate::store::rows::OfSeller;
use crate::work::Desk;

/// The span of a standing where none is asked for.
const USUAL_SPAN: SignedDuration = SignedDuration::from_hours(30 * 24);
const LONGEST_SPAN: SignedDuration = SignedDuration::from_hours(400 * 24);

/// The calls of this service.
pub struct Sla {
    desk: Arc<Desk>,
}

impl Sla {
    pub fn new(desk: Arc<Desk>) -> Sla {
        Sla { desk }
    }

    async fn list_alerts(
        &self,
        caller: &Caller,
        request: pb::ListSlaAlertsRequest,
    ) -> Result<pb::ListSlaAlertsResponse, Fault> {
        let shape = (&request.seller_id, request.open_only);
        let pager = &self.desk.deps.pager;
        let page = pager.read::<Key>(caller, "ListSlaAlerts", &shape, request.page_size, &request.page_token)?;
        let after = page.after.map(place).transpose()?;
        let now = self.desk.deps.clock.now();
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let mut found = store::alerts::list(&mut tx, request.open_only, now, after, page.size + 1).await?;
        let next_page_token =
            pager.cut(&page, &mut found, |of| -> Key { (of.value.notice_at.as_microsecond(), of.value.id.0) })?;
        let notices = noticed(&mut tx, &found).await?;
        let alerts = found.iter().map(|of| alert(of, sees_all(caller), &notices)).collect();
        Ok(pb::ListSlaAlertsResponse { alerts, next_page_token })
    }

    async fn acknowledge(
        &self,
        caller: &Caller,
        request: pb::AcknowledgeSlaAlertRequest,
    ) -> Result<pb::AcknowledgeSlaAlertResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        let id: AlertId = checks.id("alert_id", &request.alert_id);
        checks.finish()?;
        let by = caller.user().ok_or_else(|| Fault::internal("the call is for people"))?;
        let mut tx = self.desk.deps.db.begin(&caller.act_for(&request.seller_id)?).await?;
        let now = tx.now();
        let found = store::alerts::acknowledge(&mut tx, id, by, now).await?.ok_or(Fault::NotFound("alert"))?;
        let notices = noticed(&mut tx, std::slice::from_ref(&found)).await?;
        tx.commit().await?;
        Ok(pb::AcknowledgeSlaAlertResponse { alert: Some(alert(&found, true, &notices)) })
    }

    async fn standing(
        &self,
        caller: &Caller,
        request: pb::GetMarketplaceStandingRequest,
    ) -> Result<pb::GetMarketplaceStandingResponse, Fault> {
        let now = self.desk.deps.clock.now();
        let mut checks = Checks::new();
        let mut bound =
            |field: &str, value: Option<&prost_types::Timestamp>| value.map(|value| checks.instant(field, Some(value)));
        let before = bound("before", request.before.as_ref()).unwrap_or(now);
        let from = bound("from", request.from.as_ref())
            .unwrap_or_else(|| before.checked_sub(USUAL_SPAN).unwrap_or(Timestamp::MIN));
        let span = before.duration_since(from);
        checks.require(span.is_positive() && span <= LONGEST_SPAN, "from", "must lie at most 400 days before `before`");
        checks.finish()?;
        let on = jiff::tz::TimeZone::UTC.to_datetime(now).date();
        let averaged: Vec<String> = RULES
            .all()
            .filter(|rule| rule.counted == Counted::Average && rule.holds(on))
            .map(|rule| rule.marketplace.clone())
            .collect();
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let counts = store::standing::counts(&mut tx, from, before, now).await?;
        let waits = store::standing::waits(&mut tx, &averaged, from, before).await?;
        tx.commit().await?;
        let shares = counts.into_iter().filter_map(|counts| share(counts, on));
        let averages = waits.into_iter().filter_map(|waits| average(waits, on));
        let mut standings: Vec<pb::MarketplaceStanding> = shares.chain(averages).collect();
        standings.sort_by(|a, b| {
            (&a.seller_id, &a.marketplace, &a.country).cmp(&(&b.seller_id, &b.marketplace, &b.country))
        });
        Ok(pb::GetMarketplaceStandingResponse { standings, as_of: Some(timestamp(now)) })
    }

    fn rules(request: &pb::ListMarketplaceRulesRequest) -> pb::ListMarketplaceRulesResponse {
        let wanted = |found: &&Rule| request.marketplace.is_empty() || found.marketplace == request.marketplace;
        pb::ListMarketplaceRulesResponse {
            rules: RULES.all().filter(wanted).map(rule).collect(),
            version: RULES.version,
        }
    }
}

fn rule_of(marketplace: &str, on: Date, average: bool) -> Option<&'static Rule> {
    let counted = |rule: &&Rule| rule.runs_a_clock() != average && rule.is_believed();
    RULES.of(marketplace, on).find(counted)
}

/// Two decimals, cut: 89.999 % is not 90 %.
pub fn percent(part: i64, whole: i64) -> Option<f64> {
    (0 < whole).then(|| (i128::from(part) * 10_000 / i128::from(whole)) as f64 / 100.0)
}

fn share(counts: store::standing::Counts, on: Date) -> Option<pb::MarketplaceStanding> {
    let rule = rule_of(&counts.marketplace, on, false)?;
    let judged = counts.in_time + counts.late;
    let enough = |required: u8| i64::from(required) * judged <= counts.in_time * 100;
    Some(pb::MarketplaceStanding {
        seller_id: counts.seller.to_string(),
        marketplace: counts.marketplace,
        country: counts.country,
        rule: Some(self::rule(rule)),
        in_time: counts.in_time,
        late: counts.late,
        waiting: counts.waiting,
        in_time_percent: percent(counts.in_time, judged),
        average_seconds: None,
        meets: rule.required_percent.filter(|_| 0 < judged).map(enough),
    })
}

fn average(waits: store::standing::Waits, on: Date) -> Option<pb::MarketplaceStanding> {
    let rule = rule_of(&waits.marketplace, on, true)?;
    Some(pb::MarketplaceStanding {
        seller_id: waits.seller.to_string(),
        marketplace: waits.marketplace,
        country: waits.country,
        rule: Some(self::rule(rule)),
        in_time: 0,
        late: 0,
        waiting: waits.waiting,
        in_time_percent: None,
        average_seconds: waits.average,
        meets: waits.average.map(|average| average < rule.target_hours * 3_600),
    })
}

fn rule(rule: &Rule) -> pb::MarketplaceRule {
    let date = |date: Option<Date>| date.map(|date| date.to_string()).unwrap_or_default();
    pb::MarketplaceRule {
        name: rule.name.clone(),
        marketplace: rule.marketplace.clone(),
        calendar: rule.calendar.name().into(),
        counted: rule.counted.name().into(),
        target_hours: rule.target_hours,
        required_percent: rule.required_percent.map_or(0, i32::from),
        valid_from_date: date(rule.valid_from),
        valid_until_date: date(rule.valid_until),
        source: rule.source.clone(),
        confidence: rule.confidence.name().into(),
    }
}

/// An alert as its notices know it.
fn told(of: &OfSeller<Stored>) -> (SellerId, notices::Alert) {
    let stored = &of.value;
    let about = match stored.family {
        Family::Contract => About::Contract(stored.metric),
        Family::Marketplace => About::Marketplace(stored.metric),
    };
    (of.seller, notices::Alert { of: stored.ticket.0, about, cycle: stored.cycle, percent: stored.percent })
}

/// The notices of those alerts of which somebody is told.
async fn noticed(tx: &mut TenantTx, found: &[OfSeller<Stored>]) -> Result<Notices, Failure> {
    let asked: Vec<_> = found.iter().filter(|of| 0 < of.value.notice_level).map(told).collect();
    if asked.is_empty() { Ok(Notices::new()) } else { notices::of(tx, &asked).await }
}

fn alert(of: &OfSeller<Stored>, people: bool, notices: &Notices) -> pb::SlaAlert {
    let stored = &of.value;
    let (acknowledged_at, by) = stored.acknowledged.unzip();
    pb::SlaAlert {
        alert_id: stored.id.to_string(),
        seller_id: of.seller.to_string(),
        ticket_id: stored.ticket.to_string(),
        ticket_number: stored.number.clone(),
        family: wire::family(stored.family).into(),
        metric: wire::metric(stored.metric).into(),
        cycle: stored.cycle,
        percent: stored.percent,
        reach_time: Some(timestamp(stored.reached_at)),
        due_time: stored.due_at.map(timestamp),
        notice_level: stored.notice_level,
        notice_time: Some(timestamp(stored.notice_at)),
        acknowledge_time: acknowledged_at.map(timestamp),
        acknowledged_by: by.filter(|_| people).map(|by| by.to_string()).unwrap_or_default(),
        notices: wire::notices(notices.get(&told(of))),
    }
}

#[tonic::async_trait]
impl SlaService for Sla {
    async fn list_sla_alerts(
        &self,
        request: Request<pb::ListSlaAlertsRequest>,
    ) -> Result<Response<pb::ListSlaAlertsResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.list_alerts(&caller, request).await?))
    }

    async fn acknowledge_sla_alert(
        &self,
        request: Request<pb::AcknowledgeSlaAlertRequest>,
    ) -> Result<Response<pb::AcknowledgeSlaAlertResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.acknowledge(&caller, request).await?))
    }

    async fn get_marketplace_standing(
        &self,
        request: Request<pb::GetMarketplaceStandingRequest>,
    ) -> Result<Response<pb::GetMarketplaceStandingResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.standing(&caller, request).await?))
    }

    async fn list_marketplace_rules(
        &self,
        request: Request<pb::ListMarketplaceRulesRequest>,
    ) -> Result<Response<pb::ListMarketplaceRulesResponse>, Status> {
        let (_, request) = kit::admitted(request)?;
        Ok(Response::new(Sla::rules(&request)))
    }
}
