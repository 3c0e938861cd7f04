-- Invoices, their numbers, payments and the ledger. What is finalized is frozen:
-- the app role may change the state, what was paid and credited, and nothing else.

-- The next number of a series; its row lock makes the series gapless.
create table billing.number_series (
    provider_id uuid not null,
    issuer_id uuid not null,
    kind text not null,
    series_year integer not null,
    next_number bigint not null,
    constraint number_series_pk primary key (provider_id, issuer_id, kind, series_year),
    constraint number_series_issuer_fk foreign key (provider_id, issuer_id) references billing.issuer (provider_id, issuer_id),
    constraint number_series_kind_known check (kind in ('invoice', 'credit_note'))
);
select ctx.guard_provider_table('billing.number_series', 'select, insert, update');

-- Every number that was given, once.
create table billing.number_register (
    provider_id uuid not null,
    issuer_id uuid not null,
    kind text not null,
    series_year integer not null,
    running bigint not null,
    invoice_id uuid not null,
    constraint number_register_pk primary key (provider_id, issuer_id, kind, series_year, running),
    constraint number_register_series_fk foreign key (provider_id, issuer_id, kind, series_year)
        references billing.number_series (provider_id, issuer_id, kind, series_year)
);
select ctx.guard_provider_table('billing.number_register', 'select, insert');

create table billing.invoice (
    provider_id uuid not null,
    seller_id uuid not null,
    invoice_id uuid not null,
    kind text not null,
    state text not null,
    number text not null,
    issuer_id uuid not null,
    currency text not null,
    period_from date not null,
    period_until date not null,
    issue_date date not null,
    due_date date not null,
    net_amount numeric not null,
    tax_amount numeric not null,
    total_amount numeric not null,
    paid_amount numeric not null,
    credited_amount numeric not null,
    -- issuer and buyer as they were
    issuer jsonb not null,
    buyer jsonb not null,
    vat_evidence text not null,
    corrects_invoice_id uuid,
    reason text not null,
    content_hash text not null,
    finalized_at timestamptz not null,
    sent_at timestamptz,
    version bigint not null default 1,
    constraint invoice_pk primary key (provider_id, seller_id, invoice_id),
    constraint invoice_account_fk foreign key (provider_id, seller_id) references billing.account (provider_id, seller_id),
    constraint invoice_corrects_fk foreign key (provider_id, seller_id, corrects_invoice_id)
        references billing.invoice (provider_id, seller_id, invoice_id),
    constraint invoice_number_once unique (provider_id, seller_id, issuer_id, number),
    constraint invoice_kind_known check (kind in ('invoice', 'credit_note')),
    constraint invoice_state_known check (state in ('finalized', 'sent', 'paid', 'void')),
    constraint invoice_adds_up check (total_amount = net_amount + tax_amount),
    constraint invoice_credits_within check (kind = 'credit_note' or abs(credited_amount) <= abs(total_amount)),
    constraint invoice_corrects_one check ((kind = 'credit_note') = (corrects_invoice_id is not null)),
    constraint invoice_not_backwards check (period_until >= period_from)
);
-- One living invoice per period; a void one gives its period free.
create unique index invoice_period_once on billing.invoice (provider_id, seller_id, period_from)
    where kind = 'invoice' and state <> 'void';
create index invoice_by_age on billing.invoice (provider_id, seller_id, finalized_at, invoice_id);
create index invoice_by_corrected on billing.invoice (provider_id, seller_id, corrects_invoice_id)
    where corrects_invoice_id is not null;
select ctx.guard_seller_table('billing.invoice', 'select, insert');
grant update (state, paid_amount, credited_amount, sent_at, version) on billing.invoice to billing_app;

create table billing.invoice_line (
    provider_id uuid not null,
    seller_id uuid not null,
    invoice_id uuid not null,
    line_number integer not null,
    kind text not null,
    contract_id uuid,
    charge_code text not null,
    description text not null,
    quantity numeric not null,
    usage_events bigint not null,
    amount numeric not null,
    tax_category text not null,
    tax_percent numeric not null,
    service_from date not null,
    service_until date not null,
    -- start of the period that was rated; an earlier one for late usage
    rated_period_from date not null,
    -- the line of the invoice that a credit note's line takes back
    corrects_line integer,
    steps jsonb not null,
    constraint invoice_line_pk primary key (provider_id, seller_id, invoice_id, line_number),
    constraint invoice_line_invoice_fk foreign key (provider_id, seller_id, invoice_id)
        references billing.invoice (provider_id, seller_id, invoice_id),
    constraint invoice_line_contract_fk foreign key (provider_id, seller_id, contract_id)
        references billing.contract (provider_id, seller_id, contract_id),
    constraint invoice_line_kind_known check (kind in ('flat', 'usage', 'late_usage', 'commitment', 'credit'))
);
create index invoice_line_by_period on billing.invoice_line (provider_id, seller_id, rated_period_from);
select ctx.guard_seller_table('billing.invoice_line', 'select, insert');

create table billing.invoice_tax (
    provider_id uuid not null,
    seller_id uuid not null,
    invoice_id uuid not null,
    position integer not null,
    category text not null,
    percent numeric not null,
    taxable_amount numeric not null,
    tax_amount numeric not null,
    exemption_code text not null,
    exemption_reason text not null,
    constraint invoice_tax_pk primary key (provider_id, seller_id, invoice_id, position),
    constraint invoice_tax_category_once unique (provider_id, seller_id, invoice_id, category, percent),
    constraint invoice_tax_invoice_fk foreign key (provider_id, seller_id, invoice_id)
        references billing.invoice (provider_id, seller_id, invoice_id)
);
select ctx.guard_seller_table('billing.invoice_tax', 'select, insert');

create table billing.payment (
    provider_id uuid not null,
    seller_id uuid not null,
    payment_id uuid not null,
    invoice_id uuid not null,
    amount numeric not null,
    value_date date not null,
    reference text not null,
    recorded_at timestamptz not null,
    constraint payment_pk primary key (provider_id, seller_id, payment_id),
    constraint payment_reference_once unique (provider_id, seller_id, invoice_id, reference),
    constraint payment_invoice_fk foreign key (provider_id, seller_id, invoice_id)
        references billing.invoice (provider_id, seller_id, invoice_id),
    constraint payment_positive check (amount > 0)
);
select ctx.guard_seller_table('billing.payment', 'select, insert');

create table billing.ledger_entry (
    provider_id uuid not null,
    seller_id uuid not null,
    entry_id uuid not null,
    kind text not null,
    source_id uuid not null,
    currency text not null,
    booking_date date not null,
    created_at timestamptz not null,
    constraint ledger_entry_pk primary key (provider_id, seller_id, entry_id),
    constraint ledger_entry_source_once unique (provider_id, seller_id, kind, source_id),
    constraint ledger_entry_account_fk foreign key (provider_id, seller_id) references billing.account (provider_id, seller_id),
    constraint ledger_entry_kind_known check (kind in ('invoice', 'credit_note', 'payment'))
);
select ctx.guard_seller_table('billing.ledger_entry', 'select, insert');

create table billing.ledger_posting (
    provider_id uuid not null,
    seller_id uuid not null,
    entry_id uuid not null,
    position integer not null,
    account text not null,
    -- debit above zero, credit below
    amount numeric not null,
    constraint ledger_posting_pk primary key (provider_id, seller_id, entry_id, position),
    constraint ledger_posting_entry_fk foreign key (provider_id, seller_id, entry_id)
        references billing.ledger_entry (provider_id, seller_id, entry_id),
    constraint ledger_posting_account_known check (account in
        ('receivable', 'revenue', 'tax', 'cash', 'customer_credit', 'prepaid')),
    constraint ledger_posting_not_zero check (amount <> 0)
);
create index ledger_posting_by_account on billing.ledger_posting (provider_id, seller_id, account);
select ctx.guard_seller_table('billing.ledger_posting', 'select, insert');

-- Checked when the transaction commits: the postings of an entry add up to zero.
create function billing.ledger_entry_balances() returns trigger
    language plpgsql set search_path = pg_catalog as $$
declare
    rest numeric;
begin
    select coalesce(sum(p.amount), 0) into rest
      from billing.ledger_posting p
     where p.provider_id = new.provider_id and p.seller_id = new.seller_id and p.entry_id = new.entry_id;
    if rest <> 0 then
        raise exception 'a ledger entry does not balance'
            using errcode = 'check_violation', constraint = 'ledger_entry_balanced';
    end if;
    return null;
end $$;
create constraint trigger ledger_posting_balanced after insert on billing.ledger_posting
    deferrable initially deferred for each row execute function billing.ledger_entry_balances();
