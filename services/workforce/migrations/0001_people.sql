-- Who can be planned: the staff directory's read copy, contracts, time off, and what people did.
-- All of it belongs to the provider: people are shared by its sellers.

-- The staff directory as the tenants service tells it. Pairs of arrays stand for lists.
create table workforce.staff (
    provider_id uuid not null,
    user_id uuid not null,
    revision bigint not null,
    display_name text not null,
    is_agent boolean not null,
    active boolean not null,
    zone text not null,
    site text not null,
    languages text[] not null,
    levels text[] not null,
    seller_ids uuid[] not null,
    certified_sellers uuid[] not null,
    certified_until timestamptz[] not null,
    constraint staff_pk primary key (provider_id, user_id),
    constraint staff_languages_have_levels check (cardinality(languages) = cardinality(levels)),
    constraint staff_certificates_have_ends check (cardinality(certified_sellers) = cardinality(certified_until))
);
select ctx.guard_provider_table('workforce.staff');

-- What a contract says about working time. Durations in seconds, clock times in minutes.
create table workforce.employment (
    provider_id uuid not null,
    user_id uuid not null,
    version bigint not null default 1,
    zone text not null,
    rule_set text not null,
    rule_set_version integer not null,
    min_week_seconds bigint not null,
    max_week_seconds bigint not null,
    min_shift_seconds bigint not null,
    max_shift_seconds bigint not null,
    max_days_in_row integer not null,
    window_weekdays integer[] not null,
    window_starts integer[] not null,
    window_ends integer[] not null,
    starts_on date not null,
    ends_on date,
    updated_at timestamptz not null,
    constraint employment_pk primary key (provider_id, user_id),
    constraint employment_staff_fk foreign key (provider_id, user_id) references workforce.staff (provider_id, user_id),
    constraint employment_week_in_order check (0 <= min_week_seconds and min_week_seconds <= max_week_seconds),
    constraint employment_shift_in_order check (0 < min_shift_seconds and min_shift_seconds <= max_shift_seconds),
    constraint employment_days_in_order check (ends_on is null or starts_on <= ends_on),
    constraint employment_windows_match
        check (cardinality(window_weekdays) = cardinality(window_starts) and cardinality(window_starts) = cardinality(window_ends))
);
select ctx.guard_provider_table('workforce.employment');

create table workforce.time_off (
    provider_id uuid not null,
    time_off_id uuid not null,
    user_id uuid not null,
    kind text not null,
    first_day date not null,
    last_day date not null,
    paid boolean not null,
    credited_seconds_per_day bigint not null,
    cancelled boolean not null default false,
    created_at timestamptz not null,
    constraint time_off_pk primary key (provider_id, time_off_id),
    constraint time_off_staff_fk foreign key (provider_id, user_id) references workforce.staff (provider_id, user_id),
    constraint time_off_kind_known check (kind in ('vacation', 'sickness', 'training', 'other')),
    constraint time_off_in_order check (first_day <= last_day)
);
create index time_off_by_day on workforce.time_off (provider_id, first_day, time_off_id);
create index time_off_by_user on workforce.time_off (provider_id, user_id, last_day);
select ctx.guard_provider_table('workforce.time_off', 'select, insert, update');

-- Presence as routing recorded it.
create table workforce.presence (
    provider_id uuid not null,
    user_id uuid not null,
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    state text not null,
    reason text not null,
    constraint presence_pk primary key (provider_id, user_id, starts_at),
    constraint presence_in_order check (starts_at <= ends_at)
);
create index presence_by_end on workforce.presence (provider_id, user_id, ends_at);
select ctx.guard_provider_table('workforce.presence', 'select, insert, update');

-- Handled seconds of an agent on a local day, for each seller she worked for, and what was told
-- about the paid part of it.
create table workforce.paid_part (
    provider_id uuid not null,
    user_id uuid not null,
    day date not null,
    for_seller_id uuid not null,
    handled_seconds bigint not null default 0,
    paid_seconds bigint not null default 0,
    productive_seconds bigint not null default 0,
    revision bigint not null default 0,
    constraint paid_part_pk primary key (provider_id, user_id, day, for_seller_id),
    constraint paid_part_positive check (0 <= handled_seconds and 0 <= paid_seconds and productive_seconds <= paid_seconds)
);
select ctx.guard_provider_table('workforce.paid_part');

-- Days whose paid hours are to be settled, again after every correction.
create table workforce.paid_day (
    provider_id uuid not null,
    paid_day_id uuid not null,
    user_id uuid not null,
    day date not null,
    zone text not null,
    due_at timestamptz,
    -- Rises with everything that is told about the day.
    touched bigint not null default 1,
    constraint paid_day_pk primary key (provider_id, paid_day_id),
    constraint paid_day_once unique (provider_id, user_id, day)
);
create index paid_day_due on workforce.paid_day (due_at) where due_at is not null;
select ctx.guard_provider_table('workforce.paid_day');
select ctx.expose_due_columns('workforce.paid_day', 'provider_id, paid_day_id, due_at');
