-- Alerts of the floor, and when they are raised.

-- Something that needed somebody's eye. The engine raises and ends it, in its
-- commits; people acknowledge it.
create table routing.alert (
    provider_id uuid not null,
    seller_id uuid not null,
    alert_id uuid not null,
    kind text not null,
    channel text not null,
    language text not null,
    reason text not null,
    contact_id uuid,
    measured double precision not null,
    threshold double precision not null,
    raised_at timestamptz not null,
    ended_at timestamptz,
    acknowledged_at timestamptz,
    acknowledged_by uuid,
    constraint alert_pk primary key (provider_id, seller_id, alert_id),
    constraint alert_seller_fk foreign key (provider_id, seller_id) references routing.seller,
    constraint alert_kind_known check (kind in ('nobody_can_take', 'maximum_wait', 'service_level', 'nobody_on_duty')),
    constraint alert_acknowledged_by_somebody check ((acknowledged_at is null) = (acknowledged_by is null))
);
-- one open alert of each cause
create unique index alert_open_once on routing.alert (provider_id, seller_id, kind, channel, language, reason)
    where ended_at is null;
create index alert_newest on routing.alert (provider_id, raised_at desc, alert_id desc);
create index alert_newest_of_seller on routing.alert (provider_id, seller_id, raised_at desc, alert_id desc);
select ctx.guard_seller_table('routing.alert');

-- When alerts are raised for a seller.
create table routing.alert_policy (
    provider_id uuid not null,
    seller_id uuid not null,
    version bigint not null,
    blocked_after_seconds bigint not null,
    service_level_percent integer not null,
    service_level_contacts integer not null,
    nobody_on_duty_after_seconds bigint not null,
    constraint alert_policy_pk primary key (provider_id, seller_id),
    constraint alert_policy_seller_fk foreign key (provider_id, seller_id) references routing.seller,
    constraint alert_policy_sane check (version > 0 and blocked_after_seconds >= 0
        and service_level_percent between 0 and 100 and service_level_contacts > 0
        and nobody_on_duty_after_seconds >= 0)
);
select ctx.guard_seller_table('routing.alert_policy');
