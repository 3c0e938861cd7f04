-- The day as it goes: how the rest of it is forecast again, what is watched, who is excused, what planners are told.

-- The zone in which a forecast's days repeat, and how much the rest of a day follows its morning, by half
-- hour; empty for given volumes.
alter table workforce.forecast add column zone text not null default '';
alter table workforce.forecast_series add column damping double precision[] not null default '{}';

-- By how much agents may be off their schedule. Seconds.
create table workforce.adherence_policy (
    provider_id uuid not null,
    version bigint not null default 1,
    late_seconds integer not null,
    away_seconds integer not null,
    absent_after_seconds integer not null,
    unscheduled_seconds integer not null,
    updated_at timestamptz not null,
    constraint adherence_policy_pk primary key (provider_id)
);
select ctx.guard_provider_table('workforce.adherence_policy', 'select, insert, update');

-- Time in which somebody (nobody named = everybody) is excused from the schedule.
create table workforce.adherence_exception (
    provider_id uuid not null,
    exception_id uuid not null,
    user_id uuid,
    kind text not null,
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    paid boolean not null,
    reason text not null,
    entered_by uuid,
    created_at timestamptz not null,
    cancelled boolean not null default false,
    constraint adherence_exception_pk primary key (provider_id, exception_id),
    constraint adherence_exception_staff_fk foreign key (provider_id, user_id)
        references workforce.staff (provider_id, user_id),
    constraint adherence_exception_kind_known check (kind in ('meeting', 'training', 'coaching', 'system_outage', 'other')),
    constraint adherence_exception_in_order check (starts_at < ends_at)
);
create index adherence_exception_by_start on workforce.adherence_exception (provider_id, starts_at, exception_id);
select ctx.guard_provider_table('workforce.adherence_exception', 'select, insert, update');

-- What planners are told. The key names the occurrence, so that it is told once. It may name a seller, but it is
-- the planners' row.
create table workforce.planner_alert (
    provider_id uuid not null,
    alert_id uuid not null,
    key text not null,
    kind text not null,
    user_id uuid,
    for_seller_id uuid,
    channel text not null default '',
    about_at timestamptz not null,
    required_people double precision not null default 0,
    covered_people double precision not null default 0,
    raised_at timestamptz not null,
    ended_at timestamptz,
    acknowledged_at timestamptz,
    acknowledged_by uuid,
    constraint planner_alert_pk primary key (provider_id, alert_id),
    constraint planner_alert_once unique (provider_id, key),
    constraint planner_alert_kind_known check
        (kind in ('late', 'absent', 'away', 'early_leave', 'unscheduled_work', 'promise_at_risk'))
);
create index planner_alert_newest on workforce.planner_alert (provider_id, raised_at desc, alert_id desc);
create index planner_alert_open on workforce.planner_alert (provider_id, raised_at desc, alert_id desc) where ended_at is null;
create index planner_alert_of_seller on workforce.planner_alert (provider_id, for_seller_id) where for_seller_id is not null;
select ctx.guard_provider_table('workforce.planner_alert');

-- Providers whose published shifts are compared with presence, and when next.
create table workforce.floor_watch (
    provider_id uuid not null,
    due_at timestamptz,
    constraint floor_watch_pk primary key (provider_id)
);
create index floor_watch_due on workforce.floor_watch (due_at) where due_at is not null;
select ctx.guard_provider_table('workforce.floor_watch', 'select, insert, update');
select ctx.expose_due_columns('workforce.floor_watch', 'provider_id, due_at');

-- Sellers whose day is looked at, and when next.
create table workforce.intraday_watch (
    provider_id uuid not null,
    seller_id uuid not null,
    due_at timestamptz,
    constraint intraday_watch_pk primary key (provider_id, seller_id)
);
create index intraday_watch_due on workforce.intraday_watch (due_at) where due_at is not null;
select ctx.guard_seller_table('workforce.intraday_watch');
select ctx.expose_due_columns('workforce.intraday_watch', 'provider_id, seller_id, due_at');

-- A requirement is found by the days it holds.
create index requirement_by_start on workforce.requirement (provider_id, seller_id, starts_at);
