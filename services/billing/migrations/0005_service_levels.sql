-- Promises as the ledger behind service-level lines: each with an id, the date it
-- counts under, and how an objection to it stands. A promise whose period was
-- invoiced already counts in the first open one, so that what was measured stays.

alter table billing.sla_verdict
    add column promise_id uuid not null generated always as (md5(
        ticket_id || '/' || metric || '/' || family || '/' || extract(epoch from settled_at - timestamptz '2000-01-01 00:00:00+00')::text)::uuid)
        stored,
    add column bill_date date,
    -- empty where nobody objected
    add column ruling text not null default '',
    add constraint sla_verdict_ruling_known check (ruling in ('', 'open', 'stands', 'overturned', 'excluded'));
alter table billing.sla_verdict no force row level security;
update billing.sla_verdict set bill_date = local_date;
alter table billing.sla_verdict force row level security;
alter table billing.sla_verdict alter column bill_date set not null;
alter table billing.sla_verdict
    add constraint sla_verdict_promise_once unique (provider_id, seller_id, promise_id),
    add constraint sla_verdict_billed_later check (bill_date >= local_date);
drop index billing.sla_verdict_by_date;
create index sla_verdict_by_bill_date on billing.sla_verdict
    (provider_id, seller_id, metric, family, bill_date, settled_at, promise_id);
grant update (ruling) on billing.sla_verdict to billing_app;

create table billing.objection (
    provider_id uuid not null,
    seller_id uuid not null,
    objection_id uuid not null,
    promise_id uuid not null,
    reason text not null,
    objected_by uuid not null,
    created_at timestamptz not null,
    ruling text not null,
    note text not null default '',
    decided_at timestamptz,
    constraint objection_pk primary key (provider_id, seller_id, objection_id),
    constraint objection_promise_fk foreign key (provider_id, seller_id, promise_id)
        references billing.sla_verdict (provider_id, seller_id, promise_id),
    constraint objection_ruling_known check (ruling in ('open', 'stands', 'overturned', 'excluded')),
    constraint objection_decided check ((ruling = 'open') = (decided_at is null))
);
create unique index objection_open_once on billing.objection (provider_id, seller_id, promise_id) where ruling = 'open';
create index objection_by_promise on billing.objection (provider_id, seller_id, promise_id);
create index objection_by_age on billing.objection (provider_id, seller_id, created_at, objection_id);
select ctx.guard_seller_table('billing.objection', 'select, insert, delete');
grant update (ruling, note, decided_at) on billing.objection to billing_app;

alter table billing.invoice_line drop constraint invoice_line_kind_known;
alter table billing.invoice_line add constraint invoice_line_kind_known
    check (kind in ('flat', 'usage', 'late_usage', 'commitment', 'credit', 'service_level'));

-- How a clause came out, frozen with its line.
create table billing.service_level_result (
    provider_id uuid not null,
    seller_id uuid not null,
    invoice_id uuid not null,
    line_number integer not null,
    contract_id uuid not null,
    clause_code text not null,
    metric text not null,
    family text not null,
    measure text not null,
    rated_from date not null,
    measured_from date not null,
    measured_until date not null,
    measured numeric,
    band_from numeric,
    band_below numeric,
    promises bigint not null,
    breaches bigint not null,
    fees numeric not null,
    -- of all charges of the contract
    all_fees numeric not null,
    open_objections bigint not null,
    -- the line settles what was held or decided anew on an earlier invoice
    settles boolean not null,
    -- held, or decided anew: to be settled by a later invoice, by which it was if that one is not void
    waits boolean not null,
    settled_by uuid,
    constraint service_level_result_pk primary key (provider_id, seller_id, invoice_id, line_number),
    constraint service_level_result_line_fk foreign key (provider_id, seller_id, invoice_id, line_number)
        references billing.invoice_line (provider_id, seller_id, invoice_id, line_number),
    constraint service_level_result_measure_known check (measure in ('share_kept', 'breaches', 'average_seconds'))
);
create index service_level_result_waiting on billing.service_level_result (provider_id, seller_id, rated_from)
    where waits and not settles;
select ctx.guard_seller_table('billing.service_level_result', 'select, insert');
grant update (waits, settled_by) on billing.service_level_result to billing_app;
