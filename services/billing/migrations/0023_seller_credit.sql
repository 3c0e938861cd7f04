-- What is owed to sellers beyond their open invoices, by issuer and currency: kept with the ledger's entries, so that
-- using it costs one row and two uses of it wait for each other. Below zero where a payment was taken back whose
-- excess had been used: that is owed.
create table billing.seller_credit (
    provider_id uuid not null,
    seller_id uuid not null,
    issuer_id uuid not null,
    currency text not null,
    amount numeric not null,
    constraint seller_credit_pk primary key (provider_id, seller_id, issuer_id, currency),
    constraint seller_credit_account_fk foreign key (provider_id, seller_id)
        references billing.account (provider_id, seller_id)
);
select ctx.guard_seller_table('billing.seller_credit', 'select, insert, update');
alter table billing.ledger_entry no force row level security;
alter table billing.ledger_posting no force row level security;
alter table billing.seller_credit no force row level security;
insert into billing.seller_credit (provider_id, seller_id, issuer_id, currency, amount)
select e.provider_id, e.seller_id, e.issuer_id, e.currency, -sum(p.amount)
  from billing.ledger_entry e
  join billing.ledger_posting p
    on p.provider_id = e.provider_id and p.seller_id = e.seller_id and p.entry_id = e.entry_id
 where p.account = 'customer_credit'
 group by e.provider_id, e.seller_id, e.issuer_id, e.currency;
alter table billing.seller_credit force row level security;
alter table billing.ledger_posting force row level security;
alter table billing.ledger_entry force row level security;

-- A payment that was made of the seller's credit, not of received money.
alter table billing.payment
    add column from_credit boolean not null default false;
-- Provider-wide lists go by time.
create index payment_by_provider on billing.payment (provider_id, payment_id);
create index payment_by_invoice on billing.payment (provider_id, seller_id, invoice_id, payment_id);

-- Credit that was paid out.
create table billing.credit_refund (
    provider_id uuid not null,
    seller_id uuid not null,
    refund_id uuid not null,
    issuer_id uuid not null,
    currency text not null,
    amount numeric not null,
    value_date date not null,
    reference text not null,
    recorded_at timestamptz not null,
    recorded_by uuid not null,
    constraint credit_refund_pk primary key (provider_id, seller_id, refund_id),
    constraint credit_refund_reference_once unique (provider_id, seller_id, issuer_id, reference),
    constraint credit_refund_account_fk foreign key (provider_id, seller_id)
        references billing.account (provider_id, seller_id),
    constraint credit_refund_positive check (amount > 0)
);
select ctx.guard_seller_table('billing.credit_refund', 'select, insert');

-- A payment that was taken back: the bank returned it, or it was recorded wrongly.
create table billing.payment_reversal (
    provider_id uuid not null,
    seller_id uuid not null,
    payment_id uuid not null,
    value_date date not null,
    reason text not null,
    reversed_at timestamptz not null,
    reversed_by uuid not null,
    constraint payment_reversal_pk primary key (provider_id, seller_id, payment_id),
    constraint payment_reversal_payment_fk foreign key (provider_id, seller_id, payment_id)
        references billing.payment (provider_id, seller_id, payment_id)
);
select ctx.guard_seller_table('billing.payment_reversal', 'select, insert');

alter table billing.ledger_entry drop constraint ledger_entry_kind_known;
alter table billing.ledger_entry add constraint ledger_entry_kind_known
    check (kind in ('invoice', 'credit_note', 'payment', 'exchange', 'dunning_charge', 'dunning_closing',
                    'dunning_return', 'credit_applied', 'credit_refund', 'payment_reversal', 'exchange_reversal'));

-- Lists of all sellers of a provider, the newest first.
create index invoice_by_provider on billing.invoice (provider_id, finalized_at, invoice_id);
create index ledger_entry_by_provider on billing.ledger_entry (provider_id, entry_id);
create index dispute_by_provider on billing.dispute (provider_id, created_at, dispute_id);
create index dunning_notice_by_provider on billing.dunning_notice (provider_id, raised_at, invoice_id, level);
create index dunning_hold_by_provider on billing.dunning_hold (provider_id, set_at, hold_id);
create index dunning_charge_by_provider on billing.dunning_charge (provider_id, charged_at, charge_id);
create index outgoing_mail_by_provider on billing.outgoing_mail (provider_id, queued_at, mail_id);
create index outgoing_mail_failed on billing.outgoing_mail (provider_id, queued_at, mail_id) where state = 'failed';
create index usage_alert_by_provider on billing.usage_alert (provider_id, day, alert_id);
