-- What it costs: plan versions that never change, and who signed which from when.

create table billing.rate_plan (
    provider_id uuid not null,
    plan_id uuid not null,
    name text not null,
    latest bigint not null,
    constraint rate_plan_pk primary key (provider_id, plan_id)
);
create index rate_plan_by_name on billing.rate_plan (provider_id, name, plan_id);
select ctx.guard_provider_table('billing.rate_plan', 'select, insert, update');

create table billing.rate_plan_version (
    provider_id uuid not null,
    plan_id uuid not null,
    version bigint not null,
    content jsonb not null,
    created_at timestamptz not null,
    constraint rate_plan_version_pk primary key (provider_id, plan_id, version),
    constraint rate_plan_version_plan_fk foreign key (provider_id, plan_id) references billing.rate_plan (provider_id, plan_id),
    constraint rate_plan_version_counts check (version >= 1)
);
select ctx.guard_provider_table('billing.rate_plan_version', 'select, insert');

create table billing.contract (
    provider_id uuid not null,
    seller_id uuid not null,
    contract_id uuid not null,
    plan_id uuid not null,
    plan_version bigint not null,
    effective_from date not null,
    effective_until date,
    signed_at timestamptz not null,
    signed_by text not null,
    constraint contract_pk primary key (provider_id, seller_id, contract_id),
    constraint contract_account_fk foreign key (provider_id, seller_id) references billing.account (provider_id, seller_id),
    constraint contract_plan_fk foreign key (provider_id, plan_id, plan_version)
        references billing.rate_plan_version (provider_id, plan_id, version),
    constraint contract_start_once unique (provider_id, seller_id, effective_from),
    constraint contract_not_backwards check (effective_until is null or effective_until >= effective_from)
);
select ctx.guard_seller_table('billing.contract', 'select, insert, update');

-- A legal entity of the provider that issues invoices.
create table billing.issuer (
    provider_id uuid not null,
    issuer_id uuid not null,
    legal_name text not null,
    party jsonb not null,
    small_business boolean not null,
    number_prefix text not null,
    time_zone text not null,
    iban text not null,
    version bigint not null default 1,
    constraint issuer_pk primary key (provider_id, issuer_id),
    constraint issuer_prefix_once unique (provider_id, number_prefix)
);
create index issuer_by_name on billing.issuer (provider_id, legal_name, issuer_id);
select ctx.guard_provider_table('billing.issuer', 'select, insert, update');

-- How a seller is billed.
create table billing.billing_profile (
    provider_id uuid not null,
    seller_id uuid not null,
    issuer_id uuid not null,
    buyer jsonb not null,
    vat_check text not null,
    vat_evidence text not null,
    currency text not null,
    payment_term_days integer not null,
    version bigint not null default 1,
    constraint billing_profile_pk primary key (provider_id, seller_id),
    constraint billing_profile_account_fk foreign key (provider_id, seller_id) references billing.account (provider_id, seller_id),
    constraint billing_profile_issuer_fk foreign key (provider_id, issuer_id) references billing.issuer (provider_id, issuer_id),
    constraint billing_profile_vat_check_known check (vat_check in ('not_checked', 'pending', 'valid', 'invalid')),
    constraint billing_profile_term check (payment_term_days between 0 and 365)
);
select ctx.guard_seller_table('billing.billing_profile', 'select, insert, update');
