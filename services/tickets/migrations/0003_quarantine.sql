-- Mails that could not be taken in, with their bytes, until somebody replays or discards them. The
-- same bytes are one entry, however often they are delivered.
create table tickets.quarantine (
    provider_id uuid not null,
    seller_id uuid not null,
    quarantine_id uuid not null,
    received_at timestamptz not null,
    -- as named by whoever delivered it
    channel_account_id uuid,
    reason text not null,
    size bigint not null,
    sha256 bytea not null,
    -- as far as it could be read
    sender text not null,
    subject text not null,
    state text not null,
    decided_at timestamptz,
    decided_by uuid,
    -- what it became
    message_id uuid,
    constraint quarantine_pk primary key (provider_id, seller_id, quarantine_id),
    constraint quarantine_once unique (provider_id, seller_id, sha256),
    constraint quarantine_seller_fk foreign key (provider_id, seller_id) references tickets.seller (provider_id, seller_id),
    constraint quarantine_message_fk foreign key (provider_id, seller_id, message_id)
        references tickets.message (provider_id, seller_id, message_id),
    constraint quarantine_state_known check (state in ('waiting', 'replayed', 'discarded')),
    constraint quarantine_decided check ((state = 'waiting') = (decided_at is null)),
    constraint quarantine_replayed check ((state = 'replayed') = (message_id is not null))
);
create index quarantine_newest on tickets.quarantine (provider_id, seller_id, received_at, quarantine_id);
create index quarantine_by_state on tickets.quarantine (provider_id, seller_id, state, received_at, quarantine_id);
select ctx.guard_seller_table('tickets.quarantine');

-- The bytes, in pieces of at most 1 MiB.
create table tickets.quarantine_part (
    provider_id uuid not null,
    seller_id uuid not null,
    quarantine_id uuid not null,
    position integer not null,
    bytes bytea not null,
    constraint quarantine_part_pk primary key (provider_id, seller_id, quarantine_id, position),
    constraint quarantine_part_entry_fk foreign key (provider_id, seller_id, quarantine_id)
        references tickets.quarantine (provider_id, seller_id, quarantine_id)
);
select ctx.guard_seller_table('tickets.quarantine_part', 'select, insert, delete');

-- What a mail server told of a mail of ours: delayed, failed, delivered; empty while it told nothing.
alter table tickets.message
    add column delivery text not null default '',
    add column delivery_status text not null default '';

alter table tickets.ticket_event
    drop constraint ticket_event_kind_known,
    add constraint ticket_event_kind_known check (kind in
        ('customer_wrote', 'answered', 'noted', 'assigned', 'unassigned', 'held', 'resumed', 'solved', 'reopened',
         'closed', 'undelivered'));
