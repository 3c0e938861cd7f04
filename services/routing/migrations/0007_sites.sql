-- Sites: when they are open, which of them a seller's contacts are kept for, and
-- what is no longer asked of whoever takes a contact.

create table routing.site (
    provider_id uuid not null,
    name text not null,
    zone text not null,
    weekdays smallint[] not null,
    starts integer[] not null,
    ends integer[] not null,
    closed_days date[] not null,
    version bigint not null,
    updated_at timestamptz not null,
    constraint site_pk primary key (provider_id, name),
    constraint site_whole check (cardinality(weekdays) = cardinality(starts) and cardinality(starts) = cardinality(ends)
        and version > 0)
);
select ctx.guard_provider_table('routing.site');

alter table routing.policy
    add column native_seconds bigint not null default 0,
    add column home_sites text[] not null default '{}',
    add column overflow_seconds bigint not null default 300,
    add column opening_hold_seconds bigint not null default 0,
    add column overflow_before_due_seconds bigint not null default 900,
    add constraint policy_sites_sane check (native_seconds >= 0 and overflow_seconds >= 0 and opening_hold_seconds >= 0
        and overflow_before_due_seconds >= 0 and cardinality(home_sites) <= 8);

-- bits: 1 = preferred skills, 2 = home sites, 4 = mother tongue
alter table routing.contact add column dropped smallint not null default 0;
update routing.contact set dropped = 1 where relaxed;
alter table routing.contact drop column relaxed;

alter table routing.intake
    drop constraint intake_kind_known,
    add constraint intake_kind_known
        check (kind in ('contact', 'withdrawn', 'handled', 'agent', 'seller', 'policy', 'erasure', 'sites'));
