set client_min_messages = warning;
-- The log between services. A relay moves its service's outbox here in commit
-- order; every consumer keeps a cursor per source. Only relay roles reach it,
-- each writing as its own service. Repeatable.
create table if not exists bus.event (
    source text not null,
    position bigint generated always as identity,
    event_id uuid not null,
    provider_id uuid not null,
    seller_id uuid not null,
    key text not null,
    kind text not null,
    payload bytea not null,
    traceparent text not null,
    occurred_at timestamptz not null,
    constraint event_pk primary key (source, position)
);

create table if not exists bus.cursor (
    consumer text not null,
    source text not null,
    position bigint not null,
    constraint cursor_pk primary key (consumer, source)
);

alter table bus.event enable row level security;
alter table bus.event force row level security;
alter table bus.cursor enable row level security;
alter table bus.cursor force row level security;

do $$
declare
    service text;
    relay text;
begin
    foreach service in array array['tenants', 'tickets', 'routing', 'workforce', 'billing'] loop
        relay := service || '_relay';
        execute format('grant usage on schema bus to %I', relay);
        execute format('grant select, insert, delete on bus.event to %I', relay);
        execute format('grant select, insert, update on bus.cursor to %I', relay);
        execute format('drop policy if exists %I on bus.event', relay || '_reads');
        execute format('create policy %I on bus.event for select to %I using (true)', relay || '_reads', relay);
        execute format('drop policy if exists %I on bus.event', relay || '_writes');
        execute format('create policy %I on bus.event for insert to %I with check (source = %L)', relay || '_writes', relay, service);
        execute format('drop policy if exists %I on bus.event', relay || '_prunes');
        execute format('create policy %I on bus.event for delete to %I using (source = %L)', relay || '_prunes', relay, service);
        execute format('drop policy if exists %I on bus.cursor', relay || '_reads');
        execute format('create policy %I on bus.cursor for select to %I using (true)', relay || '_reads', relay);
        execute format('drop policy if exists %I on bus.cursor', relay || '_adds');
        execute format('create policy %I on bus.cursor for insert to %I with check (consumer = %L)', relay || '_adds', relay, service);
        execute format('drop policy if exists %I on bus.cursor', relay || '_moves');
        execute format('create policy %I on bus.cursor for update to %I using (consumer = %L) with check (consumer = %L)', relay || '_moves', relay, service, service);
    end loop;
end $$;
