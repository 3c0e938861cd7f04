//! Staff, contracts, time off.

use jiff::Timestamp;
use jiff::civil::Date;
use kit::ids::Uuid;
use kit::{SellerId, UserId};
use planner::agent::{Absence, Contract};
use planner::breaks::{BreakPlan, PlannedBreak};
use planner::civil::Window;
use planner::record::{Employment, Staff, TimeOff, TimeOffId};
use tenantdb::{At, Failure, TenantTx, ToSqlx};

/// Keeps what the staff directory told, unless something newer is known.
pub async fn keep_staff(tx: &mut TenantTx, staff: &Staff) -> Result<(), Failure> {
    let provider = tx.provider();
    let (languages, levels): (Vec<String>, Vec<String>) = staff.languages.iter().cloned().unzip();
    let sellers: Vec<Uuid> = staff.sellers.iter().map(|seller| seller.0).collect();
    let certified: Vec<Uuid> = staff.certifications.iter().map(|(seller, _)| seller.0).collect();
    let until: Vec<Option<At>> = staff.certifications.iter().map(|(_, end)| end.map(|end| end.to_sqlx())).collect();
    sqlx::query!(
        "insert into workforce.staff (provider_id, user_id, revision, display_name, is_agent, active, zone, site,
                                      languages, levels, seller_ids, certified_sellers, certified_until)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         on conflict on constraint staff_pk do update
            set revision = excluded.revision, display_name = excluded.display_name, is_agent = excluded.is_agent,
                active = excluded.active, zone = excluded.zone, site = excluded.site,
                languages = excluded.languages, levels = excluded.levels, seller_ids = excluded.seller_ids,
                certified_sellers = excluded.certified_sellers, certified_until = excluded.certified_until
          where staff.revision < excluded.revision",
        provider.0,
        staff.user.0,
        staff.revision,
        staff.display_name,
        staff.is_agent,
        staff.active,
        staff.zone,
        staff.site,
        &languages,
        &levels,
        &sellers,
        &certified,
        &until as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A member of the staff.
pub async fn staff(tx: &mut TenantTx, user: UserId) -> Result<Option<Staff>, Failure> {
    let mut found = staff_of(tx, &[user]).await?;
    Ok(found.pop())
}

/// Members of the staff, by id.
pub async fn staff_of(tx: &mut TenantTx, users: &[UserId]) -> Result<Vec<Staff>, Failure> {
    let provider = tx.provider();
    let users: Vec<Uuid> = users.iter().map(|user| user.0).collect();
    let rows = sqlx::query!(
        r#"select user_id, revision, display_name, is_agent, active, zone, site, languages, levels, seller_ids,
                  certified_sellers, certified_until as "certified_until: Vec<Option<At>>"
             from workforce.staff where provider_id = $1 and user_id = any ($2) order by user_id"#,
        provider.0,
        &users,
    )
    .fetch_all(tx.conn())
    .await?;
    let staff = rows.into_iter().map(|row| Staff {
        user: UserId(row.user_id),
        revision: row.revision,
        display_name: row.display_name,
        is_agent: row.is_agent,
        active: row.active,
        zone: row.zone,
        site: row.site,
        languages: row.languages.into_iter().zip(row.levels).collect(),
        sellers: row.seller_ids.into_iter().map(SellerId).collect(),
        certifications: row
            .certified_sellers
            .into_iter()
            .zip(row.certified_until)
            .map(|(seller, end)| (SellerId(seller), end.map(|end| end.to_jiff())))
            .collect(),
    });
    Ok(staff.collect())
}

/// A contract.
pub async fn employment(tx: &mut TenantTx, user: UserId) -> Result<Option<Employment>, Failure> {
    let mut found = employments(tx, &[user], None, 1).await?;
    Ok(found.pop())
}

/// Nobody else changes what these agents work, or when they are away, until this transaction ends: rules hold across
/// schedules, and two changes that are lawful each for itself need not be so together.
pub async fn lock(tx: &mut TenantTx, users: &[UserId]) -> Result<(), Failure> {
    let provider = tx.provider();
    let users: Vec<Uuid> = users.iter().map(|user| user.0).collect();
    sqlx::query!(
        "select user_id from workforce.employment where provider_id = $1 and user_id = any ($2)
          order by user_id for no key update",
        provider.0,
        &users,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(())
}

/// Contracts of these users (none named = all), after a user, in order.
pub async fn employments(
    tx: &mut TenantTx,
    users: &[UserId],
    after: Option<UserId>,
    limit: i64,
) -> Result<Vec<Employment>, Failure> {
    let provider = tx.provider();
    let users: Vec<Uuid> = users.iter().map(|user| user.0).collect();
    let rows = sqlx::query!(
        "select user_id, version, zone, rule_set, rule_set_version, min_week_seconds, max_week_seconds,
                min_shift_seconds, max_shift_seconds, max_days_in_row, window_weekdays, window_starts, window_ends,
                starts_on, ends_on, updated_at, break_lengths, break_paids, break_work_aboves, break_window_starts,
                break_window_ends, break_earliests, break_latests, work_before_break, work_between_breaks,
                work_after_break, holiday_region, works_on_holidays
           from workforce.employment
          where provider_id = $1 and ($2::uuid[] = '{}' or user_id = any ($2))
            and ($3::uuid is null or $3 < user_id)
          order by user_id limit $4",
        provider.0,
        &users,
        after.map(|user| user.0),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    let employments = rows.into_iter().map(|row| {
        let planned = row.break_lengths.iter().enumerate().map(|(at, length)| PlannedBreak {
            length: *length,
            paid: row.break_paids[at],
            work_above: row.break_work_aboves[at],
            window: (0 <= row.break_window_starts[at])
                .then_some((row.break_window_starts[at], row.break_window_ends[at])),
            earliest: row.break_earliests[at],
            latest: row.break_latests[at],
        });
        let break_plan = BreakPlan {
            breaks: planned.collect(),
            before: row.work_before_break,
            between: row.work_between_breaks,
            after: row.work_after_break,
        };
        let windows = row.window_weekdays.iter().zip(&row.window_starts).zip(&row.window_ends);
        Employment {
            user: UserId(row.user_id),
            version: row.version,
            zone: row.zone,
            rule_set: row.rule_set,
            rule_set_version: row.rule_set_version,
            contract: Contract {
                min_week: row.min_week_seconds,
                max_week: row.max_week_seconds,
                min_shift: row.min_shift_seconds,
                max_shift: row.max_shift_seconds,
                max_days_in_row: row.max_days_in_row,
            },
            break_plan,
            availability: windows
                .map(|((weekday, start), end)| Window { weekday: *weekday as i8, start: *start, end: *end })
                .collect(),
            starts_on: row.starts_on.to_jiff(),
            ends_on: row.ends_on.map(|day| day.to_jiff()),
            holiday_region: row.holiday_region,
            works_on_holidays: row.works_on_holidays,
            updated_at: row.updated_at.to_jiff(),
        }
    });
    Ok(employments.collect())
}

/// The version of a contract, locked; none when there is no contract yet.
pub async fn lock_employment(tx: &mut TenantTx, user: UserId) -> Result<Option<i64>, Failure> {
    let provider = tx.provider();
    let version = sqlx::query_scalar!(
        "select version from workforce.employment where provider_id = $1 and user_id = $2 for update",
        provider.0,
        user.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(version)
}

/// Creates or replaces a contract; returns its version.
pub async fn keep_employment(tx: &mut TenantTx, employment: &Employment) -> Result<i64, Failure> {
    let provider = tx.provider();
    let windows = &employment.availability;
    let weekdays: Vec<i32> = windows.iter().map(|window| i32::from(window.weekday)).collect();
    let starts: Vec<i32> = windows.iter().map(|window| window.start).collect();
    let ends: Vec<i32> = windows.iter().map(|window| window.end).collect();
    let plan = &employment.break_plan;
    let lengths: Vec<i64> = plan.breaks.iter().map(|one| one.length).collect();
    let paids: Vec<bool> = plan.breaks.iter().map(|one| one.paid).collect();
    let aboves: Vec<i64> = plan.breaks.iter().map(|one| one.work_above).collect();
    let (window_starts, window_ends): (Vec<i32>, Vec<i32>) =
        plan.breaks.iter().map(|one| one.window.unwrap_or((-1, -1))).unzip();
    let (earliests, latests): (Vec<i64>, Vec<i64>) = plan.breaks.iter().map(|one| (one.earliest, one.latest)).unzip();
    let version = sqlx::query_scalar!(
        "insert into workforce.employment
                (provider_id, user_id, zone, rule_set, rule_set_version, min_week_seconds, max_week_seconds,
                 min_shift_seconds, max_shift_seconds, max_days_in_row, window_weekdays, window_starts, window_ends,
                 starts_on, ends_on, updated_at, break_lengths, break_paids, break_work_aboves, break_window_starts,
                 break_window_ends, break_earliests, break_latests, work_before_break, work_between_breaks,
                 work_after_break, holiday_region, works_on_holidays)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23,
                 $24, $25, $26, $27, $28)
         on conflict on constraint employment_pk do update
            set version = employment.version + 1, zone = excluded.zone, rule_set = excluded.rule_set,
                rule_set_version = excluded.rule_set_version, min_week_seconds = excluded.min_week_seconds,
                max_week_seconds = excluded.max_week_seconds, min_shift_seconds = excluded.min_shift_seconds,
                max_shift_seconds = excluded.max_shift_seconds, max_days_in_row = excluded.max_days_in_row,
                window_weekdays = excluded.window_weekdays, window_starts = excluded.window_starts,
                window_ends = excluded.window_ends, starts_on = excluded.starts_on, ends_on = excluded.ends_on,
                updated_at = excluded.updated_at, break_lengths = excluded.break_lengths,
                break_paids = excluded.break_paids, break_work_aboves = excluded.break_work_aboves,
                break_window_starts = excluded.break_window_starts, break_window_ends = excluded.break_window_ends,
                break_earliests = excluded.break_earliests, break_latests = excluded.break_latests,
                work_before_break = excluded.work_before_break, work_between_breaks = excluded.work_between_breaks,
                work_after_break = excluded.work_after_break, holiday_region = excluded.holiday_region,
                works_on_holidays = excluded.works_on_holidays
         returning version",
        provider.0,
        employment.user.0,
        employment.zone,
        employment.rule_set,
        employment.rule_set_version,
        employment.contract.min_week,
        employment.contract.max_week,
        employment.contract.min_shift,
        employment.contract.max_shift,
        employment.contract.max_days_in_row,
        &weekdays,
        &starts,
        &ends,
        employment.starts_on.to_sqlx() as _,
        employment.ends_on.map(|day| day.to_sqlx()) as _,
        employment.updated_at.to_sqlx() as _,
        &lengths,
        &paids,
        &aboves,
        &window_starts,
        &window_ends,
        &earliests,
        &latests,
        plan.before,
        plan.between,
        plan.after,
        employment.holiday_region,
        employment.works_on_holidays,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(version)
}

/// Keeps a new time off.
pub async fn insert_time_off(tx: &mut TenantTx, time_off: &TimeOff, now: Timestamp) -> Result<(), Failure> {
    lock(tx, &[time_off.user]).await?;
    let provider = tx.provider();
    sqlx::query!(
        "insert into workforce.time_off
                (provider_id, time_off_id, user_id, kind, first_day, last_day, paid, credited_seconds_per_day,
                 from_minute, to_minute, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        provider.0,
        time_off.id.0,
        time_off.user.0,
        time_off.kind,
        time_off.absence.first.to_sqlx() as _,
        time_off.absence.last.to_sqlx() as _,
        time_off.paid,
        time_off.absence.credit,
        time_off.absence.hours.map(|(from, _)| from),
        time_off.absence.hours.map(|(_, to)| to),
        now.to_sqlx() as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Withdraws a time off of a user, and the leave that it was approved for, whose days are hers again; false when there
/// is no such.
pub async fn cancel_time_off(tx: &mut TenantTx, user: UserId, id: TimeOffId) -> Result<bool, Failure> {
    let provider = tx.provider();
    let done = sqlx::query_scalar!(
        r#"with gone as (
               update workforce.time_off set cancelled = true
                where provider_id = $1 and time_off_id = $2 and user_id = $3
            returning time_off_id
           ), given_back as (
               update workforce.leave_request l set state = 'withdrawn', version = l.version + 1
                 from gone
                where l.provider_id = $1 and l.user_id = $3 and l.time_off_id = gone.time_off_id and l.state = 'approved'
           )
           select count(*) as "done!" from gone"#,
        provider.0,
        id.0,
        user.0,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(done == 1)
}

/// Where a list of time off begins.
pub type TimeOffKey = (Date, Uuid);

/// What to list.
#[derive(Debug, Default, Clone, Copy)]
pub struct TimeOffFilter {
    /// Of whom; none = everybody.
    pub user: Option<UserId>,
    /// Which one.
    pub id: Option<TimeOffId>,
    /// Ending on or after this day.
    pub from: Option<Date>,
    /// Starting on or before this day.
    pub to: Option<Date>,
    /// Whether withdrawn ones count.
    pub cancelled: bool,
}

/// Time off, earliest first.
pub async fn time_off(
    tx: &mut TenantTx,
    filter: &TimeOffFilter,
    after: Option<TimeOffKey>,
    limit: i64,
) -> Result<Vec<TimeOff>, Failure> {
    let provider = tx.provider();
    let rows = sqlx::query!(
        "select time_off_id, user_id, kind, first_day, last_day, paid, credited_seconds_per_day, from_minute,
                to_minute, cancelled
           from workforce.time_off
          where provider_id = $1 and ($2::uuid is null or user_id = $2) and ($3::uuid is null or time_off_id = $3)
            and ($4::date is null or $4 <= last_day) and ($5::date is null or first_day <= $5)
            and ($6 or not cancelled)
            and ($7::date is null or ($7, $8::uuid) < (first_day, time_off_id))
          order by first_day, time_off_id limit $9",
        provider.0,
        filter.user.map(|user| user.0),
        filter.id.map(|id| id.0),
        filter.from.map(|day| day.to_sqlx()) as _,
        filter.to.map(|day| day.to_sqlx()) as _,
        filter.cancelled,
        after.map(|(day, _)| day.to_sqlx()) as _,
        after.map(|(_, id)| id),
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    let list = rows.into_iter().map(|row| TimeOff {
        id: TimeOffId(row.time_off_id),
        user: UserId(row.user_id),
        kind: row.kind,
        absence: Absence {
            first: row.first_day.to_jiff(),
            last: row.last_day.to_jiff(),
            credit: row.credited_seconds_per_day,
            hours: row.from_minute.zip(row.to_minute),
        },
        paid: row.paid,
        cancelled: row.cancelled,
    });
    Ok(list.collect())
}
