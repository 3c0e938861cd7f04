-- What people would rather work or not, how burdens are shared, and what a schedule costs by what costs it.

-- A wish holds on days of a range, of one weekday or all (0), in a window of civil time in minutes after midnight.
create table workforce.agent_wish (
    provider_id uuid not null,
    wish_id uuid not null,
    user_id uuid not null,
    wanted boolean not null,
    strength integer not null,
    weekday integer not null,
    start_minute integer not null,
    end_minute integer not null,
    first_day date,
    last_day date,
    created_at timestamptz not null,
    constraint agent_wish_pk primary key (provider_id, wish_id),
    constraint agent_wish_staff_fk foreign key (provider_id, user_id)
        references workforce.staff (provider_id, user_id),
    constraint agent_wish_strength check (strength between 1 and 3),
    constraint agent_wish_weekday check (weekday between 0 and 7),
    constraint agent_wish_in_order check (start_minute < end_minute and (first_day is null or last_day is null or first_day <= last_day))
);
create index agent_wish_by_user on workforce.agent_wish (provider_id, user_id, wish_id);
select ctx.guard_provider_table('workforce.agent_wish', 'select, insert, delete');

-- Every version stays. Weights are points per person-second.
create table workforce.fairness_policy (
    provider_id uuid not null,
    version integer not null,
    wish_weight integer not null,
    weekend_weight integer not null,
    night_weight integer not null,
    unpopular_weight integer not null,
    weekend_days integer[] not null,
    night_start integer not null,
    night_end integer not null,
    unpopular_weekdays integer[] not null,
    unpopular_starts integer[] not null,
    unpopular_ends integer[] not null,
    memory_weeks integer not null,
    changed_by uuid,
    created_at timestamptz not null,
    constraint fairness_policy_pk primary key (provider_id, version),
    constraint fairness_policy_windows_match check
        (cardinality(unpopular_weekdays) = cardinality(unpopular_starts)
         and cardinality(unpopular_starts) = cardinality(unpopular_ends))
);
select ctx.guard_provider_table('workforce.fairness_policy', 'select, insert');

-- Points by what costs them: missing, idle, owed, wishes, unfairness, changes; and the policy that counted.
alter table workforce.schedule
    add column cost_parts bigint[] not null default '{0,0,0,0,0,0}',
    add column policy_version integer not null default 0;
