-- Schedules held against a simulation: the last one of each.
create table workforce.schedule_proof (
    provider_id uuid not null,
    schedule_id uuid not null,
    state text not null,
    -- While waiting: when the work is to be taken up (again), by whom, how often it was.
    due_at timestamptz,
    claim uuid,
    attempts integer not null default 0,
    failure text not null default '',
    -- What was simulated, and what came of it: value, low and high; null where it is not known.
    schedule_version bigint not null default 0,
    replications integer not null default 0,
    confidence double precision not null default 0,
    occupancy double precision[] not null default '{}',
    asked_at timestamptz not null,
    done_at timestamptz,
    constraint schedule_proof_pk primary key (provider_id, schedule_id),
    constraint schedule_proof_schedule_fk foreign key (provider_id, schedule_id)
        references workforce.schedule (provider_id, schedule_id),
    constraint schedule_proof_state_known check (state in ('waiting', 'done', 'failed')),
    constraint schedule_proof_due_while_waiting check ((state = 'waiting') = (due_at is not null))
);
create index schedule_proof_due on workforce.schedule_proof (due_at) where due_at is not null;
select ctx.guard_provider_table('workforce.schedule_proof', 'select, insert, update');
select ctx.expose_due_columns('workforce.schedule_proof', 'provider_id, schedule_id, due_at');

-- Each figure is value, low and high. It names its seller, but it is the planners' row.
create table workforce.schedule_proof_line (
    provider_id uuid not null,
    schedule_id uuid not null,
    for_seller_id uuid not null,
    channel text not null,
    target double precision not null,
    shown double precision not null,
    contacts double precision not null,
    service_level double precision[] not null,
    mean_wait double precision[] not null,
    abandonment double precision[] not null,
    constraint schedule_proof_line_pk primary key (provider_id, schedule_id, for_seller_id, channel),
    constraint schedule_proof_line_proof_fk foreign key (provider_id, schedule_id)
        references workforce.schedule_proof (provider_id, schedule_id)
);
create index schedule_proof_line_of_seller on workforce.schedule_proof_line (provider_id, for_seller_id);
select ctx.guard_provider_table('workforce.schedule_proof_line', 'select, insert, delete');
