-- Money between currencies: dated rates of the provider, what an invoice comes to in
-- the currency that its issuer accounts in, and what a payment at another rate gains
-- or loses.
alter table billing.issuer add column accounting_currency text;

create table billing.exchange_rate (
    provider_id uuid not null,
    base_currency text not null,
    quote_currency text not null,
    rate_date date not null,
    -- units of the quote currency for one of the base currency
    rate numeric not null,
    source text not null,
    saved_at timestamptz not null,
    saved_by uuid not null,
    constraint exchange_rate_pk primary key (provider_id, base_currency, quote_currency, rate_date),
    constraint exchange_rate_positive check (rate > 0),
    constraint exchange_rate_between_two check (base_currency <> quote_currency)
);
create index exchange_rate_by_date on billing.exchange_rate (provider_id, rate_date, base_currency, quote_currency);
select ctx.guard_provider_table('billing.exchange_rate', 'select, insert, update');

-- Frozen with an invoice whose currency is not the issuer's. A credit note has the
-- rate of the invoice that it corrects.
create table billing.invoice_exchange (
    provider_id uuid not null,
    seller_id uuid not null,
    invoice_id uuid not null,
    -- the issuer's
    currency text not null,
    -- of it for one of the invoice's currency
    rate numeric not null,
    rate_date date not null,
    source text not null,
    net_amount numeric not null,
    tax_amount numeric not null,
    total_amount numeric not null,
    constraint invoice_exchange_pk primary key (provider_id, seller_id, invoice_id),
    constraint invoice_exchange_invoice_fk foreign key (provider_id, seller_id, invoice_id)
        references billing.invoice (provider_id, seller_id, invoice_id),
    constraint invoice_exchange_positive check (rate > 0),
    constraint invoice_exchange_adds_up check (total_amount = net_amount + tax_amount)
);
select ctx.guard_seller_table('billing.invoice_exchange', 'select, insert');

-- A payment of such an invoice, at the rate of its value date.
create table billing.payment_exchange (
    provider_id uuid not null,
    seller_id uuid not null,
    payment_id uuid not null,
    -- the issuer's
    currency text not null,
    rate numeric not null,
    rate_date date not null,
    source text not null,
    -- what of the payment settled the invoice, in the invoice's currency
    settled_amount numeric not null,
    -- in the issuer's currency; a gain above zero, a loss below
    difference numeric not null,
    constraint payment_exchange_pk primary key (provider_id, seller_id, payment_id),
    constraint payment_exchange_payment_fk foreign key (provider_id, seller_id, payment_id)
        references billing.payment (provider_id, seller_id, payment_id),
    constraint payment_exchange_positive check (rate > 0 and settled_amount >= 0)
);
select ctx.guard_seller_table('billing.payment_exchange', 'select, insert');

alter table billing.ledger_entry drop constraint ledger_entry_kind_known;
alter table billing.ledger_entry add constraint ledger_entry_kind_known
    check (kind in ('invoice', 'credit_note', 'payment', 'exchange'));
alter table billing.ledger_posting drop constraint ledger_posting_account_known;
alter table billing.ledger_posting add constraint ledger_posting_account_known check (account in
    ('receivable', 'revenue', 'tax', 'cash', 'customer_credit', 'prepaid', 'exchange_difference', 'translation'));
