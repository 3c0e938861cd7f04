-- How the last unit of work of a ticket ended, where that was without an answer and nothing followed.
alter table tickets.ticket
    add column contact_ended text,
    add constraint ticket_contact_ended_known
        check (contact_ended in ('done', 'cancelled', 'abandoned', 'expired', 'overflowed'));
create index ticket_ended_unanswered on tickets.ticket (provider_id, seller_id, created_at, ticket_id)
    where contact_ended is not null;

-- Since when the customer of a ticket that was joined into another waits.
alter table tickets.ticket_event add column since timestamptz;

-- What chose a clock's target and how it counts, so that what was judged is explained as it was judged.
alter table tickets.sla_clock
    add column priority text,
    add column stands_in text;
