set client_min_messages = warning;
-- One database: the schema of the tenant context and a schema per service,
-- each owned by its own role. Repeatable.
create schema if not exists ctx authorization ctx_owner;
revoke all on schema public from public;
-- An injected statement must not be able to switch the tenant.
revoke execute on function pg_catalog.set_config(text, text, boolean) from public;

do $$
declare
    service text;
begin
    foreach service in array array['tenants', 'tickets', 'routing', 'workforce', 'billing'] loop
        execute format('create schema if not exists %I authorization %I', service, service || '_owner');
        execute format('grant usage on schema %I to %I, %I', service, service || '_app', service || '_relay');
        execute format('grant usage on schema ctx to %I, %I, %I',
            service || '_owner', service || '_app', service || '_relay');
        execute format('alter role %I in database %I set search_path = %I', service || '_app', current_database(), service);
        execute format('alter role %I in database %I set search_path = %I', service || '_relay', current_database(), service);
        -- A relay does the same few things over and over, each by one index, and nothing that must be on disk at
        -- once: what a crash takes of its work is done again.
        execute format('alter role %I in database %I set plan_cache_mode = force_generic_plan', service || '_relay', current_database());
        execute format('alter role %I in database %I set synchronous_commit = off', service || '_relay', current_database());
    end loop;
    create schema if not exists bus authorization bus_owner;
end $$;

-- Missing context is an error, never "everything".
create or replace function ctx.missing() returns text
    language plpgsql stable parallel safe set search_path = pg_catalog as $$
begin
    raise exception 'no tenant context' using errcode = 'insufficient_privilege';
end $$;

-- The next three stand in every policy and run several times a statement. Each is one expression without
-- settings of its own, so that the planner puts it in the place of the call; names are written out instead.

-- The provider of the running transaction.
create or replace function ctx.provider() returns uuid language sql stable parallel safe as $$
    select coalesce(nullif(pg_catalog.current_setting('app.provider_id', true), ''), ctx.missing())::pg_catalog.uuid
$$;

-- The sellers that the running transaction may read.
create or replace function ctx.readable() returns uuid[] language sql stable parallel safe as $$
    select coalesce(nullif(pg_catalog.current_setting('app.seller_ids', true), ''), ctx.missing())::pg_catalog.uuid[]
$$;

-- The sellers that the running transaction may write: none, one, or those of a
-- group insert whose rows were admitted one by one.
create or replace function ctx.writable() returns uuid[] language sql stable parallel safe as $$
    select coalesce(nullif(pg_catalog.current_setting('app.writable', true), ''), ctx.missing())::pg_catalog.uuid[]
$$;

-- Whether the running transaction spells out the provider's sellers.
create or replace function ctx.enumerates() returns boolean
    language sql stable parallel safe set search_path = pg_catalog as $$
    select coalesce(current_setting('app.enumerates', true), '') = 'on'
$$;

-- What stands in the seller column of rows that belong to no single seller.
create or replace function ctx.no_seller() returns uuid
    language sql immutable parallel safe set search_path = pg_catalog as $$
    select '00000000-0000-0000-0000-000000000000'::uuid
$$;

create or replace function ctx.secure(target text, reads text, writes text, privileges text) returns void
    language plpgsql set search_path = pg_catalog as $$
declare
    app text := split_part(target, '.', 1) || '_app';
begin
    execute format('alter table %s enable row level security', target);
    execute format('alter table %s force row level security', target);
    execute format('create policy tenant_reads on %s for select to %I using (%s)', target, app, reads);
    execute format('create policy tenant_inserts on %s for insert to %I with check (%s)', target, app, writes);
    execute format('create policy tenant_updates on %s for update to %I using (%s) with check (%s)', target, app, writes, writes);
    execute format('create policy tenant_deletes on %s for delete to %I using (%s)', target, app, writes);
    execute format('grant %s on %s to %I', privileges, target, app);
end $$;

-- A table whose rows belong to one seller.
create or replace function ctx.guard_seller_table(target text, privileges text default 'select, insert, update, delete')
    returns void language sql set search_path = pg_catalog as $$
    select ctx.secure(target,
        'provider_id = (select ctx.provider()) and seller_id = any ((select ctx.readable())::uuid[])',
        'provider_id = (select ctx.provider()) and seller_id = any ((select ctx.writable())::uuid[])',
        privileges)
$$;

-- A table whose rows belong to a provider and to no single seller.
create or replace function ctx.guard_provider_table(target text, privileges text default 'select, insert, update, delete')
    returns void language sql set search_path = pg_catalog as $$
    select ctx.secure(target,
        'provider_id = (select ctx.provider())',
        'provider_id = (select ctx.provider())',
        privileges)
$$;

-- A table whose rows belong to one seller or, with the nil seller, to the provider.
create or replace function ctx.guard_mixed_table(target text, privileges text default 'select, insert, update, delete')
    returns void language sql set search_path = pg_catalog as $$
    select ctx.secure(target,
        'provider_id = (select ctx.provider()) and (seller_id = any ((select ctx.readable())::uuid[]) or seller_id = ctx.no_seller())',
        'provider_id = (select ctx.provider()) and (seller_id = any ((select ctx.writable())::uuid[]) or seller_id = ctx.no_seller())',
        privileges)
$$;

-- The table of the sellers themselves: written by whoever may write the
-- provider's rows, read by grant or to spell out the provider's sellers.
create or replace function ctx.guard_seller_register(target text, privileges text default 'select, insert, update, delete')
    returns void language sql set search_path = pg_catalog as $$
    select ctx.secure(target,
        'provider_id = (select ctx.provider()) and (seller_id = any ((select ctx.readable())::uuid[]) or (select ctx.enumerates()))',
        'provider_id = (select ctx.provider()) and seller_id = any ((select ctx.writable())::uuid[])',
        privileges)
$$;

-- Lets the relay role of the service see which rows are due, across tenants, by
-- the named columns only (keys and due times). The work itself is done in a
-- tenant transaction of the app role.
create or replace function ctx.expose_due_columns(target text, columns text) returns void
    language plpgsql set search_path = pg_catalog as $$
declare
    relay text := split_part(target, '.', 1) || '_relay';
begin
    execute format('create policy due_reads on %s for select to %I using (true)', target, relay);
    execute format('grant select (%s) on %s to %I', columns, target, relay);
end $$;

do $$
declare
    service text;
begin
    foreach service in array array['tenants', 'tickets', 'routing', 'workforce', 'billing'] loop
        execute format('grant execute on all functions in schema ctx to %I, %I, %I',
            service || '_owner', service || '_app', service || '_relay');
    end loop;
end $$;
