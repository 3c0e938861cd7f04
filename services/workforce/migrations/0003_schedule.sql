-- Schedules and shifts. They belong to the provider: one person serves many sellers.

create table workforce.schedule (
    provider_id uuid not null,
    schedule_id uuid not null,
    version bigint not null default 1,
    name text not null,
    state text not null,
    first_day date not null,
    days integer not null,
    step_seconds bigint not null,
    requirement_ids uuid[] not null,
    -- Agents asked for; empty = all. After solving: everybody who was considered.
    user_ids uuid[] not null,
    solve_seconds integer not null,
    seed bigint not null,
    max_iterations bigint not null,
    -- While solving: when the work is to be taken up (again), by whom, how often it was.
    due_at timestamptz,
    claim uuid,
    attempts integer not null default 0,
    iterations bigint not null default 0,
    required_seconds bigint not null default 0,
    understaffed_seconds bigint not null default 0,
    overstaffed_seconds bigint not null default 0,
    bound_seconds bigint not null default 0,
    elapsed_ms bigint not null default 0,
    people integer not null default 0,
    shifts integer not null default 0,
    failure text not null default '',
    created_at timestamptz not null,
    published_at timestamptz,
    constraint schedule_pk primary key (provider_id, schedule_id),
    constraint schedule_state_known
        check (state in ('solving', 'draft', 'published', 'superseded', 'cancelled', 'failed')),
    constraint schedule_due_while_solving check ((state = 'solving') = (due_at is not null)),
    constraint schedule_days_in_range check (days between 1 and 28)
);
create index schedule_newest on workforce.schedule (provider_id, created_at desc, schedule_id desc);
create index schedule_published on workforce.schedule (provider_id, first_day) where state = 'published';
create index schedule_due on workforce.schedule (due_at) where due_at is not null;
select ctx.guard_provider_table('workforce.schedule', 'select, insert, update');
select ctx.expose_due_columns('workforce.schedule', 'provider_id, schedule_id, due_at');

-- The demand that a schedule was made for, copied when it was asked for: hundredths of people per
-- interval of the schedule's grid. It names its seller, but it is the planners' row.
create table workforce.schedule_need (
    provider_id uuid not null,
    schedule_id uuid not null,
    for_seller_id uuid not null,
    language text not null,
    certification_required boolean not null,
    people integer[] not null,
    constraint schedule_need_pk primary key (provider_id, schedule_id, for_seller_id, language),
    constraint schedule_need_schedule_fk foreign key (provider_id, schedule_id)
        references workforce.schedule (provider_id, schedule_id)
);
create index schedule_need_of_seller on workforce.schedule_need (provider_id, for_seller_id);
select ctx.guard_provider_table('workforce.schedule_need', 'select, insert, delete');

create table workforce.shift (
    provider_id uuid not null,
    shift_id uuid not null,
    schedule_id uuid not null,
    user_id uuid not null,
    -- The day on which it starts, in its zone.
    day date not null,
    zone text not null,
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    break_starts timestamptz[] not null,
    break_ends timestamptz[] not null,
    work_seconds bigint not null,
    -- Published and not superseded.
    live boolean not null default false,
    constraint shift_pk primary key (provider_id, shift_id),
    constraint shift_schedule_fk foreign key (provider_id, schedule_id)
        references workforce.schedule (provider_id, schedule_id),
    constraint shift_staff_fk foreign key (provider_id, user_id) references workforce.staff (provider_id, user_id),
    constraint shift_in_order check (starts_at < ends_at),
    constraint shift_breaks_match check (cardinality(break_starts) = cardinality(break_ends)),
    constraint shift_one_a_day unique (provider_id, schedule_id, user_id, day)
);
-- Nobody has two published shifts on one day.
create unique index shift_live_once on workforce.shift (provider_id, user_id, day) where live;
create index shift_by_start on workforce.shift (provider_id, schedule_id, starts_at, shift_id);
create index shift_live_by_day on workforce.shift (provider_id, day, user_id) where live;
select ctx.guard_provider_table('workforce.shift', 'select, insert, update, delete');

-- What contracts owe and a schedule could not fill.
create table workforce.schedule_shortfall (
    provider_id uuid not null,
    schedule_id uuid not null,
    user_id uuid not null,
    week date not null,
    missing_seconds bigint not null,
    constraint schedule_shortfall_pk primary key (provider_id, schedule_id, user_id, week),
    constraint schedule_shortfall_schedule_fk foreign key (provider_id, schedule_id)
        references workforce.schedule (provider_id, schedule_id)
);
select ctx.guard_provider_table('workforce.schedule_shortfall', 'select, insert, delete');
