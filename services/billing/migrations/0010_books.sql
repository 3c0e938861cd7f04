-- Books: every entry belongs to an issuing entity, and a month that is closed takes
-- nothing more. The database refuses it, whatever the service does.
alter table billing.issuer
    -- last date of the newest closed month
    add column closed_through date,
    add column books_version bigint not null default 1,
    add constraint issuer_closed_months check (extract(day from closed_through + 1) = 1);

alter table billing.ledger_entry add column issuer_id uuid;
alter table billing.ledger_entry no force row level security;
alter table billing.invoice no force row level security;
alter table billing.payment no force row level security;
update billing.ledger_entry e set issuer_id = i.issuer_id
  from billing.invoice i
 where e.kind in ('invoice', 'credit_note')
   and i.provider_id = e.provider_id and i.seller_id = e.seller_id and i.invoice_id = e.source_id;
update billing.ledger_entry e set issuer_id = i.issuer_id
  from billing.payment p
  join billing.invoice i
    on i.provider_id = p.provider_id and i.seller_id = p.seller_id and i.invoice_id = p.invoice_id
 where e.kind = 'payment'
   and p.provider_id = e.provider_id and p.seller_id = e.seller_id and p.payment_id = e.source_id;
alter table billing.ledger_entry force row level security;
alter table billing.invoice force row level security;
alter table billing.payment force row level security;
alter table billing.ledger_entry
    alter column issuer_id set not null,
    add constraint ledger_entry_issuer_fk foreign key (provider_id, issuer_id) references billing.issuer (provider_id, issuer_id);
create index ledger_entry_by_date on billing.ledger_entry (provider_id, issuer_id, booking_date, entry_id);

-- Waits for a close that is under way; a close waits for entries that are.
create function billing.ledger_entry_month_open() returns trigger
    language plpgsql set search_path = pg_catalog as $$
declare
    closed date;
begin
    select i.closed_through into closed
      from billing.issuer i
     where i.provider_id = new.provider_id and i.issuer_id = new.issuer_id
       for share;
    if new.booking_date <= closed then
        raise exception 'the month of a ledger entry is closed'
            using errcode = 'check_violation', constraint = 'ledger_entry_month_open';
    end if;
    return new;
end $$;
create trigger ledger_entry_month_open before insert on billing.ledger_entry
    for each row execute function billing.ledger_entry_month_open();

-- Every close of a month, and whether it was reopened: rows stay.
create table billing.book_close (
    provider_id uuid not null,
    issuer_id uuid not null,
    close_id uuid not null,
    -- its first day
    month date not null,
    closed_at timestamptz not null,
    closed_by uuid not null,
    -- periods that were left without an invoice, and why
    excused jsonb not null,
    entries bigint not null,
    reopened_at timestamptz,
    reopened_by uuid,
    reopen_reason text not null default '',
    constraint book_close_pk primary key (provider_id, close_id),
    constraint book_close_issuer_fk foreign key (provider_id, issuer_id) references billing.issuer (provider_id, issuer_id),
    constraint book_close_month check (extract(day from month) = 1),
    constraint book_close_reopened check (
        (reopened_at is null) = (reopened_by is null) and (reopened_at is null) = (reopen_reason = ''))
);
create unique index book_close_once on billing.book_close (provider_id, issuer_id, month) where reopened_at is null;
create index book_close_by_age on billing.book_close (provider_id, issuer_id, closed_at, close_id);
select ctx.guard_provider_table('billing.book_close', 'select, insert');
grant update (reopened_at, reopened_by, reopen_reason) on billing.book_close to billing_app;

-- The trial balance that was stored with a close.
create table billing.book_balance (
    provider_id uuid not null,
    close_id uuid not null,
    currency text not null,
    account text not null,
    -- at the begin of the month; debit above zero, credit below
    opening numeric not null,
    debit numeric not null,
    credit numeric not null,
    closing numeric not null,
    constraint book_balance_pk primary key (provider_id, close_id, currency, account),
    constraint book_balance_close_fk foreign key (provider_id, close_id) references billing.book_close (provider_id, close_id),
    constraint book_balance_sides check (debit >= 0 and credit >= 0),
    constraint book_balance_adds_up check (closing = opening + debit - credit)
);
select ctx.guard_provider_table('billing.book_balance', 'select, insert');
