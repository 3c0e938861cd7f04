-- Fees and interest for late payment, booked with the notice that claims them.
create table billing.dunning_charge (
    provider_id uuid not null,
    seller_id uuid not null,
    charge_id uuid not null,
    invoice_id uuid not null,
    -- of the notice
    level integer not null,
    currency text not null,
    charged_on date not null,
    charged_at timestamptz not null,
    fee numeric not null,
    -- accrued since the notice before
    interest numeric not null,
    fee_paid numeric not null default 0,
    interest_paid numeric not null default 0,
    -- closed without payment
    fee_closed numeric not null default 0,
    interest_closed numeric not null default 0,
    closing text,
    reason text not null default '',
    closed_at timestamptz,
    -- null where it was closed with its invoice
    closed_by uuid,
    constraint dunning_charge_pk primary key (provider_id, seller_id, charge_id),
    constraint dunning_charge_once unique (provider_id, seller_id, invoice_id, level),
    constraint dunning_charge_notice_fk foreign key (provider_id, seller_id, invoice_id, level)
        references billing.dunning_notice (provider_id, seller_id, invoice_id, level),
    constraint dunning_charge_claims check (fee >= 0 and interest >= 0 and fee + interest > 0),
    constraint dunning_charge_within check (
        fee_paid >= 0 and interest_paid >= 0 and fee_closed >= 0 and interest_closed >= 0
        and fee_paid + fee_closed <= fee and interest_paid + interest_closed <= interest),
    constraint dunning_charge_closing_known check (closing in ('void', 'written_off')),
    constraint dunning_charge_closed check (
        (closing is null) = (closed_at is null) and (closing is not null or fee_closed + interest_closed = 0))
);
create index dunning_charge_by_age on billing.dunning_charge (provider_id, seller_id, charged_at, charge_id);
create index dunning_charge_open on billing.dunning_charge (provider_id, seller_id, charged_at, charge_id)
    where fee + interest > fee_paid + interest_paid + fee_closed + interest_closed;
select ctx.guard_seller_table('billing.dunning_charge', 'select, insert');
grant update (fee_paid, interest_paid, fee_closed, interest_closed, closing, reason, closed_at, closed_by)
    on billing.dunning_charge to billing_app;

-- What of a payment settled charges; the rest settled the invoice.
alter table billing.payment
    add column fee_amount numeric not null default 0,
    add column interest_amount numeric not null default 0,
    add constraint payment_charges_within check (
        fee_amount >= 0 and interest_amount >= 0 and fee_amount + interest_amount <= amount);

alter table billing.ledger_entry drop constraint ledger_entry_kind_known;
alter table billing.ledger_entry add constraint ledger_entry_kind_known
    check (kind in ('invoice', 'credit_note', 'payment', 'exchange', 'dunning_charge', 'dunning_closing'));
alter table billing.ledger_posting drop constraint ledger_posting_account_known;
alter table billing.ledger_posting add constraint ledger_posting_account_known check (account in
    ('receivable', 'revenue', 'tax', 'cash', 'customer_credit', 'prepaid', 'exchange_difference', 'translation',
     'dunning_fee', 'default_interest', 'write_off'));
