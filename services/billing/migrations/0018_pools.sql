-- Agents that several sellers share: what each was paid for on each day, how pools of
-- them are divided, and what came out, second by second.

-- What workforce settled of an agent's day.
create table billing.agent_day (
    provider_id uuid not null,
    user_id text not null,
    work_date date not null,
    hour_class text not null,
    revision bigint not null,
    paid_seconds bigint not null,
    -- handled seconds by seller
    handled jsonb not null,
    constraint agent_day_pk primary key (provider_id, work_date, user_id),
    constraint agent_day_sane check (paid_seconds between 0 and 360000)
);
select ctx.guard_provider_table('billing.agent_day', 'select, insert, update');

create table billing.pool (
    provider_id uuid not null,
    pool_id uuid not null,
    -- group of the agents in usage
    code text not null,
    name text not null,
    version bigint not null,
    constraint pool_pk primary key (provider_id, pool_id),
    constraint pool_code_once unique (provider_id, code)
);
select ctx.guard_provider_table('billing.pool', 'select, insert, update');

create table billing.pool_policy (
    provider_id uuid not null,
    pool_id uuid not null,
    version bigint not null,
    effective_from date not null,
    content jsonb not null,
    created_at timestamptz not null,
    constraint pool_policy_pk primary key (provider_id, pool_id, version),
    constraint pool_policy_start_once unique (provider_id, pool_id, effective_from),
    constraint pool_policy_pool_fk foreign key (provider_id, pool_id) references billing.pool (provider_id, pool_id)
);
select ctx.guard_provider_table('billing.pool_policy', 'select, insert');

-- The ledger: a new revision of a day says all of it again.
create table billing.pool_day (
    provider_id uuid not null,
    pool_id uuid not null,
    work_date date not null,
    hour_class text not null,
    revision bigint not null,
    policy_version bigint not null,
    paid_seconds bigint not null,
    divided_at timestamptz not null,
    constraint pool_day_pk primary key (provider_id, pool_id, work_date, hour_class, revision),
    constraint pool_day_policy_fk foreign key (provider_id, pool_id, policy_version)
        references billing.pool_policy (provider_id, pool_id, version),
    constraint pool_day_sane check (paid_seconds >= 0 and revision > 0)
);
select ctx.guard_provider_table('billing.pool_day', 'select, insert');

create table billing.pool_posting (
    provider_id uuid not null,
    pool_id uuid not null,
    work_date date not null,
    hour_class text not null,
    revision bigint not null,
    position integer not null,
    -- none: idle
    for_seller_id uuid,
    seconds bigint not null,
    constraint pool_posting_pk primary key (provider_id, pool_id, work_date, hour_class, revision, position),
    constraint pool_posting_day_fk foreign key (provider_id, pool_id, work_date, hour_class, revision)
        references billing.pool_day (provider_id, pool_id, work_date, hour_class, revision),
    constraint pool_posting_sane check (seconds >= 0)
);
select ctx.guard_provider_table('billing.pool_posting', 'select, insert');

-- Checked when the transaction commits: billed and idle seconds are the paid ones.
create function billing.pool_day_conserves() returns trigger
    language plpgsql set search_path = pg_catalog as $$
declare
    postings bigint;
begin
    select coalesce(sum(p.seconds), 0) into postings
      from billing.pool_posting p
     where p.provider_id = new.provider_id and p.pool_id = new.pool_id and p.work_date = new.work_date
       and p.hour_class = new.hour_class and p.revision = new.revision;
    if postings <> new.paid_seconds then
        raise exception 'seconds of a pool were lost or doubled'
            using errcode = 'check_violation', constraint = 'pool_day_conserved';
    end if;
    return null;
end $$;
create constraint trigger pool_day_conserved after insert on billing.pool_day
    deferrable initially deferred for each row execute function billing.pool_day_conserves();

-- A seller's own part, as it was last metered.
create table billing.pool_share (
    provider_id uuid not null,
    seller_id uuid not null,
    pool_id uuid not null,
    work_date date not null,
    hour_class text not null,
    revision bigint not null,
    policy_version bigint not null,
    seconds bigint not null,
    constraint pool_share_pk primary key (provider_id, seller_id, pool_id, work_date, hour_class),
    constraint pool_share_account_fk foreign key (provider_id, seller_id) references billing.account (provider_id, seller_id),
    constraint pool_share_sane check (seconds >= 0)
);
create index pool_share_by_date on billing.pool_share (provider_id, seller_id, work_date, pool_id, hour_class);
select ctx.guard_seller_table('billing.pool_share');
