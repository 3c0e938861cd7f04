//! Explains a ticket's promises and reports how the sellers' promises and conversations went.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use kit::{Caller, Checks, Fault, SellerId};
use prost::Message as _;
use proto::events::v1::SellerTerms;
use proto::tickets::v1 as pb;
use tenantdb::TenantTx;

use super::{Api, wire};
use crate::domain::dossier::Dossier;
use crate::domain::ids::TicketId;
use crate::domain::sla::clock::Reading;
use crate::domain::sla::explain;
use crate::domain::sla::policy::{Family, Metric, Policy};
use crate::store;
use crate::work::settings::settings_of;

/// Spans listed of one clock.
const SPANS_LIMIT: usize = 1_000;
/// The longest span of time that a report reads.
const LONGEST_SPAN: SignedDuration = SignedDuration::from_hours(400 * 24);
/// The end of a report that names none lies so far ahead: clocks of machines differ.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);

impl Api {
    pub(super) async fn explain_sla(
        &self,
        caller: &Caller,
        request: pb::ExplainSlaRequest,
    ) -> Result<pb::ExplainSlaResponse, Fault> {
        let mut checks = Checks::new();
        let id: TicketId = checks.id("ticket_id", &request.ticket_id);
        checks.finish()?;
        let scope = caller.view(&request.seller_id)?;
        let mut tx = self.desk.deps.db.begin(&scope).await?;
        let found = store::read::ticket(&mut tx, id).await?.ok_or(Fault::NotFound("ticket"))?;
        let dossiers = store::load::dossiers(&mut tx, vec![found.value]).await?;
        let dossier = dossiers.into_iter().next().ok_or(Fault::NotFound("ticket"))?;
        let earlier = earlier_policies(&mut tx, found.seller, &dossier).await?;
        tx.commit().await?;
        // Terms are of one seller, so the scope is narrowed to the ticket's.
        let narrow = caller.view(&found.seller.to_string())?;
        let settings = self.desk.settings(Some(caller), &narrow).await?;
        let now = self.desk.deps.clock.now();
        let readings = explain::readings(&dossier, &settings, &earlier, now);
        Ok(pb::ExplainSlaResponse { clocks: readings.iter().map(|reading| explained(reading, now)).collect() })
    }

    pub(super) async fn get_sla_report(
        &self,
        caller: &Caller,
        request: pb::GetSlaReportRequest,
    ) -> Result<pb::GetSlaReportResponse, Fault> {
        let mut checks = Checks::new();
        let mut bound =
            |field: &str, value: Option<&prost_types::Timestamp>| value.map(|value| checks.instant(field, Some(value)));
        let from = bound("started_from", request.started_from.as_ref());
        let before = bound("started_before", request.started_before.as_ref());
        let now = self.desk.deps.clock.now();
        let moved = |at: Timestamp, by: SignedDuration| at.checked_add(by).unwrap_or(at);
        let before = before.or_else(|| from.map(|from| moved(from, LONGEST_SPAN).min(moved(now, AHEAD))));
        let before = before.unwrap_or_else(|| moved(now, AHEAD));
        let from = from.unwrap_or_else(|| moved(before, -LONGEST_SPAN));
        let fits = before.duration_since(from) <= LONGEST_SPAN;
        checks.require(fits, "started_before", "must lie at most 400 days after started_from");
        checks.finish()?;
        let as_of = Timestamp::from_second(now.as_second()).unwrap_or(now);
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let rows = store::report::promises(&mut tx, from, before, as_of).await?;
        let rows = rows
            .into_iter()
            .map(|row| pb::SlaReportRow {
                seller_id: row.seller.to_string(),
                family: Family::named(&row.family).map_or(0, |family| wire::family(family).into()),
                metric: Metric::named(&row.metric).map_or(0, |metric| wire::metric(metric).into()),
                kept: row.kept,
                missed: row.missed,
                running: row.running,
                overdue: row.overdue,
                elapsed_median_seconds: row.elapsed_median,
                elapsed_p90_seconds: row.elapsed_p90,
            })
            .collect();
        Ok(pb::GetSlaReportResponse { rows, as_of: Some(kit::wire::timestamp(as_of)) })
    }

    pub(super) async fn get_conversation_report(
        &self,
        caller: &Caller,
        request: pb::GetConversationReportRequest,
    ) -> Result<pb::GetConversationReportResponse, Fault> {
        let mut checks = Checks::new();
        let key = checks.line("import_key", &request.import_key, 0..=128);
        checks.finish()?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let rows = store::report::conversations(&mut tx, Some(key.as_str()).filter(|key| !key.is_empty())).await?;
        let rows = rows
            .into_iter()
            .map(|row| pb::ConversationReportRow {
                seller_id: row.seller.to_string(),
                seller_handle: row.handle,
                seller_name: row.name,
                conversations: row.conversations,
                messages_inbound: row.inbound,
                messages_outbound: row.outbound,
                answered: row.answered,
                first_response_seconds_total: row.first_response_total,
                first_response_seconds_median_low: row.first_response_median_low,
                first_response_within_1h: row.within_1h,
                first_response_within_24h: row.within_24h,
            })
            .collect();
        Ok(pb::GetConversationReportResponse { rows })
    }
}

/// The policies by which the ticket's clocks were judged.
async fn earlier_policies(
    tx: &mut TenantTx,
    seller: SellerId,
    dossier: &Dossier,
) -> Result<BTreeMap<i64, Policy>, Fault> {
    let judged = dossier.clocks.iter().filter(|clock| clock.family == Family::Contract && clock.is_judged());
    let versions: BTreeSet<i64> = judged.map(|clock| clock.version).collect();
    let mut out = BTreeMap::new();
    for version in versions {
        let Some(terms) = store::read::terms(tx, seller, version).await? else { continue };
        let terms = SellerTerms::decode(terms.as_slice()).map_err(|error| Fault::Internal(Box::new(error)))?;
        out.insert(version, settings_of(&terms).policy);
    }
    Ok(out)
}

fn explained(reading: &Reading, now: Timestamp) -> pb::SlaClock {
    let (pieces, spans_truncated) = explain::pieces(reading, now.as_second(), SPANS_LIMIT);
    pb::SlaClock {
        family: wire::family(reading.family).into(),
        metric: wire::metric(reading.metric).into(),
        cycle: reading.cycle,
        state: wire::hand(reading.hand).into(),
        verdict: wire::verdict(reading.verdict).into(),
        target_seconds: reading.target,
        elapsed_seconds: reading.elapsed,
        missed_by_seconds: reading.missed_by(),
        started_at: wire::second(reading.started_at),
        stopped_at: reading.stopped_at.and_then(wire::second),
        due_at: reading.due_at.and_then(wire::second),
        as_of: Some(kit::wire::timestamp(now)),
        calendar: reading.calendar_name.clone(),
        time_zone: reading.calendar.zone().to_owned(),
        policy_version: reading.version,
        source: reading.source.clone(),
        spans: pieces.into_iter().map(wire::span).collect(),
        spans_truncated,
    }
}
