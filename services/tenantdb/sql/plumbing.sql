-- What every service's schema has. `{service}` is the schema. Run once, as the
-- owner of the schema, before the service's own migrations. Not to be changed:
-- what comes later is a version of its own (plumbing_2.sql).

-- Events kept with the change that caused them; the relay moves them on.
create table {service}.outbox (
    provider_id uuid not null,
    seller_id uuid not null,
    event_id uuid not null,
    position bigint generated always as identity,
    key text not null,
    kind text not null,
    payload bytea not null,
    traceparent text not null,
    occurred_at timestamptz not null,
    constraint outbox_pk primary key (provider_id, seller_id, event_id)
);
create index outbox_order on {service}.outbox (position);
select ctx.guard_mixed_table('{service}.outbox', 'select, insert');
create policy relay_reads on {service}.outbox for select to {service}_relay using (true);
create policy relay_moves on {service}.outbox for delete to {service}_relay using (true);
grant select, delete on {service}.outbox to {service}_relay;

-- Events that were applied, so that redelivery changes nothing.
create table {service}.inbox (
    provider_id uuid not null,
    seller_id uuid not null,
    event_id uuid not null,
    applied_at timestamptz not null,
    constraint inbox_pk primary key (provider_id, seller_id, event_id)
);
create index inbox_age on {service}.inbox (provider_id, applied_at);
select ctx.guard_mixed_table('{service}.inbox');

-- Events that could not be applied; an operator sees and replays them.
create table {service}.dead_letter (
    provider_id uuid not null,
    seller_id uuid not null,
    event_id uuid not null,
    source text not null,
    kind text not null,
    payload bytea not null,
    reason text not null,
    failed_at timestamptz not null,
    constraint dead_letter_pk primary key (provider_id, seller_id, event_id)
);
select ctx.guard_mixed_table('{service}.dead_letter');

-- Requests that were answered, so that a retry gets the same answer.
create table {service}.replay (
    provider_id uuid not null,
    seller_id uuid not null,
    subject uuid not null,
    method text not null,
    request_id text not null,
    fingerprint bytea not null,
    response bytea,
    answered_at timestamptz not null,
    constraint replay_pk primary key (provider_id, seller_id, subject, method, request_id)
);
create index replay_age on {service}.replay (provider_id, answered_at);
select ctx.guard_mixed_table('{service}.replay');
