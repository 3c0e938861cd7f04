-- The tags of a seller, with how many tickets carry each.
create table tickets.tag (
    provider_id uuid not null,
    seller_id uuid not null,
    -- in the order of its bytes, so that a prefix is a range
    tag text collate "C" not null,
    tickets bigint not null,
    constraint tag_pk primary key (provider_id, seller_id, tag),
    constraint tag_seller_fk foreign key (provider_id, seller_id) references tickets.seller (provider_id, seller_id)
);
select ctx.guard_seller_table('tickets.tag');

create table tickets.ticket_tag (
    provider_id uuid not null,
    seller_id uuid not null,
    ticket_id uuid not null,
    tag text not null,
    tagged_at timestamptz not null,
    constraint ticket_tag_pk primary key (provider_id, seller_id, ticket_id, tag),
    constraint ticket_tag_ticket_fk foreign key (provider_id, seller_id, ticket_id)
        references tickets.ticket (provider_id, seller_id, ticket_id)
);
create index ticket_tag_newest on tickets.ticket_tag (provider_id, seller_id, tag, tagged_at, ticket_id);
select ctx.guard_seller_table('tickets.ticket_tag');

-- Custom fields. A value is a text in the plain notation of its type, checked when it is set.
create table tickets.field_definition (
    provider_id uuid not null,
    seller_id uuid not null,
    key text not null,
    name text not null,
    type text not null,
    choices text[] not null,
    active boolean not null,
    version bigint not null,
    constraint field_definition_pk primary key (provider_id, seller_id, key),
    constraint field_definition_seller_fk foreign key (provider_id, seller_id) references tickets.seller (provider_id, seller_id),
    constraint field_definition_type_known check (type in ('text', 'integer', 'decimal', 'date', 'boolean', 'choice'))
);
select ctx.guard_seller_table('tickets.field_definition');

create table tickets.ticket_field (
    provider_id uuid not null,
    seller_id uuid not null,
    ticket_id uuid not null,
    key text not null,
    value text not null,
    constraint ticket_field_pk primary key (provider_id, seller_id, ticket_id, key),
    constraint ticket_field_ticket_fk foreign key (provider_id, seller_id, ticket_id)
        references tickets.ticket (provider_id, seller_id, ticket_id),
    constraint ticket_field_definition_fk foreign key (provider_id, seller_id, key)
        references tickets.field_definition (provider_id, seller_id, key)
);
select ctx.guard_seller_table('tickets.ticket_field');

-- Tickets that wait for a moment. The row goes in the transaction that wakes the ticket.
create table tickets.snooze (
    provider_id uuid not null,
    seller_id uuid not null,
    ticket_id uuid not null,
    wakes_at timestamptz not null,
    constraint snooze_pk primary key (provider_id, seller_id, ticket_id),
    constraint snooze_ticket_fk foreign key (provider_id, seller_id, ticket_id)
        references tickets.ticket (provider_id, seller_id, ticket_id)
);
create index snooze_due on tickets.snooze (wakes_at);
select ctx.guard_seller_table('tickets.snooze');
select ctx.expose_due_columns('tickets.snooze', 'provider_id, seller_id, ticket_id, wakes_at');

-- Links. A related pair is one row, the smaller id first; of an incident and its problem the incident is
-- first, and has one problem.
create table tickets.ticket_link (
    provider_id uuid not null,
    seller_id uuid not null,
    ticket_id uuid not null,
    target_id uuid not null,
    kind text not null,
    constraint ticket_link_pk primary key (provider_id, seller_id, ticket_id, target_id),
    constraint ticket_link_ticket_fk foreign key (provider_id, seller_id, ticket_id)
        references tickets.ticket (provider_id, seller_id, ticket_id),
    constraint ticket_link_target_fk foreign key (provider_id, seller_id, target_id)
        references tickets.ticket (provider_id, seller_id, ticket_id),
    constraint ticket_link_elsewhere check (ticket_id <> target_id),
    constraint ticket_link_kind_known check (kind in ('related', 'incident'))
);
create unique index ticket_link_one_problem on tickets.ticket_link (provider_id, seller_id, ticket_id) where kind = 'incident';
create index ticket_link_back on tickets.ticket_link (provider_id, seller_id, target_id);
select ctx.guard_seller_table('tickets.ticket_link', 'select, insert, delete');
