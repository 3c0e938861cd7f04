-- Dunning: what a provider does about invoices that are not paid in time. A policy's
-- versions never change; where an invoice stands is derived from its due date,
-- payments and disputes at the moment it is looked at.
create table billing.dunning_policy (
    provider_id uuid not null,
    version bigint not null,
    content jsonb not null,
    saved_at timestamptz not null,
    saved_by uuid not null,
    constraint dunning_policy_pk primary key (provider_id, version),
    constraint dunning_policy_counts check (version >= 1)
);
select ctx.guard_provider_table('billing.dunning_policy', 'select, insert');

-- One row per invoice from its finalisation on.
create table billing.dunning (
    provider_id uuid not null,
    seller_id uuid not null,
    invoice_id uuid not null,
    -- the newest level that was raised; 0 = none
    level integer not null,
    -- the date it was raised on, in the issuer's zone
    raised_on date,
    -- when it is looked at next; null once nothing more can follow by itself
    look_at timestamptz,
    constraint dunning_pk primary key (provider_id, seller_id, invoice_id),
    constraint dunning_invoice_fk foreign key (provider_id, seller_id, invoice_id)
        references billing.invoice (provider_id, seller_id, invoice_id),
    constraint dunning_level check (level between 0 and 9 and (level = 0) = (raised_on is null))
);
create index dunning_due on billing.dunning (look_at) where look_at is not null;
select ctx.guard_seller_table('billing.dunning', 'select, insert');
grant update (level, raised_on, look_at) on billing.dunning to billing_app;
select ctx.expose_due_columns('billing.dunning', 'provider_id, seller_id, invoice_id, look_at');

-- A level that was raised, once for each invoice, with what was claimed then.
create table billing.dunning_notice (
    provider_id uuid not null,
    seller_id uuid not null,
    invoice_id uuid not null,
    level integer not null,
    policy_version bigint not null,
    raised_at timestamptz not null,
    raised_on date not null,
    days_overdue integer not null,
    currency text not null,
    due_amount numeric not null,
    fee numeric not null,
    -- since the due date, on what is due now
    interest numeric not null,
    language text not null,
    text_key text not null,
    constraint dunning_notice_pk primary key (provider_id, seller_id, invoice_id, level),
    constraint dunning_notice_dunning_fk foreign key (provider_id, seller_id, invoice_id)
        references billing.dunning (provider_id, seller_id, invoice_id),
    constraint dunning_notice_level check (level between 1 and 9),
    constraint dunning_notice_claims check (due_amount > 0 and fee >= 0 and interest >= 0 and days_overdue > 0)
);
create index dunning_notice_by_age on billing.dunning_notice (provider_id, seller_id, raised_at, invoice_id);
select ctx.guard_seller_table('billing.dunning_notice', 'select, insert');

-- While a hold lasts, nothing is raised.
create table billing.dunning_hold (
    provider_id uuid not null,
    seller_id uuid not null,
    hold_id uuid not null,
    -- null = all invoices of the seller
    invoice_id uuid,
    reason text not null,
    -- last date of the hold; null = until it is released
    until date,
    set_at timestamptz not null,
    set_by uuid not null,
    released_at timestamptz,
    released_by uuid,
    constraint dunning_hold_pk primary key (provider_id, seller_id, hold_id),
    constraint dunning_hold_account_fk foreign key (provider_id, seller_id) references billing.account (provider_id, seller_id),
    constraint dunning_hold_invoice_fk foreign key (provider_id, seller_id, invoice_id)
        references billing.invoice (provider_id, seller_id, invoice_id),
    constraint dunning_hold_released check ((released_at is null) = (released_by is null))
);
create index dunning_hold_living on billing.dunning_hold (provider_id, seller_id) where released_at is null;
create index dunning_hold_by_age on billing.dunning_hold (provider_id, seller_id, set_at, hold_id);
select ctx.guard_seller_table('billing.dunning_hold', 'select, insert');
grant update (released_at, released_by) on billing.dunning_hold to billing_app;

-- Open invoices by due date, for lists of what is overdue: a seller's and a provider's.
create index invoice_open_of_seller on billing.invoice (provider_id, seller_id, due_date, invoice_id)
    where kind = 'invoice' and state in ('finalized', 'sent');
create index invoice_open_by_due on billing.invoice (provider_id, due_date, invoice_id)
    where kind = 'invoice' and state in ('finalized', 'sent');

-- Invoices that were there before.
alter table billing.issuer no force row level security;
alter table billing.invoice no force row level security;
alter table billing.dunning no force row level security;
insert into billing.dunning (provider_id, seller_id, invoice_id, level, look_at)
select i.provider_id, i.seller_id, i.invoice_id, 0, (i.due_date + 1)::timestamp at time zone s.time_zone
  from billing.invoice i
  join billing.issuer s on s.provider_id = i.provider_id and s.issuer_id = i.issuer_id
 where i.kind = 'invoice' and i.state in ('finalized', 'sent');
alter table billing.dunning force row level security;
alter table billing.invoice force row level security;
alter table billing.issuer force row level security;
