-- What a paid hour costs the provider, by the class of the hour, from a date on.
create table billing.cost_rate (
    provider_id uuid not null,
    valid_from date not null,
    currency text not null,
    regular numeric not null,
    night numeric not null,
    sunday numeric not null,
    holiday numeric not null,
    saved_at timestamptz not null,
    saved_by uuid not null,
    constraint cost_rate_pk primary key (provider_id, valid_from),
    constraint cost_rate_sane check (regular >= 0 and night >= 0 and sunday >= 0 and holiday >= 0)
);
select ctx.guard_provider_table('billing.cost_rate', 'select, insert, update');

-- A month's hours and invoices of some sellers, whatever came before.
create index paid_hours_by_date on billing.paid_hours (provider_id, seller_id, work_date);
create index invoice_by_period_end on billing.invoice (provider_id, seller_id, period_until);
