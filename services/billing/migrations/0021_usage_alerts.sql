-- Usage out of the ordinary is told of by itself, once.

-- When a seller's days are looked at next.
create table billing.usage_watch (
    provider_id uuid not null,
    seller_id uuid not null,
    look_at timestamptz not null,
    constraint usage_watch_pk primary key (provider_id, seller_id),
    constraint usage_watch_account_fk foreign key (provider_id, seller_id) references billing.account (provider_id, seller_id)
);
create index usage_watch_due on billing.usage_watch (look_at);
select ctx.guard_seller_table('billing.usage_watch');
select ctx.expose_due_columns('billing.usage_watch', 'provider_id, seller_id, look_at');

create table billing.usage_alert (
    provider_id uuid not null,
    seller_id uuid not null,
    alert_id uuid not null,
    day date not null,
    meter text not null,
    channel text not null,
    quantity numeric not null,
    usual numeric not null,
    raised_at timestamptz not null,
    acknowledged_at timestamptz,
    acknowledged_by uuid,
    note text not null default '',
    constraint usage_alert_pk primary key (provider_id, seller_id, alert_id),
    constraint usage_alert_once unique (provider_id, seller_id, day, meter, channel),
    constraint usage_alert_account_fk foreign key (provider_id, seller_id) references billing.account (provider_id, seller_id),
    constraint usage_alert_acknowledged check ((acknowledged_at is null) = (acknowledged_by is null))
);
create index usage_alert_by_day on billing.usage_alert (provider_id, seller_id, day, alert_id);
select ctx.guard_seller_table('billing.usage_alert', 'select, insert, delete');
grant update (acknowledged_at, acknowledged_by, note) on billing.usage_alert to billing_app;

-- Accounts that were there before. Every account has a row from here on.
alter table billing.account no force row level security;
alter table billing.usage_watch no force row level security;
insert into billing.usage_watch (provider_id, seller_id, look_at)
select provider_id, seller_id, '2026-01-01Z' from billing.account;
alter table billing.usage_watch force row level security;
alter table billing.account force row level security;
