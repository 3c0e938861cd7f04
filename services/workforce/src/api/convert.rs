//! Domain values as the wire shows them.

use jiff::Timestamp;
use kit::wire::{etag, timestamp};
use planner::activity::{Kind, Session};
use planner::breaks::PlannedBreak;
use planner::civil;
use planner::record::{
    Employment, Forecast, ForecastSeries, Requirement, RequirementSeries, Schedule, ScheduleState, Shift, Shortfall,
    Staff, TimeOff, Volume,
};
use planner::rules::RuleSet;
use proto::types::v1::TimeRange;
use proto::workforce::v1 as wire;

/// The instant of so many seconds.
pub fn stamp(at: i64) -> Timestamp {
    Timestamp::from_second(at).unwrap_or(Timestamp::MAX)
}

pub fn activity_kind(of: Kind) -> wire::ActivityKind {
    match of {
        Kind::Training => wire::ActivityKind::Training,
        Kind::Meeting => wire::ActivityKind::Meeting,
    }
}

pub fn session(of: &Session) -> wire::ShiftActivity {
    wire::ShiftActivity {
        activity_id: of.activity.to_string(),
        kind: activity_kind(of.kind).into(),
        title: of.title.to_string(),
        start_time: Some(second(of.from)),
        end_time: Some(second(of.to)),
    }
}

pub fn ranges(of: &[(i64, i64)]) -> Vec<TimeRange> {
    of.iter().map(|(from, to)| TimeRange { start: Some(second(*from)), end: Some(second(*to)) }).collect()
}

/// An instant of whole seconds.
pub fn second(at: i64) -> prost_types::Timestamp {
    timestamp(Timestamp::from_second(at).unwrap_or(Timestamp::MAX))
}

pub fn employment(of: &Employment, staff: Option<&Staff>) -> wire::Employment {
    let windows = of.availability.iter().map(|window| wire::AvailabilityWindow {
        weekday: i32::from(window.weekday),
        start: civil::clock_text(window.start),
        end: window.end_text(),
    });
    let languages = staff.map(|staff| {
        let skills = staff.skills();
        let enough = skills.languages.into_iter().filter(|(_, level)| planner::agent::Level::B2 <= *level);
        enough.map(|(tag, _)| tag).collect()
    });
    wire::Employment {
        user_id: of.user.to_string(),
        zone: of.zone.clone(),
        rule_set: of.rule_set.clone(),
        rule_set_version: of.rule_set_version,
        min_week_seconds: of.contract.min_week,
        max_week_seconds: of.contract.max_week,
        min_shift_seconds: of.contract.min_shift,
        max_shift_seconds: of.contract.max_shift,
        max_days_in_row: of.contract.max_days_in_row,
        availability: windows.collect(),
        starts_on: of.starts_on.to_string(),
        ends_on: of.ends_on.map(|day| day.to_string()).unwrap_or_default(),
        etag: etag(of.version),
        display_name: staff.map(|staff| staff.display_name.clone()).unwrap_or_default(),
        active: staff.is_some_and(|staff| staff.active),
        update_time: Some(timestamp(of.updated_at)),
        certified_seller_ids: staff
            .map(|staff| staff.certifications.iter().map(|(seller, _)| seller.to_string()).collect())
            .unwrap_or_default(),
        languages: languages.unwrap_or_default(),
        breaks: of.break_plan.breaks.iter().map(planned_break).collect(),
        min_work_before_break_seconds: of.break_plan.before,
        min_work_between_breaks_seconds: of.break_plan.between,
        min_work_after_break_seconds: of.break_plan.after,
        holiday_region: of.holiday_region.clone(),
        works_on_holidays: of.works_on_holidays,
    }
}

fn planned_break(of: &PlannedBreak) -> wire::PlannedBreak {
    wire::PlannedBreak {
        length_seconds: of.length,
        paid: of.paid,
        work_above_seconds: of.work_above,
        window_start: of.window.map(|(from, _)| civil::clock_text(from)).unwrap_or_default(),
        window_end: of.window.map(|(_, to)| civil::long_clock_text(to)).unwrap_or_default(),
        earliest_seconds: of.earliest,
        latest_seconds: of.latest,
    }
}

pub fn rule_set(rules: &RuleSet) -> wire::RuleSet {
    wire::RuleSet {
        code: rules.code.to_owned(),
        version: rules.version,
        title: rules.title.to_owned(),
        daily_rest_seconds: rules.daily_rest,
        weekly_rest_seconds: rules.weekly_rest,
        max_day_seconds: rules.max_day,
        max_week_seconds: rules.max_week,
        max_stretch_seconds: rules.max_stretch,
        breaks: rules
            .breaks
            .iter()
            .map(|rule| wire::BreakRule { work_above_seconds: rule.work_above, break_seconds: rule.breaks })
            .collect(),
        max_days_in_week: rules.max_days_in_week,
        min_break_part_seconds: rules.min_break_part,
        weekly_rest_inside_seconds: rules.weekly_rest_inside,
        night: rules.night.map(|night| wire::NightRule {
            start: civil::clock_text(night.from),
            end: civil::clock_text(night.until),
            work_above_seconds: night.work_above,
            max_day_seconds: night.max_day,
        }),
        sundays: rules.sundays.map(|sundays| wire::SundayRule {
            free_in_year: sundays.free_in_year,
            holidays_count_twice: sundays.holidays_count_twice,
        }),
    }
}

pub fn time_off(of: &TimeOff) -> wire::TimeOff {
    let kind = match of.kind.as_str() {
        "vacation" => wire::TimeOffKind::Vacation,
        "sickness" => wire::TimeOffKind::Sickness,
        "training" => wire::TimeOffKind::Training,
        _ => wire::TimeOffKind::Other,
    };
    wire::TimeOff {
        time_off_id: of.id.to_string(),
        user_id: of.user.to_string(),
        kind: kind.into(),
        first_day: of.absence.first.to_string(),
        last_day: of.absence.last.to_string(),
        paid: of.paid,
        credited_seconds_per_day: of.absence.credit,
        cancelled: of.cancelled,
        local_start: of.absence.hours.map(|(from, _)| civil::long_clock_text(from)).unwrap_or_default(),
        local_end: of.absence.hours.map(|(_, to)| civil::long_clock_text(to)).unwrap_or_default(),
    }
}

/// The word of a kind; none for what is not set or not known.
pub fn time_off_word(kind: i32) -> Option<&'static str> {
    match wire::TimeOffKind::try_from(kind).ok()? {
        wire::TimeOffKind::Unspecified => None,
        wire::TimeOffKind::Vacation => Some("vacation"),
        wire::TimeOffKind::Sickness => Some("sickness"),
        wire::TimeOffKind::Training => Some("training"),
        wire::TimeOffKind::Other => Some("other"),
    }
}

pub fn volume(of: Volume) -> wire::Volume {
    wire::Volume {
        start_time: Some(timestamp(of.starts_at)),
        language: of.language,
        channel: of.channel,
        offered: of.offered,
        handled: of.handled,
        handle_seconds: of.handle_seconds,
        timed: of.timed,
    }
}

pub fn forecast(of: &Forecast, series: Vec<ForecastSeries>) -> wire::Forecast {
    let source = if of.from_history { wire::ForecastSource::History } else { wire::ForecastSource::Given };
    let series = series.into_iter().map(|one| wire::ForecastSeries {
        language: one.language,
        channel: one.channel,
        contacts: one.contacts,
        handle_seconds: one.handle_seconds,
        history_weeks: one.history_weeks,
        lower_contacts: one.lower_ends,
        upper_contacts: one.upper_ends,
        wape: one.wape,
        seasonal_naive_wape: one.seasonal_naive_wape,
        methods: one.methods,
    });
    wire::Forecast {
        forecast_id: of.id.to_string(),
        seller_id: of.seller.to_string(),
        source: source.into(),
        model: of.model.clone(),
        start_time: Some(timestamp(of.starts_at)),
        step_seconds: of.step_seconds,
        intervals: of.intervals,
        series: series.collect(),
        create_time: Some(timestamp(of.created_at)),
        history_end_time: of.history_ends_at.map(timestamp),
    }
}

/// `plan` is what was asked for, decoded.
pub fn requirement(of: &Requirement, plan: wire::Requirement, series: Vec<RequirementSeries>) -> wire::Requirement {
    let series = series.into_iter().map(|one| wire::RequirementSeries {
        language: one.language,
        channel: one.channel,
        working: one.working,
        scheduled: one.scheduled.into_iter().map(|people| f64::from(people) / 100.0).collect(),
        unplaced_seconds: one.unplaced_seconds,
    });
    wire::Requirement {
        requirement_id: of.id.to_string(),
        seller_id: of.seller.to_string(),
        forecast_id: of.forecast.to_string(),
        start_time: Some(timestamp(of.starts_at)),
        step_seconds: of.step_seconds,
        intervals: of.intervals,
        series: series.collect(),
        create_time: Some(timestamp(of.created_at)),
        ..plan
    }
}

pub fn state(of: ScheduleState) -> wire::ScheduleState {
    match of {
        ScheduleState::Solving => wire::ScheduleState::Solving,
        ScheduleState::Draft => wire::ScheduleState::Draft,
        ScheduleState::Published => wire::ScheduleState::Published,
        ScheduleState::Superseded => wire::ScheduleState::Superseded,
        ScheduleState::Cancelled => wire::ScheduleState::Cancelled,
        ScheduleState::Failed => wire::ScheduleState::Failed,
    }
}

pub fn schedule(of: &Schedule, shortfalls: &[Shortfall]) -> wire::Schedule {
    let solved = &of.solved;
    let open = (solved.understaffed_seconds - solved.bound_seconds).max(0);
    let above = (solved.cost - solved.cost_bound).max(0);
    let progress = wire::SolveProgress {
        iterations: solved.iterations,
        required_seconds: solved.required_seconds,
        understaffed_seconds: solved.understaffed_seconds,
        overstaffed_seconds: solved.overstaffed_seconds,
        understaffed_bound_seconds: solved.bound_seconds,
        gap: if solved.required_seconds == 0 { 0.0 } else { open as f64 / solved.required_seconds as f64 },
        elapsed_seconds: solved.elapsed_ms as f64 / 1_000.0,
        cost: solved.cost,
        cost_bound: solved.cost_bound,
        cost_parts: Some(wire::CostParts {
            understaffing: solved.parts.missing,
            overstaffing: solved.parts.idle,
            owed_hours: solved.parts.owed,
            wishes: solved.parts.wishes,
            unfairness: solved.parts.unfairness,
            changes: solved.parts.changes,
        }),
        cost_gap: if solved.cost == 0 { 0.0 } else { above as f64 / solved.cost as f64 },
    };
    let kept = !matches!(of.state, ScheduleState::Solving | ScheduleState::Failed | ScheduleState::Cancelled);
    let shortfalls = shortfalls.iter().map(|one| wire::ContractShortfall {
        user_id: one.user.to_string(),
        week: one.week.to_string(),
        missing_seconds: one.missing_seconds,
    });
    wire::Schedule {
        schedule_id: of.id.to_string(),
        name: of.name.clone(),
        state: state(of.state).into(),
        first_day: of.first_day.to_string(),
        days: of.days,
        requirement_ids: of.requirements.iter().map(ToString::to_string).collect(),
        progress: Some(progress),
        people: of.people,
        shifts: of.shifts,
        failure: of.failure.clone(),
        etag: etag(of.version),
        create_time: Some(timestamp(of.created_at)),
        publish_time: of.published_at.map(timestamp),
        shortfalls: shortfalls.collect(),
        fairness_policy_version: of.policy_version,
        start_schedule_id: of.start.map(|id| id.to_string()).unwrap_or_default(),
        start_comparison: of.start.filter(|_| kept).map(|_| wire::StartComparison {
            kept: of.comparison.kept,
            moved: of.comparison.moved,
            added: of.comparison.added,
            removed: of.comparison.removed,
            changed_seconds: of.comparison.seconds,
        }),
    }
}

pub fn shift(of: &Shift) -> wire::Shift {
    let clock = |at: i64| {
        let zone = civil::zone(&of.zone).unwrap_or(jiff::tz::TimeZone::UTC);
        let civil = zone.to_datetime(Timestamp::from_second(at).unwrap_or(Timestamp::MAX));
        format!("{:02}:{:02}", civil.hour(), civil.minute())
    };
    wire::Shift {
        shift_id: of.id.to_string(),
        schedule_id: of.schedule.to_string(),
        user_id: of.user.to_string(),
        day: of.day.to_string(),
        zone: of.zone.clone(),
        local_start: clock(of.duty.start),
        local_end: clock(of.duty.end),
        start_time: Some(second(of.duty.start)),
        end_time: Some(second(of.duty.end)),
        breaks: ranges(&of.duty.breaks),
        work_seconds: of.duty.work(),
        paid_breaks: ranges(&of.duty.paid_breaks),
        activities: of.duty.activities.iter().map(session).collect(),
    }
}
