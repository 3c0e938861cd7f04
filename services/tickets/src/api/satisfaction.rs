//! The report on satisfaction.

use kit::fault::Explain;
use kit::{Caller, Checks, Fault};
use proto::tickets::v1 as pb;
use tonic::Code;

use super::Api;
use crate::domain::ids::SellerId;
use crate::domain::satisfaction::{Share, mean, net_promoter};
use crate::store;
use crate::store::outcomes::{Asked, Counts, Key};

/// The longest period, in days.
const PERIOD_LIMIT: i32 = 1_100;
/// Rows of a report.
const ROWS_LIMIT: i64 = 5_000;

/// There would be too many rows.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the report would have more than {ROWS_LIMIT} rows: part it by less, or ask for a shorter period")]
pub struct TooWide;

impl Explain for TooWide {
    fn code(&self) -> Code {
        Code::FailedPrecondition
    }

    fn reason(&self) -> &'static str {
        "REPORT_TOO_WIDE"
    }
}

impl Api {
    pub(super) async fn get_satisfaction_report(
        &self,
        caller: &Caller,
        request: pb::GetSatisfactionReportRequest,
    ) -> Result<pb::GetSatisfactionReportResponse, Fault> {
        use pb::SatisfactionDimension as By;
        let mut checks = Checks::new();
        let from = checks.date("from", &request.from);
        let before = checks.date("before", &request.before);
        let days = from.until(before).map_or(0, |span| span.get_days());
        checks.require((1..=PERIOD_LIMIT).contains(&days), "before", "must lie 1 to 1100 days after from");
        checks.count("group_by", request.group_by.len(), 0..=5);
        for (index, by) in request.group_by.iter().enumerate().take(5) {
            let known = By::try_from(*by).is_ok_and(|by| by != By::Unspecified);
            checks.require(known, format!("group_by[{index}]"), "must be a known dimension");
        }
        let country = checks.line("country", &request.country, 0..=2);
        let marketplace = checks.line("marketplace", &request.marketplace, 0..=40);
        let language = checks.line("language", &request.language, 0..=35);
        let channel = checks.line("channel", &request.channel, 0..=20);
        checks.finish()?;
        let by = |dimension: By| request.group_by.contains(&dimension.into());
        let asked = Asked {
            from,
            before,
            by_month: by(By::Month),
            by_country: by(By::Country),
            by_marketplace: by(By::Marketplace),
            by_language: by(By::Language),
            by_channel: by(By::Channel),
            country: &country,
            marketplace: &marketplace,
            language: &language,
            channel: &channel,
            limit: ROWS_LIMIT,
        };
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let as_of = tx.now();
        let counted = store::outcomes::count(&mut tx, &asked).await?.ok_or(TooWide)?;
        let rows = counted.into_iter().map(|(key, counts)| row(key, &counts)).collect();
        Ok(pb::GetSatisfactionReportResponse { rows, as_of: Some(kit::wire::timestamp(as_of)) })
    }
}

fn row(key: Key, counts: &Counts) -> pb::SatisfactionRow {
    pb::SatisfactionRow {
        seller_id: SellerId(key.seller).to_string(),
        month: key.month.map(|month| month.to_string()).unwrap_or_default(),
        country: key.country,
        marketplace: key.marketplace,
        language: key.language,
        channel: key.channel,
        csat: Some(share(counts.csat_good, counts.csat)),
        csat_average: mean(counts.csat_sum, counts.csat),
        nps_promoters: Some(share(counts.promoters, counts.nps)),
        nps_detractors: Some(share(counts.detractors, counts.nps)),
        nps: net_promoter(counts.promoters, counts.detractors, counts.nps),
        ces_answers: counts.ces,
        ces_average: mean(counts.ces_sum, counts.ces),
        responded: Some(share(counts.responded, counts.sent)),
        first_contact: Some(share(counts.first_contact, counts.solved_by_answer)),
        first_contact_pending: counts.pending,
        reopened: Some(share(counts.reopened, counts.solved)),
        complaints: Some(share(counts.complaints, counts.opened)),
    }
}

fn share(hits: i64, n: i64) -> pb::Share {
    let share = Share::of(hits, n);
    let (low, high) = share.interval().unzip();
    pb::Share { hits, n, share: share.share(), low, high, few: share.is_few() }
}
