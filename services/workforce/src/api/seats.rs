//! Seats at sites.

use kit::wire::{etag, timestamp};
use kit::{Caller, Checks, Fault};
use planner::civil::{self, Window};
use planner::record::KeptSeats;
use proto::workforce::v1 as wire;
use proto::workforce::v1::seats_service_server::SeatsService;
use tonic::{Request, Response, Status};

use super::{Api, unary_service};
use crate::domain::refusal::Refusal;
use crate::store::seats::{self, MOST_SITES};

/// Seats at one site.
const MOST_SEATS: i64 = 100_000;

unary_service! { SeatsService:
    upsert_site_seats => keep_seats, UpsertSiteSeatsRequest, UpsertSiteSeatsResponse;
    list_site_seats => all_seats, ListSiteSeatsRequest, ListSiteSeatsResponse;
    delete_site_seats => forget_seats, DeleteSiteSeatsRequest, DeleteSiteSeatsResponse;
}

impl Api {
    async fn keep_seats(
        &self,
        caller: &Caller,
        request: wire::UpsertSiteSeatsRequest,
    ) -> Result<wire::UpsertSiteSeatsResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        checks.require(request.seats.is_some(), "seats", "must be given");
        let given = request.seats.clone().unwrap_or_default();
        let mut kept = read(&mut checks, &given);
        checks.finish()?;
        let seen = kit::wire::version(&given.etag)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "UpsertSiteSeats", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let known = seats::list(&mut tx).await?;
        let is_new = !known.iter().any(|one| one.site == kept.site);
        if is_new && seen.is_some() {
            return Err(Fault::Stale);
        }
        if is_new && MOST_SITES <= known.len() as i64 {
            return Err(Refusal::Full { what: "sites with seats", most: MOST_SITES }.into());
        }
        kept.updated_at = self.deps.clock.now();
        kept.version = seats::keep(&mut tx, &kept, seen).await?.ok_or(Fault::Stale)?;
        let response = wire::UpsertSiteSeatsResponse { seats: Some(shown(&kept)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn all_seats(
        &self,
        caller: &Caller,
        _request: wire::ListSiteSeatsRequest,
    ) -> Result<wire::ListSiteSeatsResponse, Fault> {
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let sites = seats::list(&mut tx).await?;
        Ok(wire::ListSiteSeatsResponse { sites: sites.iter().map(shown).collect() })
    }

    async fn forget_seats(
        &self,
        caller: &Caller,
        request: wire::DeleteSiteSeatsRequest,
    ) -> Result<wire::DeleteSiteSeatsResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let site = checks.line("site", &request.site, 1..=100);
        checks.finish()?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "DeleteSiteSeats", &request.request_id, &request).await? {
            return Ok(answer);
        }
        seats::delete(&mut tx, &site).await?;
        let response = wire::DeleteSiteSeatsResponse {};
        tx.commit_with(&response).await?;
        Ok(response)
    }
}

fn read(checks: &mut Checks, given: &wire::SiteSeats) -> KeptSeats {
    let number = |value: i32| value.max(0).unsigned_abs();
    checks.range("seats.seats", given.seats.into(), 0..=MOST_SEATS);
    checks.count("seats.windows", given.windows.len(), 0..=50);
    let mut windows = Vec::new();
    for (index, one) in given.windows.iter().take(50).enumerate() {
        checks.range(format!("seats.windows[{index}].seats"), one.seats.into(), 0..=MOST_SEATS);
        let window = one.window.clone().unwrap_or_default();
        match Window::read(window.weekday, &window.start, &window.end, 2_880) {
            Ok(window) => windows.push((window, number(one.seats))),
            Err(wrong) => checks.refuse(format!("seats.windows[{index}].window"), wrong.to_string()),
        }
    }
    KeptSeats {
        site: checks.line("seats.site", &given.site, 1..=100),
        version: 1,
        zone: checks.zone("seats.zone", &given.zone),
        seats: number(given.seats),
        windows,
        updated_at: jiff::Timestamp::UNIX_EPOCH,
    }
}

fn shown(kept: &KeptSeats) -> wire::SiteSeats {
    let number = |seats: u32| i32::try_from(seats).unwrap_or(i32::MAX);
    let windows = kept.windows.iter().map(|(window, seats)| wire::SeatWindow {
        window: Some(wire::AvailabilityWindow {
            weekday: window.weekday.into(),
            start: civil::clock_text(window.start),
            end: window.end_text(),
        }),
        seats: number(*seats),
    });
    wire::SiteSeats {
        site: kept.site.clone(),
        zone: kept.zone.clone(),
        seats: number(kept.seats),
        windows: windows.collect(),
        etag: etag(kept.version),
        update_time: Some(timestamp(kept.updated_at)),
    }
}
