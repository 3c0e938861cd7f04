-- Late usage by note: an invoice that supplements the one of its period, or a credit
-- note whose lines say which charge they lower. Of an invoice that corrects none there
-- is still one per period.
alter table billing.invoice drop constraint invoice_corrects_one;
alter table billing.invoice add constraint invoice_corrects_one
    check (kind = 'invoice' or corrects_invoice_id is not null);
drop index billing.invoice_period_once;
create unique index invoice_period_once on billing.invoice (provider_id, seller_id, period_from)
    where kind = 'invoice' and state <> 'void' and corrects_invoice_id is null;

-- Late usage is listed by itself. Events that come in time are not in this index.
create index usage_event_late on billing.usage_event (provider_id, seller_id, bill_date, usage_id)
    where local_date < bill_date;
