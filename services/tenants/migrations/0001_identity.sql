-- Providers, people, credentials, sessions, keys.
--
-- Every table is of one provider. What belongs to the platform itself (signing
-- keys, counters of failed sign-ins, its operators) belongs to the reserved
-- provider of the nil id. A column `for_seller_id` names a seller in a row that
-- is the provider's own.

create table tenants.provider (
    provider_id uuid not null,
    handle      text not null,
    name        text not null,
    country     text not null,
    time_zone   text not null,
    state       text not null,
    founded_by  text not null,
    created_at  timestamptz not null,
    version     bigint not null default 1,
    constraint provider_pk primary key (provider_id),
    constraint provider_handle_form check (handle ~ '^[a-z][a-z0-9-]{1,39}$'),
    constraint provider_name_form check (char_length(name) between 1 and 200),
    constraint provider_state_known check (state in ('active', 'suspended'))
);
-- Not unique by an index, which would let one tenant probe for another: handles
-- are given out one at a time by tenants.found_provider.
create index provider_by_handle on tenants.provider (handle);
insert into tenants.provider (provider_id, handle, name, country, time_zone, state, founded_by, created_at)
values ('00000000-0000-0000-0000-000000000000', 'platform', 'Platform', 'ZZ', 'UTC', 'active', '', '1970-01-01T00:00:00Z');
select ctx.guard_provider_table('tenants.provider', 'select, update');
create policy owner_reads on tenants.provider for select to tenants_owner using (true);
create policy owner_founds on tenants.provider for insert to tenants_owner with check (true);

create table tenants.app_user (
    provider_id uuid not null,
    user_id     uuid not null,
    -- The seller of a seller's own user, else the nil id. Part of the unique key,
    -- so that one seller cannot probe who is known to another.
    home_id     uuid not null,
    email       text not null,
    name        text not null,
    language    text not null,
    state       text not null,
    roles       text[] not null,
    revision    bigint not null default 1,
    version     bigint not null default 1,
    created_at  timestamptz not null,
    constraint app_user_pk primary key (provider_id, user_id),
    constraint app_user_email_once unique (provider_id, home_id, email),
    constraint app_user_of_provider foreign key (provider_id) references tenants.provider (provider_id),
    constraint app_user_email_form check (email = lower(email) and char_length(email) between 3 and 254),
    constraint app_user_name_form check (char_length(name) between 1 and 100),
    constraint app_user_state_known check (state in ('invited', 'active', 'disabled')),
    constraint app_user_roles_known check (
        cardinality(roles) > 0
        and roles <@ array['platform_operator', 'provider_admin', 'supervisor', 'planner', 'agent', 'billing_clerk',
                           'seller_admin', 'seller_viewer']
    ),
    constraint app_user_home_of_seller check (
        (roles && array['seller_admin', 'seller_viewer']) = (home_id <> '00000000-0000-0000-0000-000000000000')
    ),
    constraint app_user_operator_in_platform check (
        ('platform_operator' = any (roles)) = (provider_id = '00000000-0000-0000-0000-000000000000')
    )
);
create index app_user_by_email on tenants.app_user (email, created_at);
create index app_user_list on tenants.app_user (provider_id, email, user_id);
select ctx.guard_provider_table('tenants.app_user');
create policy owner_reads on tenants.app_user for select to tenants_owner using (true);

-- Apart from the user, so that nothing that reads users can read it by accident.
create table tenants.credential (
    provider_id   uuid not null,
    user_id       uuid not null,
    password_hash text not null,
    set_at        timestamptz not null,
    constraint credential_pk primary key (provider_id, user_id),
    constraint credential_of_user foreign key (provider_id, user_id)
        references tenants.app_user (provider_id, user_id) on delete cascade
);
select ctx.guard_provider_table('tenants.credential');

create table tenants.seller_grant (
    provider_id   uuid not null,
    user_id       uuid not null,
    for_seller_id uuid not null,
    granted_at    timestamptz not null,
    constraint seller_grant_pk primary key (provider_id, user_id, for_seller_id),
    constraint seller_grant_of_user foreign key (provider_id, user_id)
        references tenants.app_user (provider_id, user_id) on delete cascade
);
create index seller_grant_by_seller on tenants.seller_grant (provider_id, for_seller_id, user_id);
select ctx.guard_provider_table('tenants.seller_grant', 'select, insert, delete');

create table tenants.agent_profile (
    provider_id uuid not null,
    user_id     uuid not null,
    languages   text[] not null,
    levels      text[] not null,
    skills      text[] not null,
    site        text not null,
    time_zone   text not null,
    constraint agent_profile_pk primary key (provider_id, user_id),
    constraint agent_profile_of_user foreign key (provider_id, user_id)
        references tenants.app_user (provider_id, user_id) on delete cascade,
    constraint agent_profile_levels_known check (
        cardinality(levels) = cardinality(languages)
        and levels <@ array['a1', 'a2', 'b1', 'b2', 'c1', 'c2', 'native']
    ),
    constraint agent_profile_bounds check (cardinality(languages) <= 20 and cardinality(skills) <= 50)
);
select ctx.guard_provider_table('tenants.agent_profile');

create table tenants.certification (
    provider_id   uuid not null,
    user_id       uuid not null,
    for_seller_id uuid not null,
    certified_at  timestamptz not null,
    valid_until   timestamptz,
    constraint certification_pk primary key (provider_id, user_id, for_seller_id),
    constraint certification_of_user foreign key (provider_id, user_id)
        references tenants.app_user (provider_id, user_id) on delete cascade,
    constraint certification_ends_later check (valid_until is null or valid_until > certified_at)
);
create index certification_by_seller on tenants.certification (provider_id, for_seller_id, user_id);
select ctx.guard_provider_table('tenants.certification');

-- One row a session; its refresh tokens are generations, not rows. A token's
-- secret is computed from the session's salt and a key that is not in the
-- database, so neither alone makes a token.
create table tenants.session (
    provider_id   uuid not null,
    session_id    uuid not null,
    user_id       uuid not null,
    opened_with   text not null,
    opened_by     text,
    client        text not null,
    opened_at     timestamptz not null,
    generation    bigint not null,
    rotated_at    timestamptz not null,
    rotated_by    text not null,
    salt          bytea not null,
    expires_at    timestamptz not null,
    ended_at      timestamptz,
    ended_because text,
    constraint session_pk primary key (provider_id, session_id),
    constraint session_of_user foreign key (provider_id, user_id)
        references tenants.app_user (provider_id, user_id) on delete cascade,
    constraint session_opened_with_known check (opened_with in ('password', 'oidc', 'link')),
    constraint session_generation_bounds check (generation between 1 and 4294967295),
    constraint session_salt_form check (octet_length(salt) = 32),
    constraint session_ended_because_known check (
        (ended_at is null) = (ended_because is null)
        and (ended_because is null or ended_because in ('signed_out', 'revoked', 'password_changed', 'reused'))
    )
);
create index session_expiry on tenants.session (expires_at);
create unique index session_opened_once on tenants.session (provider_id, user_id, opened_by) where opened_by is not null;
create index session_open on tenants.session (provider_id, user_id, session_id desc) where ended_at is null;
select ctx.guard_provider_table('tenants.session');
select ctx.expose_due_columns('tenants.session', 'provider_id, session_id, expires_at');

create table tenants.invitation (
    provider_id   uuid not null,
    invitation_id uuid not null,
    user_id       uuid not null,
    secret_hash   bytea not null,
    made_at       timestamptz not null,
    expires_at    timestamptz not null,
    closed_at     timestamptz,
    constraint invitation_pk primary key (provider_id, invitation_id),
    constraint invitation_of_user foreign key (provider_id, user_id)
        references tenants.app_user (provider_id, user_id) on delete cascade,
    constraint invitation_secret_form check (octet_length(secret_hash) = 32)
);
create unique index invitation_open_once on tenants.invitation (provider_id, user_id) where closed_at is null;
select ctx.guard_provider_table('tenants.invitation');

create table tenants.api_key (
    provider_id  uuid not null,
    seller_id    uuid not null,
    api_key_id   uuid not null,
    name         text not null,
    hint         text not null,
    roles        text[] not null,
    secret_hash  bytea not null,
    created_at   timestamptz not null,
    expires_at   timestamptz not null,
    revoked_at   timestamptz,
    last_used_at timestamptz,
    constraint api_key_pk primary key (provider_id, seller_id, api_key_id),
    constraint api_key_name_form check (char_length(name) between 1 and 100),
    constraint api_key_secret_form check (octet_length(secret_hash) = 32),
    constraint api_key_roles_known check (
        'api_key' = any (roles) and roles <@ array['api_key', 'seller_admin', 'seller_viewer']
    ),
    constraint api_key_ends_later check (expires_at > created_at)
);
select ctx.guard_seller_table('tenants.api_key');

create table tenants.oidc_issuer (
    provider_id   uuid not null,
    name          text not null,
    issuer_url    text not null,
    client_id     text not null,
    client_secret bytea,
    redirect_uris text[] not null,
    email_domains text[] not null,
    version       bigint not null default 1,
    constraint oidc_issuer_pk primary key (provider_id, name),
    constraint oidc_issuer_of_provider foreign key (provider_id) references tenants.provider (provider_id),
    constraint oidc_issuer_bounds check (
        cardinality(redirect_uris) between 1 and 10 and cardinality(email_domains) between 1 and 50
    )
);
select ctx.guard_provider_table('tenants.oidc_issuer');

create table tenants.external_identity (
    provider_id uuid not null,
    issuer      text not null,
    subject     text not null,
    user_id     uuid not null,
    linked_at   timestamptz not null,
    constraint external_identity_pk primary key (provider_id, issuer, subject),
    constraint external_identity_one_subject unique (provider_id, issuer, user_id),
    constraint external_identity_of_issuer foreign key (provider_id, issuer)
        references tenants.oidc_issuer (provider_id, name) on delete cascade,
    constraint external_identity_of_user foreign key (provider_id, user_id)
        references tenants.app_user (provider_id, user_id) on delete cascade
);
select ctx.guard_provider_table('tenants.external_identity');

create table tenants.oidc_flow (
    provider_id  uuid not null,
    flow_id      uuid not null,
    issuer       text not null,
    state_hash   bytea not null,
    browser_hash bytea not null,
    redirect_uri text not null,
    expires_at   timestamptz not null,
    constraint oidc_flow_pk primary key (provider_id, flow_id),
    constraint oidc_flow_of_issuer foreign key (provider_id, issuer)
        references tenants.oidc_issuer (provider_id, name) on delete cascade
);
create index oidc_flow_expiry on tenants.oidc_flow (expires_at);
select ctx.guard_provider_table('tenants.oidc_flow', 'select, insert, delete');
select ctx.expose_due_columns('tenants.oidc_flow', 'provider_id, flow_id, expires_at');

-- What ends tokens before their time. Which rows are new is seen across tenants
-- by key and time only.
create table tenants.revocation (
    provider_id      uuid not null,
    revocation_id    uuid not null,
    subject_id       uuid not null,
    minimum_revision bigint,
    session_id       uuid,
    revoked_at       timestamptz not null,
    constraint revocation_pk primary key (provider_id, revocation_id),
    constraint revocation_of_one_thing check ((minimum_revision is null) <> (session_id is null))
);
create index revocation_by_time on tenants.revocation (revoked_at, revocation_id);
select ctx.guard_provider_table('tenants.revocation', 'select, insert, delete');
select ctx.expose_due_columns('tenants.revocation', 'provider_id, revocation_id, revoked_at');

create table tenants.signing_key (
    provider_id uuid not null,
    kid         text not null,
    state       text not null,
    since       timestamptz not null,
    public_x    text not null,
    private_key bytea not null,
    constraint signing_key_pk primary key (provider_id, kid),
    constraint signing_key_state_known check (state in ('next', 'active', 'retiring')),
    constraint signing_key_of_platform check (provider_id = '00000000-0000-0000-0000-000000000000')
);
create unique index signing_key_one_active on tenants.signing_key (provider_id) where state = 'active';
select ctx.guard_provider_table('tenants.signing_key');

create table tenants.login_throttle (
    provider_id uuid not null,
    kind        text not null,
    key_hash    bytea not null,
    failures    bigint not null,
    last_at     timestamptz not null,
    constraint login_throttle_pk primary key (provider_id, kind, key_hash),
    constraint login_throttle_kind_known check (kind in ('account', 'address')),
    constraint login_throttle_of_platform check (provider_id = '00000000-0000-0000-0000-000000000000')
);
create index login_throttle_by_time on tenants.login_throttle (provider_id, last_at);
select ctx.guard_provider_table('tenants.login_throttle');

-- Signing in comes before any tenant is known. These are the only ways across
-- tenants, each as narrow as can be; whatever they find is then read again in a
-- transaction of its own tenant.

-- Who may sign in with an e-mail address, by exact match.
create function tenants.find_sign_in(wanted text)
    returns table (provider_id uuid, user_id uuid, handle text)
    language sql stable security definer set search_path = pg_catalog as $$
    select u.provider_id, u.user_id, p.handle
      from tenants.app_user u
      join tenants.provider p on p.provider_id = u.provider_id
     where u.email = wanted and u.state = 'active' and p.state = 'active'
     order by u.created_at, u.user_id
     limit 5
$$;

-- The provider of a handle, if it works.
create function tenants.find_provider(wanted text) returns uuid
    language sql stable security definer set search_path = pg_catalog as $$
    select p.provider_id from tenants.provider p where p.handle = wanted and p.state = 'active'
$$;

-- The providers by handle, for the platform's own operators.
create function tenants.list_providers(after text, most bigint)
    returns table (provider_id uuid, handle text, name text, country text, time_zone text, state text,
                   created_at timestamptz, version bigint)
    language plpgsql stable security definer set search_path = pg_catalog as $$
begin
    if ctx.provider() <> '00000000-0000-0000-0000-000000000000' then
        raise exception 'only the platform lists providers' using errcode = 'insufficient_privilege';
    end if;
    return query
        select p.provider_id, p.handle, p.name, p.country, p.time_zone, p.state, p.created_at, p.version
          from tenants.provider p
         where p.provider_id <> '00000000-0000-0000-0000-000000000000' and p.handle > after
         order by p.handle
         limit most;
end $$;

-- Founds a provider, one at a time. Gives its id; the id of before if the same
-- request founded it already; null if the handle is taken.
create function tenants.found_provider(new_id uuid, new_handle text, new_name text, new_country text,
                                       new_zone text, request text, at timestamptz) returns uuid
    language plpgsql volatile security definer set search_path = pg_catalog as $$
declare
    existing record;
begin
    if ctx.provider() <> '00000000-0000-0000-0000-000000000000' then
        raise exception 'only the platform founds providers' using errcode = 'insufficient_privilege';
    end if;
    lock table tenants.provider in share row exclusive mode;
    select p.provider_id, p.founded_by into existing from tenants.provider p where p.handle = new_handle;
    if found then
        return case when existing.founded_by = request then existing.provider_id end;
    end if;
    insert into tenants.provider (provider_id, handle, name, country, time_zone, state, founded_by, created_at)
    values (new_id, new_handle, new_name, new_country, new_zone, 'active', request, at);
    return new_id;
end $$;

revoke execute on function tenants.find_sign_in(text), tenants.find_provider(text),
    tenants.list_providers(text, bigint),
    tenants.found_provider(uuid, text, text, text, text, text, timestamptz) from public;
grant execute on function tenants.find_sign_in(text), tenants.find_provider(text),
    tenants.list_providers(text, bigint),
    tenants.found_provider(uuid, text, text, text, text, text, timestamptz) to tenants_app;
