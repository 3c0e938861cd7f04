-- Tickets, their history and messages, the customers who wrote, the clocks and the imports.
-- A ticket is its events; the row is a projection that the same transaction updates.

-- The last short number given, one row a seller; its lock keeps numbers without gaps or twins.
create table tickets.number_series (
    provider_id uuid not null,
    seller_id uuid not null,
    last_serial bigint not null,
    constraint number_series_pk primary key (provider_id, seller_id),
    constraint number_series_seller_fk foreign key (provider_id, seller_id) references tickets.seller (provider_id, seller_id)
);
select ctx.guard_seller_table('tickets.number_series');

create table tickets.customer (
    provider_id uuid not null,
    seller_id uuid not null,
    customer_id uuid not null,
    name text not null,
    language text,
    created_at timestamptz not null,
    constraint customer_pk primary key (provider_id, seller_id, customer_id),
    constraint customer_seller_fk foreign key (provider_id, seller_id) references tickets.seller (provider_id, seller_id)
);
select ctx.guard_seller_table('tickets.customer');

-- The addresses by which a customer is known. `kind` is email, phone, or the channel of a handle.
create table tickets.customer_identity (
    provider_id uuid not null,
    seller_id uuid not null,
    kind text not null,
    address text not null,
    customer_id uuid not null,
    constraint customer_identity_pk primary key (provider_id, seller_id, kind, address),
    constraint customer_identity_customer_fk foreign key (provider_id, seller_id, customer_id)
        references tickets.customer (provider_id, seller_id, customer_id)
);
create index customer_identity_of on tickets.customer_identity (provider_id, seller_id, customer_id);
select ctx.guard_seller_table('tickets.customer_identity');

create table tickets.ticket (
    provider_id uuid not null,
    seller_id uuid not null,
    ticket_id uuid not null,
    number text not null,
    subject text not null,
    state text not null,
    priority text not null,
    channel text not null,
    channel_account_id uuid not null,
    external_thread_id text,
    language text,
    customer_id uuid not null,
    assignee_id uuid,
    order_id text,
    marketplace text not null,
    country text not null,
    historical boolean not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    first_response_at timestamptz,
    solved_at timestamptz,
    -- the earliest due moment of its running clocks
    due_at timestamptz,
    -- figures for reports, kept with every message
    first_message_at timestamptz not null,
    first_outbound_at timestamptz,
    inbound_count integer not null,
    outbound_count integer not null,
    message_count integer not null,
    event_count bigint not null,
    -- the unit of work that is open, if any
    contact_id uuid,
    contact_since timestamptz,
    contact_messages integer not null,
    contact_assigned_at timestamptz,
    last_user_id uuid,
    version bigint not null default 1,
    constraint ticket_pk primary key (provider_id, seller_id, ticket_id),
    constraint ticket_number_once unique (provider_id, seller_id, number),
    constraint ticket_seller_fk foreign key (provider_id, seller_id) references tickets.seller (provider_id, seller_id),
    constraint ticket_customer_fk foreign key (provider_id, seller_id, customer_id)
        references tickets.customer (provider_id, seller_id, customer_id),
    constraint ticket_state_known check (state in
        ('new', 'open', 'pending_customer', 'pending_seller', 'on_hold', 'solved', 'closed')),
    constraint ticket_priority_known check (priority in ('low', 'normal', 'high', 'urgent')),
    constraint ticket_contact_whole check ((contact_id is null) = (contact_since is null))
);
create index ticket_newest on tickets.ticket (provider_id, seller_id, created_at, ticket_id);
create index ticket_by_state on tickets.ticket (provider_id, seller_id, state, created_at, ticket_id);
create index ticket_by_due on tickets.ticket (provider_id, seller_id, due_at, ticket_id) where due_at is not null;
create index ticket_by_assignee on tickets.ticket (provider_id, seller_id, assignee_id, created_at, ticket_id)
    where assignee_id is not null;
create index ticket_by_customer on tickets.ticket (provider_id, seller_id, customer_id, created_at, ticket_id);
create index ticket_by_order on tickets.ticket (provider_id, seller_id, order_id) where order_id is not null;
-- a thread has one ticket that is not closed; two first messages at once meet here
create unique index ticket_thread_once on tickets.ticket
    (provider_id, seller_id, channel_account_id, external_thread_id)
    where external_thread_id is not null and state <> 'closed';
create index ticket_by_thread on tickets.ticket (provider_id, seller_id, channel_account_id, external_thread_id, created_at)
    where external_thread_id is not null and state = 'closed';
select ctx.guard_seller_table('tickets.ticket');

-- The history. Rows are added and, with an erased seller, removed; never changed.
create table tickets.ticket_event (
    provider_id uuid not null,
    seller_id uuid not null,
    ticket_id uuid not null,
    sequence bigint not null,
    at timestamptz not null,
    kind text not null,
    state text not null,
    automatic boolean not null,
    user_id uuid,
    message_id uuid,
    assignee_id uuid,
    constraint ticket_event_pk primary key (provider_id, seller_id, ticket_id, sequence),
    constraint ticket_event_ticket_fk foreign key (provider_id, seller_id, ticket_id)
        references tickets.ticket (provider_id, seller_id, ticket_id),
    constraint ticket_event_kind_known check (kind in
        ('customer_wrote', 'answered', 'noted', 'assigned', 'unassigned', 'held', 'resumed', 'solved', 'reopened', 'closed')),
    constraint ticket_event_state_known check (state in
        ('new', 'open', 'pending_customer', 'pending_seller', 'on_hold', 'solved', 'closed'))
);
select ctx.guard_seller_table('tickets.ticket_event', 'select, insert, delete');

create table tickets.message (
    provider_id uuid not null,
    seller_id uuid not null,
    message_id uuid not null,
    ticket_id uuid not null,
    position integer not null,
    direction text not null,
    channel text not null,
    channel_account_id uuid,
    external_id text,
    external_thread_id text,
    in_reply_to text,
    order_id text,
    author_address text not null,
    author_name text not null,
    user_id uuid,
    subject text not null,
    body text not null,
    language text,
    language_confidence double precision not null,
    occurred_at timestamptz not null,
    stored_at timestamptz not null,
    automatic boolean not null,
    -- intake's decisions, a line each: step, outcome, detail, parted by tabs
    decisions text not null,
    constraint message_pk primary key (provider_id, seller_id, message_id),
    constraint message_position_once unique (provider_id, seller_id, ticket_id, position),
    constraint message_ticket_fk foreign key (provider_id, seller_id, ticket_id)
        references tickets.ticket (provider_id, seller_id, ticket_id),
    constraint message_direction_known check (direction in ('inbound', 'outbound', 'note'))
);
-- stored once per channel account and external id; also finds what a message answers
create unique index message_external_once on tickets.message (provider_id, seller_id, external_id, channel_account_id)
    where external_id is not null;
select ctx.guard_seller_table('tickets.message');

-- The bytes of mails as received.
create table tickets.message_raw (
    provider_id uuid not null,
    seller_id uuid not null,
    message_id uuid not null,
    content_type text not null,
    raw bytea not null,
    constraint message_raw_pk primary key (provider_id, seller_id, message_id),
    constraint message_raw_message_fk foreign key (provider_id, seller_id, message_id)
        references tickets.message (provider_id, seller_id, message_id)
);
select ctx.guard_seller_table('tickets.message_raw', 'select, insert, delete');

-- Every clock of every ticket as it last stood.
create table tickets.sla_clock (
    provider_id uuid not null,
    seller_id uuid not null,
    ticket_id uuid not null,
    family text not null,
    metric text not null,
    cycle integer not null,
    state text not null,
    verdict text not null,
    target_seconds bigint not null,
    elapsed_seconds bigint not null,
    started_at timestamptz not null,
    stopped_at timestamptz,
    due_at timestamptz,
    policy_version bigint not null,
    calendar text not null,
    source text not null,
    -- the verdict last told to others; told once each
    told_verdict text,
    constraint sla_clock_pk primary key (provider_id, seller_id, ticket_id, family, metric, cycle),
    constraint sla_clock_ticket_fk foreign key (provider_id, seller_id, ticket_id)
        references tickets.ticket (provider_id, seller_id, ticket_id),
    constraint sla_clock_family_known check (family in ('contract', 'marketplace')),
    constraint sla_clock_metric_known check (metric in ('first_response', 'next_response', 'resolution')),
    constraint sla_clock_state_known check (state in ('running', 'paused', 'stopped')),
    constraint sla_clock_verdict_known check (verdict in ('open', 'kept', 'missed'))
);
create index sla_clock_due on tickets.sla_clock (due_at) where state = 'running' and verdict = 'open';
create index sla_clock_report on tickets.sla_clock (provider_id, seller_id, family, metric, started_at);
select ctx.guard_seller_table('tickets.sla_clock');
select ctx.expose_due_columns('tickets.sla_clock', 'provider_id, seller_id, ticket_id, due_at, state, verdict');

-- Every verdict when it was reached: a promise kept, or missed, or kept first and missed after reopening.
create table tickets.verdict (
    provider_id uuid not null,
    seller_id uuid not null,
    ticket_id uuid not null,
    family text not null,
    metric text not null,
    cycle integer not null,
    reached_at timestamptz not null,
    verdict text not null,
    target_seconds bigint not null,
    elapsed_seconds bigint not null,
    due_at timestamptz,
    policy_version bigint not null,
    constraint verdict_pk primary key (provider_id, seller_id, ticket_id, family, metric, cycle, verdict),
    constraint verdict_ticket_fk foreign key (provider_id, seller_id, ticket_id)
        references tickets.ticket (provider_id, seller_id, ticket_id),
    constraint verdict_verdict_known check (verdict in ('kept', 'missed'))
);
select ctx.guard_seller_table('tickets.verdict', 'select, insert, delete');

-- The seller's terms by version, so that a settled promise can be recomputed years later.
create table tickets.terms_version (
    provider_id uuid not null,
    seller_id uuid not null,
    version bigint not null,
    terms bytea not null,
    constraint terms_version_pk primary key (provider_id, seller_id, version),
    constraint terms_version_seller_fk foreign key (provider_id, seller_id) references tickets.seller (provider_id, seller_id)
);
select ctx.guard_seller_table('tickets.terms_version', 'select, insert, delete');

create table tickets.import (
    provider_id uuid not null,
    seller_id uuid not null,
    import_id uuid not null,
    import_key text not null,
    started_at timestamptz not null,
    updated_at timestamptz not null,
    messages bigint not null,
    duplicates bigint not null,
    constraint import_pk primary key (provider_id, seller_id, import_id),
    constraint import_key_once unique (provider_id, seller_id, import_key),
    constraint import_seller_fk foreign key (provider_id, seller_id) references tickets.seller (provider_id, seller_id)
);
create index import_newest on tickets.import (provider_id, seller_id, started_at, import_id);
select ctx.guard_seller_table('tickets.import');

-- Which tickets an import holds.
create table tickets.import_conversation (
    provider_id uuid not null,
    seller_id uuid not null,
    import_id uuid not null,
    ticket_id uuid not null,
    constraint import_conversation_pk primary key (provider_id, seller_id, import_id, ticket_id),
    constraint import_conversation_import_fk foreign key (provider_id, seller_id, import_id)
        references tickets.import (provider_id, seller_id, import_id),
    constraint import_conversation_ticket_fk foreign key (provider_id, seller_id, ticket_id)
        references tickets.ticket (provider_id, seller_id, ticket_id)
);
create index import_conversation_of on tickets.import_conversation (provider_id, seller_id, ticket_id);
select ctx.guard_seller_table('tickets.import_conversation', 'select, insert, delete');
