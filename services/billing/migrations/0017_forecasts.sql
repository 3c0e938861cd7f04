-- Forecasts that sellers locked before their periods began. A version never changes.
create table billing.locked_forecast (
    provider_id uuid not null,
    seller_id uuid not null,
    period_from date not null,
    meter text not null,
    version bigint not null,
    quantity numeric not null,
    -- where it comes from, for people
    reference text not null,
    locked_on date not null,
    locked_at timestamptz not null,
    locked_by uuid not null,
    constraint locked_forecast_pk primary key (provider_id, seller_id, period_from, meter, version),
    constraint locked_forecast_account_fk foreign key (provider_id, seller_id)
        references billing.account (provider_id, seller_id),
    constraint locked_forecast_before_period check (locked_on < period_from),
    constraint locked_forecast_sane check (quantity >= 0 and version > 0)
);
select ctx.guard_seller_table('billing.locked_forecast', 'select, insert, delete');

-- Coupons are lines of their own.
alter table billing.invoice_line drop constraint invoice_line_kind_known;
alter table billing.invoice_line add constraint invoice_line_kind_known
    check (kind in ('flat', 'usage', 'late_usage', 'commitment', 'credit', 'service_level', 'discount'));
