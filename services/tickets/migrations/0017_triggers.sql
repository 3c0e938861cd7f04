-- What the desk does by itself when something happens to a ticket.
create table tickets.trigger (
    provider_id uuid not null,
    seller_id uuid not null,
    trigger_id uuid not null,
    key text not null,
    name text not null,
    position integer not null,
    -- JSON, read by the rules only
    rule text not null,
    version bigint not null,
    active boolean not null,
    fired_count bigint not null,
    updated_at timestamptz not null,
    updated_by uuid,
    revision bigint not null,
    constraint trigger_pk primary key (provider_id, seller_id, trigger_id),
    constraint trigger_once unique (provider_id, seller_id, key),
    constraint trigger_seller_fk foreign key (provider_id, seller_id) references tickets.seller (provider_id, seller_id)
);
create index trigger_in_order on tickets.trigger (provider_id, seller_id, position, key) where active;
select ctx.guard_seller_table('tickets.trigger');

create table tickets.trigger_version (
    provider_id uuid not null,
    seller_id uuid not null,
    trigger_id uuid not null,
    version bigint not null,
    rule text not null,
    made_at timestamptz not null,
    made_by uuid,
    constraint trigger_version_pk primary key (provider_id, seller_id, trigger_id, version),
    constraint trigger_version_trigger_fk foreign key (provider_id, seller_id, trigger_id)
        references tickets.trigger (provider_id, seller_id, trigger_id)
);
select ctx.guard_seller_table('tickets.trigger_version', 'select, insert, delete');

-- Tickets to which something happened that triggers have not looked at yet. The row goes in the
-- transaction in which they do.
create table tickets.trigger_work (
    provider_id uuid not null,
    seller_id uuid not null,
    ticket_id uuid not null,
    -- the last entry of the history that was looked at
    since bigint not null,
    due_at timestamptz not null,
    constraint trigger_work_pk primary key (provider_id, seller_id, ticket_id),
    constraint trigger_work_ticket_fk foreign key (provider_id, seller_id, ticket_id)
        references tickets.ticket (provider_id, seller_id, ticket_id)
);
create index trigger_work_due on tickets.trigger_work (due_at);
select ctx.guard_seller_table('tickets.trigger_work');
select ctx.expose_due_columns('tickets.trigger_work', 'provider_id, seller_id, ticket_id, due_at');
