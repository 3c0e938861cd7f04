set client_min_messages = warning;
-- Cluster-wide roles. Run by the bootstrap, never by a migration: roles are
-- shared by all databases of a cluster. Repeatable.
do $$
declare
    service text;
    kind text;
begin
    foreach service in array array['tenants', 'tickets', 'routing', 'workforce', 'billing'] loop
        foreach kind in array array['owner', 'app', 'relay'] loop
            begin
                execute format('create role %I %s noinherit nosuperuser nobypassrls nocreatedb nocreaterole',
                    service || '_' || kind, case when kind = 'owner' then 'nologin' else 'login' end);
            exception when duplicate_object then null;
            end;
        end loop;
    end loop;
    begin
        create role bus_owner nologin noinherit nosuperuser nobypassrls nocreatedb nocreaterole;
    exception when duplicate_object then null;
    end;
    begin
        create role ctx_owner nologin noinherit nosuperuser nobypassrls nocreatedb nocreaterole;
    exception when duplicate_object then null;
    end;
end $$;
