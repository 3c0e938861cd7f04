//! Training and meetings.

use std::collections::BTreeSet;

use kit::wire::{etag, timestamp};
use kit::{Caller, Checks, Fault, Id, SellerId, UserId};
use planner::activity::{Kind, LENGTHS, LONGEST_WINDOW};
use planner::record::{ActivityGroup, ActivityId, KeptActivity};
use proto::workforce::v1 as wire;
use proto::workforce::v1::activities_service_server::ActivitiesService;
use tenantdb::TenantTx;
use tonic::{Request, Response, Status};

use super::{Api, convert, unary_service};
use crate::domain::refusal::Refusal;
use crate::store::activities::{self, ActivityKey};
use crate::store::people;

/// Most that a provider keeps.
const MOST: i64 = 1_000;
/// Most agents by name.
const MOST_USERS: usize = 500;

unary_service! { ActivitiesService:
    create_activity => new_activity, CreateActivityRequest, CreateActivityResponse;
    get_activity => activity, GetActivityRequest, GetActivityResponse;
    list_activities => all_activities, ListActivitiesRequest, ListActivitiesResponse;
    update_activity => change_activity, UpdateActivityRequest, UpdateActivityResponse;
    delete_activity => drop_activity, DeleteActivityRequest, DeleteActivityResponse;
}

impl Api {
    async fn new_activity(
        &self,
        caller: &Caller,
        request: wire::CreateActivityRequest,
    ) -> Result<wire::CreateActivityResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        checks.require(request.activity.is_some(), "activity", "must be given");
        let given = request.activity.clone().unwrap_or_default();
        let mut wanted = read(&mut checks, &given, self.deps.clock.new_id::<ActivityId>());
        checks.finish()?;
        self.name_sellers(caller, &given, &mut wanted).await?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "CreateActivity", &request.request_id, &request).await? {
            return Ok(answer);
        }
        attendees(&mut tx, &wanted).await?;
        if MOST <= activities::count(&mut tx).await? {
            return Err(Refusal::Full { what: "activities", most: MOST }.into());
        }
        activities::keep(&mut tx, &wanted, true, None).await?;
        let response = wire::CreateActivityResponse { activity: Some(shown(&wanted)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn activity(
        &self,
        caller: &Caller,
        request: wire::GetActivityRequest,
    ) -> Result<wire::GetActivityResponse, Fault> {
        let id = ActivityId::parse("activity_id", &request.activity_id)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let found = activities::list(&mut tx, Some(id), (None, None), None, 1).await?.pop();
        let found = found.ok_or(Fault::NotFound("activity"))?;
        Ok(wire::GetActivityResponse { activity: Some(shown(&found)) })
    }

    async fn all_activities(
        &self,
        caller: &Caller,
        request: wire::ListActivitiesRequest,
    ) -> Result<wire::ListActivitiesResponse, Fault> {
        let mut checks = Checks::new();
        let from = request.from_time.as_ref().map(|at| checks.instant("from_time", Some(at)));
        checks.finish()?;
        let pager = &self.deps.pager;
        let page =
            pager.read::<ActivityKey>(caller, "ListActivities", &from, request.page_size, &request.page_token)?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let mut rows = activities::list(&mut tx, None, (from, None), page.after, page.size + 1).await?;
        let next_page_token = pager.cut(&page, &mut rows, |row| (convert::stamp(row.window.0), row.id.0))?;
        Ok(wire::ListActivitiesResponse { activities: rows.iter().map(shown).collect(), next_page_token })
    }

    async fn change_activity(
        &self,
        caller: &Caller,
        request: wire::UpdateActivityRequest,
    ) -> Result<wire::UpdateActivityResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        checks.require(request.activity.is_some(), "activity", "must be given");
        let given = request.activity.clone().unwrap_or_default();
        let id: ActivityId = checks.id("activity.activity_id", &given.activity_id);
        let mut wanted = read(&mut checks, &given, id);
        checks.finish()?;
        let seen = kit::wire::version(&given.etag)?;
        self.name_sellers(caller, &given, &mut wanted).await?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "UpdateActivity", &request.request_id, &request).await? {
            return Ok(answer);
        }
        if activities::list(&mut tx, Some(id), (None, None), None, 1).await?.is_empty() {
            return Err(Fault::NotFound("activity"));
        }
        attendees(&mut tx, &wanted).await?;
        wanted.updated_at = self.deps.clock.now();
        wanted.version = activities::keep(&mut tx, &wanted, false, seen).await?.ok_or(Fault::Stale)?;
        let response = wire::UpdateActivityResponse { activity: Some(shown(&wanted)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn drop_activity(
        &self,
        caller: &Caller,
        request: wire::DeleteActivityRequest,
    ) -> Result<wire::DeleteActivityResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let id: ActivityId = checks.id("activity_id", &request.activity_id);
        checks.finish()?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "DeleteActivity", &request.request_id, &request).await? {
            return Ok(answer);
        }
        if !activities::delete(&mut tx, id).await? {
            return Err(Fault::NotFound("activity"));
        }
        let response = wire::DeleteActivityResponse {};
        tx.commit_with(&response).await?;
        Ok(response)
    }

    /// The sellers that are named, each granted and there.
    async fn name_sellers(
        &self,
        caller: &Caller,
        given: &wire::Activity,
        wanted: &mut KeptActivity,
    ) -> Result<(), Fault> {
        wanted.updated_at = self.deps.clock.now();
        wanted.charged = self.named(caller, &given.charged_seller_id).await?;
        if let (Some(kept), Some(group)) = (&mut wanted.group, &given.group) {
            kept.seller = self.named(caller, &group.seller_id).await?;
        }
        Ok(())
    }

    async fn named(&self, caller: &Caller, seller_id: &str) -> Result<Option<SellerId>, Fault> {
        if seller_id.is_empty() {
            return Ok(None);
        }
        let scope = caller.act_for(seller_id)?;
        self.deps.terms.of(&self.deps.db, &self.deps.calls, Some(caller), &scope).await?;
        Ok(scope.seller())
    }
}

/// Those who attend by name work here.
async fn attendees(tx: &mut TenantTx, wanted: &KeptActivity) -> Result<(), Fault> {
    let users: Vec<UserId> = wanted.users.iter().copied().collect();
    if people::staff_of(tx, &users).await?.len() < users.len() {
        return Err(Fault::NotFound("user"));
    }
    Ok(())
}

fn read(checks: &mut Checks, given: &wire::Activity, id: ActivityId) -> KeptActivity {
    let kind = match given.kind() {
        wire::ActivityKind::Training => Kind::Training,
        wire::ActivityKind::Meeting => Kind::Meeting,
        wire::ActivityKind::Unspecified => {
            checks.refuse("activity.kind", "must be a training or a meeting");
            Kind::Meeting
        }
    };
    let length = checks.range("activity.length_seconds", given.length_seconds, LENGTHS);
    let start = checks.instant("activity.window_start_time", given.window_start_time.as_ref()).as_second();
    let end = checks.instant("activity.window_end_time", given.window_end_time.as_ref()).as_second();
    let fits = (length..=LONGEST_WINDOW).contains(&(end - start));
    checks.require(fits, "activity.window_end_time", "must be length_seconds to 28 days after window_start_time");
    checks.count("activity.user_ids", given.user_ids.len(), 0..=MOST_USERS);
    let named = given.user_ids.iter().take(MOST_USERS);
    let users: BTreeSet<UserId> = named.map(|user| checks.id("activity.user_ids", user)).collect();
    let group = given.group.as_ref().map(|group| {
        let any = [&group.site, &group.seller_id, &group.language].into_iter().any(|word| !word.is_empty());
        checks.require(any, "activity.group", "must have a site, a seller or a language");
        ActivityGroup {
            site: checks.line("activity.group.site", &group.site, 0..=100),
            seller: None,
            language: checks.line("activity.group.language", &group.language, 0..=35),
        }
    });
    checks.require(
        !users.is_empty() || group.is_some(),
        "activity.user_ids",
        "must name somebody, or a group be given",
    );
    let minimum = checks.range("activity.min_attendance", given.min_attendance.into(), 0..=5_000);
    KeptActivity {
        id,
        version: 1,
        kind,
        title: checks.line("activity.title", &given.title, 1..=200),
        length,
        window: (start, end),
        together: given.together,
        minimum: u32::try_from(minimum).unwrap_or(0),
        users,
        group,
        charged: None,
        updated_at: jiff::Timestamp::UNIX_EPOCH,
    }
}

fn shown(kept: &KeptActivity) -> wire::Activity {
    let seller = |seller: Option<SellerId>| seller.map(|seller| seller.to_string()).unwrap_or_default();
    wire::Activity {
        activity_id: kept.id.to_string(),
        kind: convert::activity_kind(kept.kind).into(),
        title: kept.title.clone(),
        length_seconds: kept.length,
        window_start_time: Some(convert::second(kept.window.0)),
        window_end_time: Some(convert::second(kept.window.1)),
        together: kept.together,
        min_attendance: i32::try_from(kept.minimum).unwrap_or(i32::MAX),
        user_ids: kept.users.iter().map(ToString::to_string).collect(),
        group: kept.group.as_ref().map(|group| wire::ActivityGroup {
            site: group.site.clone(),
            seller_id: seller(group.seller),
            language: group.language.clone(),
        }),
        charged_seller_id: seller(kept.charged),
        etag: etag(kept.version),
        update_time: Some(timestamp(kept.updated_at)),
    }
}
