-- What was used. An event is stored once for ever and never changes; the date it
-- is billed under is decided when it is stored, under a lock that closing a
-- period takes too, so that no event falls between two invoices.

-- How a seller's usage and periods are cut. One row per seller; the row lock
-- orders intake (key share) and finalisation (update).
create table billing.account (
    provider_id uuid not null,
    seller_id uuid not null,
    time_zone text not null,
    holidays date[] not null,
    billing_interval text,
    anchor_date date,
    closed_through date,
    constraint account_pk primary key (provider_id, seller_id),
    constraint account_seller_fk foreign key (provider_id, seller_id) references billing.seller (provider_id, seller_id),
    constraint account_interval_known check (billing_interval in ('week', 'month', 'quarter', 'year')),
    constraint account_cycle_whole check ((billing_interval is null) = (anchor_date is null))
);
select ctx.guard_seller_table('billing.account');

create table billing.usage_event (
    provider_id uuid not null,
    seller_id uuid not null,
    usage_id uuid not null,
    source text not null,
    event_key text not null,
    -- SHA-256 of the payload: tells a duplicate from a conflict
    fingerprint bytea not null,
    meter text not null,
    quantity numeric not null,
    event_at timestamptz not null,
    received_at timestamptz not null,
    -- stamped when stored
    time_zone text not null,
    local_date date not null,
    -- local_date, or the first open date if that was closed already
    bill_date date not null,
    subject text not null,
    channel text not null,
    language text not null,
    marketplace text not null,
    country text not null,
    hour_class text not null,
    agent_group text not null,
    corrects_event_key text,
    duration_seconds integer not null,
    historical boolean not null,
    constraint usage_event_pk primary key (provider_id, seller_id, usage_id),
    constraint usage_event_once unique (provider_id, seller_id, source, event_key),
    constraint usage_event_account_fk foreign key (provider_id, seller_id) references billing.account (provider_id, seller_id),
    constraint usage_event_meter_known check (meter in
        ('contact', 'message', 'talk_minute', 'agent_hour', 'seat', 'translation', 'storage', 'turnover', 'one_off')),
    constraint usage_event_hour_class_known check (hour_class in ('regular', 'night', 'sunday', 'holiday')),
    constraint usage_event_sign check (quantity >= 0 or corrects_event_key is not null),
    constraint usage_event_billed_later check (bill_date >= local_date)
);
create index usage_event_by_bill_date on billing.usage_event (provider_id, seller_id, bill_date, usage_id);
create index usage_event_by_local_date on billing.usage_event (provider_id, seller_id, local_date, meter);
create index usage_event_late on billing.usage_event (provider_id, seller_id, bill_date) where local_date < bill_date;
select ctx.guard_seller_table('billing.usage_event', 'select, insert, delete');
-- Rows go only when a seller is erased.
-- Only the stamps of open events change, when a seller's zone is set for the first time.
grant update (time_zone, local_date, bill_date, hour_class) on billing.usage_event to billing_app;

-- Paid hours as last told, to turn a corrected total into a difference.
create table billing.paid_hours (
    provider_id uuid not null,
    seller_id uuid not null,
    user_id text not null,
    work_date date not null,
    hour_class text not null,
    revision bigint not null,
    paid_seconds bigint not null,
    constraint paid_hours_pk primary key (provider_id, seller_id, user_id, work_date, hour_class),
    constraint paid_hours_account_fk foreign key (provider_id, seller_id) references billing.account (provider_id, seller_id),
    constraint paid_hours_sane check (paid_seconds between 0 and 360000)
);
select ctx.guard_seller_table('billing.paid_hours');

-- Promises kept and missed, the evidence of service-level credits.
create table billing.sla_verdict (
    provider_id uuid not null,
    seller_id uuid not null,
    ticket_id text not null,
    metric text not null,
    family text not null,
    settled_at timestamptz not null,
    local_date date not null,
    kept boolean not null,
    target_seconds bigint not null,
    elapsed_seconds bigint not null,
    policy_version bigint not null,
    channel text not null,
    historical boolean not null,
    constraint sla_verdict_pk primary key (provider_id, seller_id, ticket_id, metric, family, settled_at),
    constraint sla_verdict_account_fk foreign key (provider_id, seller_id) references billing.account (provider_id, seller_id)
);
create index sla_verdict_by_date on billing.sla_verdict (provider_id, seller_id, local_date, metric);
select ctx.guard_seller_table('billing.sla_verdict', 'select, insert, delete');
