//! Schedules taken elsewhere: files, and calendars behind links.

use std::collections::BTreeMap;
use std::pin::Pin;

use aws_lc_rs::{constant_time, digest, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::tz::TimeZone;
use kit::ids::Uuid;
use kit::wire::timestamp;
use kit::{Caller, Checks, Fault, Id, ProviderId, Scope, UserId};
use planner::civil;
use planner::files;
use planner::record::{ScheduleId, Shift};
use proto::workforce::v1 as wire;
use proto::workforce::v1::schedule_export_service_server::ScheduleExportService;
use tenantdb::TenantTx;
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

use super::Api;
use crate::store::{feed, people, schedule, shift};

/// About how large a piece is.
const PIECE: usize = 48 * 1024;
/// Rows of one piece of a table.
const ROWS: usize = 400;
/// Days of a calendar before and after today.
const BACK: i64 = 30;
const AHEAD: i64 = 366;
/// Shifts of one person's calendar at most.
const MOST: i64 = 500;
/// Bytes of a token: provider, agent, secret.
const TOKEN: usize = 16 + 16 + 32;

#[tonic::async_trait]
impl ScheduleExportService for Api {
    type ExportScheduleStream =
        Pin<Box<dyn Stream<Item = Result<wire::ExportScheduleResponse, Status>> + Send + 'static>>;

    async fn export_schedule(
        &self,
        request: Request<wire::ExportScheduleRequest>,
    ) -> Result<Response<Self::ExportScheduleStream>, Status> {
        let (caller, request) = kit::admitted(request)?;
        let pieces = self.pieces(&caller, request).await?;
        let pieces = pieces.into_iter().map(|piece| Ok(wire::ExportScheduleResponse { piece: piece.into() }));
        Ok(Response::new(Box::pin(tokio_stream::iter(pieces))))
    }

    async fn get_my_calendar(
        &self,
        request: Request<wire::GetMyCalendarRequest>,
    ) -> Result<Response<wire::GetMyCalendarResponse>, Status> {
        let (caller, _) = kit::admitted(request)?;
        Ok(Response::new(self.my_calendar(&caller).await?))
    }

    async fn create_calendar_feed(
        &self,
        request: Request<wire::CreateCalendarFeedRequest>,
    ) -> Result<Response<wire::CreateCalendarFeedResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.open_feed(&caller, request).await?))
    }

    async fn delete_calendar_feed(
        &self,
        request: Request<wire::DeleteCalendarFeedRequest>,
    ) -> Result<Response<wire::DeleteCalendarFeedResponse>, Status> {
        let (caller, request) = kit::admitted(request)?;
        Ok(Response::new(self.end_feed(&caller, request).await?))
    }

    async fn get_calendar_feed(
        &self,
        request: Request<wire::GetCalendarFeedRequest>,
    ) -> Result<Response<wire::GetCalendarFeedResponse>, Status> {
        Ok(Response::new(self.feed(request.into_inner()).await?))
    }
}

impl Api {
    async fn pieces(&self, caller: &Caller, request: wire::ExportScheduleRequest) -> Result<Vec<Vec<u8>>, Fault> {
        let id = ScheduleId::parse("schedule_id", &request.schedule_id)?;
        let user = UserId::parse_optional("user_id", &request.user_id)?;
        let format = request.format();
        if format == wire::ScheduleFormat::Unspecified {
            return Err(Fault::invalid("format", "must be CSV or iCalendar"));
        }
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        let found = schedule::get(&mut tx, id).await?.ok_or(Fault::NotFound("schedule"))?;
        let shifts = shift::of_schedule(&mut tx, id, user, None, i64::from(i32::MAX)).await?;
        let mut users: Vec<UserId> = shifts.iter().map(|shift| shift.user).collect();
        users.sort_unstable();
        users.dedup();
        let names: BTreeMap<UserId, String> =
            people::staff_of(&mut tx, &users).await?.into_iter().map(|one| (one.user, one.display_name)).collect();
        drop(tx);
        let now = self.deps.clock.now();
        let name = |shift: &Shift| names.get(&shift.user).map_or("", String::as_str);
        if format == wire::ScheduleFormat::Icalendar {
            let text = files::calendar(&found.name, shifts.iter().map(|shift| (shift, Some(name(shift)))), now);
            return Ok(text.into_bytes().chunks(PIECE).map(<[u8]>::to_vec).collect());
        }
        let table = |rows: &[Shift], with_head| {
            files::table(rows.iter().map(|shift| (shift, name(shift))), with_head)
                .map_err(|failed| Fault::Internal(Box::new(failed)))
        };
        let mut pieces = vec![table(&shifts[..shifts.len().min(ROWS)], true)?];
        for rows in shifts[shifts.len().min(ROWS)..].chunks(ROWS) {
            pieces.push(table(rows, false)?);
        }
        Ok(pieces)
    }

    async fn my_calendar(&self, caller: &Caller) -> Result<wire::GetMyCalendarResponse, Fault> {
        let user = caller.person()?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        Ok(wire::GetMyCalendarResponse { calendar: self.calendar_of(&mut tx, user).await?.into() })
    }

    async fn calendar_of(&self, tx: &mut TenantTx, user: UserId) -> Result<Vec<u8>, Fault> {
        let now = self.deps.clock.now();
        let today = TimeZone::UTC.to_datetime(now).date();
        let (from, to) = (civil::later(today, -BACK), civil::later(today, AHEAD));
        let shifts = shift::live(tx, &[user], from, to, None, MOST).await?;
        Ok(files::calendar("Shifts", shifts.iter().map(|shift| (shift, None)), now).into_bytes())
    }

    async fn open_feed(
        &self,
        caller: &Caller,
        request: wire::CreateCalendarFeedRequest,
    ) -> Result<wire::CreateCalendarFeedResponse, Fault> {
        let user = caller.person()?;
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        checks.finish()?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "CreateCalendarFeed", &request.request_id, &request).await? {
            return Ok(answer);
        }
        people::staff(&mut tx, user).await?.ok_or(Fault::NotFound("user"))?;
        let mut secret = [0_u8; 32];
        rand::fill(&mut secret).map_err(|_| Fault::internal("the system gives no random bytes"))?;
        let now = self.deps.clock.now();
        feed::keep(&mut tx, user, digest::digest(&digest::SHA256, &secret).as_ref(), now).await?;
        let token = [tx.provider().0.as_bytes().as_slice(), user.0.as_bytes(), &secret].concat();
        let path = format!("/calendar/{}.ics", URL_SAFE_NO_PAD.encode(token));
        let response = wire::CreateCalendarFeedResponse { path, create_time: Some(timestamp(now)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn end_feed(
        &self,
        caller: &Caller,
        request: wire::DeleteCalendarFeedRequest,
    ) -> Result<wire::DeleteCalendarFeedResponse, Fault> {
        let user = caller.person()?;
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        checks.finish()?;
        let mut tx = self.deps.db.begin(&caller.of_provider()).await?;
        if let Some(answer) = tx.replayed(caller, "DeleteCalendarFeed", &request.request_id, &request).await? {
            return Ok(answer);
        }
        feed::end(&mut tx, user).await?;
        let response = wire::DeleteCalendarFeedResponse {};
        tx.commit_with(&response).await?;
        Ok(response)
    }

    /// The calendar behind a link. Whoever has the secret may read, and nobody else learns who has a link.
    async fn feed(&self, request: wire::GetCalendarFeedRequest) -> Result<wire::GetCalendarFeedResponse, Fault> {
        let unknown = || Fault::NotFound("calendar");
        // What is not a token reaches no database.
        if request.token.len() != TOKEN.div_ceil(3) * 4 - 2 {
            return Err(unknown());
        }
        let bytes = URL_SAFE_NO_PAD.decode(&request.token).map_err(|_| unknown())?;
        let (whose, secret) = bytes.split_at_checked(32).ok_or_else(unknown)?;
        let id = |from: usize| Uuid::from_slice(&whose[from..from + 16]).map_err(|_| unknown());
        let (provider, user) = (ProviderId(id(0)?), UserId(id(16)?));
        let mut tx = self.deps.db.begin(&Scope::provider(provider)).await?;
        let known = feed::digest(&mut tx, user).await?.ok_or_else(unknown)?;
        let given = digest::digest(&digest::SHA256, secret);
        constant_time::verify_slices_are_equal(&known, given.as_ref()).map_err(|_| unknown())?;
        let there = people::staff(&mut tx, user).await?.is_some_and(|staff| staff.active);
        if !there {
            return Err(unknown());
        }
        Ok(wire::GetCalendarFeedResponse { calendar: self.calendar_of(&mut tx, user).await?.into() })
    }
}
