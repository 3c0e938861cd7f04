-- Sums of usage by billing period and properties, kept up with every event that is
-- stored, so that a running invoice costs what its kinds of usage cost and not what
-- its events do. They can be made again from the events at any time.
create table billing.usage_sum (
    provider_id uuid not null,
    seller_id uuid not null,
    -- starts of the periods in which events happened and are billed, by the account's cycle;
    -- calendar months where it has none
    local_period date not null,
    bill_period date not null,
    meter text not null,
    channel text not null,
    language text not null,
    marketplace text not null,
    country text not null,
    hour_class text not null,
    agent_group text not null,
    historical boolean not null,
    -- those who write at once add to rows of their own
    slot smallint not null,
    events bigint not null,
    quantity numeric not null,
    peak numeric not null,
    constraint usage_sum_pk primary key (provider_id, seller_id, local_period, bill_period, meter, channel, language,
        marketplace, country, hour_class, agent_group, historical, slot),
    constraint usage_sum_account_fk foreign key (provider_id, seller_id) references billing.account (provider_id, seller_id),
    constraint usage_sum_billed_later check (bill_period >= local_period),
    constraint usage_sum_counts check (events > 0)
) with (fillfactor = 70);
select ctx.guard_seller_table('billing.usage_sum');

-- Sums are made by the service when an account is next written to; until then this says that there are none.
alter table billing.account add column summed boolean not null default false;

-- An event is found by its key or by the date it is billed under: more indexes would cost more than storing it.
alter table billing.usage_event drop constraint usage_event_pk;
alter table billing.usage_event drop constraint usage_event_once;
alter table billing.usage_event add constraint usage_event_pk primary key (provider_id, seller_id, source, event_key);
drop index billing.usage_event_by_local_date;
drop index billing.usage_event_late;
