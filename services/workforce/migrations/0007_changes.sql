-- What happens to published schedules: versions, proposals, leave.

-- Versions of a schedule from its publication on.
create table workforce.schedule_revision (
    provider_id uuid not null,
    schedule_id uuid not null,
    revision integer not null,
    cause text not null,
    changed_by uuid,
    changed_at timestamptz not null,
    constraint schedule_revision_pk primary key (provider_id, schedule_id, revision),
    constraint schedule_revision_schedule_fk foreign key (provider_id, schedule_id)
        references workforce.schedule (provider_id, schedule_id),
    constraint schedule_revision_cause_known check (cause in
        ('published', 'sickness', 'leave', 'swap', 'open_shift', 'overtime', 'time_off_early', 'planner'))
);
select ctx.guard_provider_table('workforce.schedule_revision', 'select, insert');

-- What a version did to an agent's day: from nothing, to nothing, or to another time.
create table workforce.shift_change (
    provider_id uuid not null,
    schedule_id uuid not null,
    revision integer not null,
    user_id uuid not null,
    day date not null,
    before_starts_at timestamptz,
    before_ends_at timestamptz,
    before_break_starts_at timestamptz,
    before_break_ends_at timestamptz,
    after_starts_at timestamptz,
    after_ends_at timestamptz,
    after_break_starts_at timestamptz,
    after_break_ends_at timestamptz,
    constraint shift_change_pk primary key (provider_id, schedule_id, revision, user_id, day),
    constraint shift_change_revision_fk foreign key (provider_id, schedule_id, revision)
        references workforce.schedule_revision (provider_id, schedule_id, revision),
    constraint shift_change_something check (before_starts_at is not null or after_starts_at is not null)
);
select ctx.guard_provider_table('workforce.shift_change', 'select, insert');

-- How a schedule could change, for a planner to decide. The changes are kept as arrays, one entry a line.
create table workforce.shift_proposal (
    provider_id uuid not null,
    proposal_id uuid not null,
    version bigint not null default 1,
    schedule_id uuid not null,
    cause text not null,
    user_id uuid not null,
    state text not null,
    uncovered_without_seconds bigint not null,
    uncovered_seconds bigint not null,
    left_open integer not null,
    created_at timestamptz not null,
    decided_at timestamptz,
    decided_by uuid,
    constraint shift_proposal_pk primary key (provider_id, proposal_id),
    constraint shift_proposal_schedule_fk foreign key (provider_id, schedule_id)
        references workforce.schedule (provider_id, schedule_id),
    constraint shift_proposal_state_known check (state in ('proposed', 'accepted', 'rejected')),
    constraint shift_proposal_cause_known check (cause in ('sickness', 'leave'))
);
create index shift_proposal_newest on workforce.shift_proposal (provider_id, created_at desc, proposal_id desc);
create index shift_proposal_open on workforce.shift_proposal (provider_id, created_at desc, proposal_id desc)
    where state = 'proposed';
select ctx.guard_provider_table('workforce.shift_proposal', 'select, insert, update');

-- One agent's day in a proposal. A shift that is taken out is named, so that it is known when it has changed.
create table workforce.shift_proposal_line (
    provider_id uuid not null,
    proposal_id uuid not null,
    user_id uuid not null,
    day date not null,
    shift_id uuid,
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    break_starts timestamptz[] not null,
    break_ends timestamptz[] not null,
    constraint shift_proposal_line_pk primary key (provider_id, proposal_id, user_id, day),
    constraint shift_proposal_line_proposal_fk foreign key (provider_id, proposal_id)
        references workforce.shift_proposal (provider_id, proposal_id)
);
select ctx.guard_provider_table('workforce.shift_proposal_line', 'select, insert');

-- What an agent may take in a year. Amounts in hundredths of the unit.
create table workforce.leave_allowance (
    provider_id uuid not null,
    user_id uuid not null,
    year integer not null,
    version bigint not null default 1,
    unit text not null,
    granted bigint not null,
    carried bigint not null,
    day_seconds bigint not null,
    holiday_region text not null,
    updated_at timestamptz not null,
    constraint leave_allowance_pk primary key (provider_id, user_id, year),
    constraint leave_allowance_staff_fk foreign key (provider_id, user_id)
        references workforce.staff (provider_id, user_id),
    constraint leave_allowance_unit_known check (unit in ('days', 'hours')),
    constraint leave_allowance_positive check (0 <= granted and 0 <= carried and 0 < day_seconds)
);
select ctx.guard_provider_table('workforce.leave_allowance', 'select, insert, update');

create table workforce.leave_request (
    provider_id uuid not null,
    leave_id uuid not null,
    version bigint not null default 1,
    user_id uuid not null,
    kind text not null,
    first_day date not null,
    last_day date not null,
    year integer not null,
    amount bigint not null,
    note text not null,
    state text not null,
    reason text not null default '',
    decided_by uuid,
    decided_at timestamptz,
    time_off_id uuid,
    created_at timestamptz not null,
    constraint leave_request_pk primary key (provider_id, leave_id),
    constraint leave_request_staff_fk foreign key (provider_id, user_id)
        references workforce.staff (provider_id, user_id),
    constraint leave_request_kind_known check (kind in ('vacation', 'training', 'other')),
    constraint leave_request_state_known check (state in ('requested', 'approved', 'refused', 'withdrawn')),
    constraint leave_request_in_order check (first_day <= last_day)
);
create index leave_request_newest on workforce.leave_request (provider_id, created_at desc, leave_id desc);
create index leave_request_of_user on workforce.leave_request (provider_id, user_id, created_at desc, leave_id desc);
select ctx.guard_provider_table('workforce.leave_request', 'select, insert, update');
