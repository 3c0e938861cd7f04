-- Tickets joined into others. A merged ticket is closed; what is written to it goes to the target.
alter table tickets.ticket
    add column merged_into_id uuid,
    add constraint ticket_merged_fk foreign key (provider_id, seller_id, merged_into_id)
        references tickets.ticket (provider_id, seller_id, ticket_id),
    add constraint ticket_merged_closed check (merged_into_id is null or state = 'closed'),
    add constraint ticket_merged_elsewhere check (merged_into_id is null or merged_into_id <> ticket_id);

alter table tickets.ticket_event
    drop constraint ticket_event_kind_known,
    add constraint ticket_event_kind_known check (kind in
        ('customer_wrote', 'answered', 'noted', 'assigned', 'unassigned', 'held', 'resumed', 'solved', 'reopened',
         'closed', 'undelivered', 'merged', 'joined', 'split'));
