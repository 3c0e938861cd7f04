//! Sites: entered, changed and listed by whoever plans.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use kit::{Caller, Checks, Fault};
use proto::routing::v1 as wire;
use proto::routing::v1::site_service_server::SiteService;
use tenantdb::service::Deps;
use tonic::{Request, Response, Status};

use super::unary;
use crate::desk::Desks;
use crate::domain::site::{CLOSED_DAYS_MAX, DAY_MINUTES, OPENINGS_MAX, Opening, Site};
use crate::store::intake::{self, Note, Told};
use crate::store::sites;

/// The handlers. Any replica answers them: the engine is told by a note.
pub struct Sites {
    deps: Deps,
    desks: Desks,
}

impl Sites {
    pub fn new(deps: Deps, desks: Desks) -> Sites {
        Sites { deps, desks }
    }

    async fn list(&self, caller: &Caller, request: wire::ListSitesRequest) -> Result<wire::ListSitesResponse, Fault> {
        let pager = &self.deps.pager;
        let page = pager.read::<String>(caller, "ListSites", &(), request.page_size, &request.page_token)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let mut found = sites::list(&mut tx, page.after.as_deref(), page.size + 1).await?;
        let next_page_token = pager.cut(&page, &mut found, |site| site.name.clone())?;
        Ok(wire::ListSitesResponse { sites: found.iter().map(answer).collect(), next_page_token })
    }

    async fn save(&self, caller: &Caller, request: wire::SaveSiteRequest) -> Result<wire::SaveSiteResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        checks.require(request.site.is_some(), "site", "must be given");
        let given = request.site.clone().unwrap_or_default();
        let mut site = read(&mut checks, &given);
        checks.finish()?;
        let seen = kit::wire::version(&given.etag)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "SaveSite", &request.request_id, &request).await? {
            return Ok(answer);
        }
        match (seen, sites::lock(&mut tx, &site.name).await?) {
            (None, Some(_)) => return Err(Fault::Exists { kind: "site", reason: "SITE_EXISTS" }),
            (Some(seen), current) if Some(seen) != current => return Err(Fault::Stale),
            _ => {}
        }
        site.version = sites::keep(&mut tx, &site, self.deps.clock.now()).await?;
        // Two who enter the same new name at once: the later one would change what the other has entered.
        if seen.is_none() && site.version != 1 {
            return Err(Fault::Exists { kind: "site", reason: "SITE_EXISTS" });
        }
        intake::leave(&mut tx, &[Note { id: self.deps.clock.new_uuid(), told: Told::Sites }]);
        let response = wire::SaveSiteResponse { site: Some(answer(&site)) };
        tx.commit_with(&response).await?;
        self.desks.wake(caller.provider());
        Ok(response)
    }

    async fn delete(
        &self,
        caller: &Caller,
        request: wire::DeleteSiteRequest,
    ) -> Result<wire::DeleteSiteResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        checks.finish()?;
        let seen = kit::wire::version(&request.etag)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "DeleteSite", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let current = sites::lock(&mut tx, &request.name).await?.ok_or(Fault::NotFound("site"))?;
        if seen.is_some_and(|seen| seen != current) {
            return Err(Fault::Stale);
        }
        sites::delete(&mut tx, &request.name).await?;
        intake::leave(&mut tx, &[Note { id: self.deps.clock.new_uuid(), told: Told::Sites }]);
        let response = wire::DeleteSiteResponse {};
        tx.commit_with(&response).await?;
        self.desks.wake(caller.provider());
        Ok(response)
    }
}

#[tonic::async_trait]
impl SiteService for Sites {
    async fn list_sites(
        &self,
        request: Request<wire::ListSitesRequest>,
    ) -> Result<Response<wire::ListSitesResponse>, Status> {
        unary!(self, request, list)
    }

    async fn save_site(
        &self,
        request: Request<wire::SaveSiteRequest>,
    ) -> Result<Response<wire::SaveSiteResponse>, Status> {
        unary!(self, request, save)
    }

    async fn delete_site(
        &self,
        request: Request<wire::DeleteSiteRequest>,
    ) -> Result<Response<wire::DeleteSiteResponse>, Status> {
        unary!(self, request, delete)
    }
}

fn read(checks: &mut Checks, given: &wire::Site) -> Site {
    let name = checks.line("site.name", &given.name, 1..=64);
    let known = given.time_zone.len() <= 64 && TimeZone::get(&given.time_zone).is_ok() && !given.time_zone.is_empty();
    checks.require(known, "site.time_zone", "must be an IANA time zone");
    checks.require(given.openings.len() <= OPENINGS_MAX, "site.openings", format!("must be at most {OPENINGS_MAX}"));
    checks.require(
        given.closed_days.len() <= CLOSED_DAYS_MAX,
        "site.closed_days",
        format!("must be at most {CLOSED_DAYS_MAX}"),
    );
    let mut openings: Vec<Opening> = Vec::new();
    for (n, opening) in given.openings.iter().take(OPENINGS_MAX).enumerate() {
        let place = |key: &str| format!("site.openings[{n}].{key}");
        checks.require((1..=7).contains(&opening.weekday), place("weekday"), "must be 1 (Monday) to 7 (Sunday)");
        let start = minutes(&opening.start).filter(|start| *start < DAY_MINUTES);
        checks.require(start.is_some(), place("start"), "must be a time HH:MM from 00:00 to 23:59");
        let end = minutes(&opening.end).filter(|end| start.is_none_or(|start| start < *end));
        checks.require(end.is_some(), place("end"), "must be a time HH:MM after the start, up to 48:00");
        openings.extend(start.zip(end).map(|(start, end)| Opening {
            weekday: i8::try_from(opening.weekday).unwrap_or(1),
            start,
            end,
        }));
    }
    openings.sort_unstable();
    let days = given.closed_days.iter().take(CLOSED_DAYS_MAX).enumerate();
    let closed: BTreeSet<_> = days.map(|(n, day)| checks.date(format!("site.closed_days[{n}]"), day)).collect();
    Site { name, zone: given.time_zone.clone(), openings, closed, version: 0 }
}

/// Minutes after midnight of a time `HH:MM`, up to 48:00.
fn minutes(text: &str) -> Option<i32> {
    let (hours, minutes) = text.split_once(':')?;
    let digits = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(hours) || !digits(minutes) {
        return None;
    }
    let (hours, minutes) = (hours.parse::<i32>().ok()?, minutes.parse::<i32>().ok()?);
    let all = hours * 60 + minutes;
    (minutes < 60 && all <= 2 * DAY_MINUTES).then_some(all)
}

fn answer(site: &Site) -> wire::Site {
    let time = |minutes: i32| format!("{:02}:{:02}", minutes / 60, minutes % 60);
    wire::Site {
        name: site.name.clone(),
        time_zone: site.zone.clone(),
        openings: site
            .openings
            .iter()
            .map(|o| wire::SiteOpening { weekday: i32::from(o.weekday), start: time(o.start), end: time(o.end) })
            .collect(),
        closed_days: site.closed.iter().map(ToString::to_string).collect(),
        etag: kit::wire::etag(site.version),
    }
}
