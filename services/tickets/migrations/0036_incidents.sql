-- Incidents: something that went wrong for many customers at once.

create table tickets.incident (
    provider_id uuid not null,
    seller_id uuid not null,
    incident_id uuid not null,
    state text not null,
    title text not null,
    description text not null,
    channel_account_id uuid not null,
    template_key text not null,
    closing_template_key text not null,
    fallback_language text not null,
    countries text[] not null,
    languages text[] not null,
    contacted_from timestamptz,
    contacted_before timestamptz,
    marketplaces text[] not null,
    per_minute integer not null,
    problem_ticket_id uuid,
    orders bigint not null,
    created_at timestamptz not null,
    created_by uuid,
    activated_at timestamptz,
    closed_at timestamptz,
    version bigint not null,
    constraint incident_pk primary key (provider_id, seller_id, incident_id),
    constraint incident_seller_fk foreign key (provider_id, seller_id) references tickets.seller (provider_id, seller_id),
    constraint incident_problem_fk foreign key (provider_id, seller_id, problem_ticket_id)
        references tickets.ticket (provider_id, seller_id, ticket_id),
    constraint incident_state_known check (state in ('draft', 'active', 'closed')),
    constraint incident_activated check ((state = 'draft') = (activated_at is null)),
    constraint incident_closed check ((state = 'closed') = (closed_at is not null)),
    constraint incident_contacted check ((contacted_from is null) = (contacted_before is null))
);
create index incident_newest on tickets.incident (provider_id, seller_id, created_at, incident_id);
create index incident_of_problem on tickets.incident (provider_id, seller_id, problem_ticket_id)
    where problem_ticket_id is not null;
select ctx.guard_seller_table('tickets.incident');

-- Affected orders. Whose an order is, is noted with it, or found by its tickets when the incident is activated.
create table tickets.incident_order (
    provider_id uuid not null,
    seller_id uuid not null,
    incident_id uuid not null,
    order_id text not null,
    customer_id uuid,
    language text not null,
    country text not null,
    constraint incident_order_pk primary key (provider_id, seller_id, incident_id, order_id),
    constraint incident_order_incident_fk foreign key (provider_id, seller_id, incident_id)
        references tickets.incident (provider_id, seller_id, incident_id),
    constraint incident_order_customer_fk foreign key (provider_id, seller_id, customer_id)
        references tickets.customer (provider_id, seller_id, customer_id)
);
create index incident_order_by_order on tickets.incident_order (provider_id, seller_id, order_id);
create index incident_order_by_customer on tickets.incident_order (provider_id, seller_id, customer_id)
    where customer_id is not null;
select ctx.guard_seller_table('tickets.incident_order');

-- Who is told, each once: the row is marked in the transaction that queues the message.
create table tickets.incident_recipient (
    provider_id uuid not null,
    seller_id uuid not null,
    recipient_id uuid not null,
    incident_id uuid not null,
    customer_id uuid not null,
    order_id text not null,
    language text not null,
    country text not null,
    template_language text not null,
    state text not null,
    reason text not null,
    due_at timestamptz,
    ticket_id uuid,
    message_id uuid,
    contacted_at timestamptz,
    constraint incident_recipient_pk primary key (provider_id, seller_id, recipient_id),
    constraint incident_recipient_once unique (provider_id, seller_id, incident_id, customer_id),
    constraint incident_recipient_incident_fk foreign key (provider_id, seller_id, incident_id)
        references tickets.incident (provider_id, seller_id, incident_id),
    constraint incident_recipient_customer_fk foreign key (provider_id, seller_id, customer_id)
        references tickets.customer (provider_id, seller_id, customer_id),
    constraint incident_recipient_ticket_fk foreign key (provider_id, seller_id, ticket_id)
        references tickets.ticket (provider_id, seller_id, ticket_id),
    constraint incident_recipient_state_known check (state in ('planned', 'sent', 'skipped')),
    constraint incident_recipient_due check ((state = 'planned') = (due_at is not null)),
    constraint incident_recipient_told check ((state = 'sent') = (ticket_id is not null))
);
create index incident_recipient_due on tickets.incident_recipient (due_at) where due_at is not null;
create index incident_recipient_by_customer on tickets.incident_recipient (provider_id, seller_id, customer_id);
create index incident_recipient_by_ticket on tickets.incident_recipient (provider_id, seller_id, ticket_id)
    where ticket_id is not null;
select ctx.guard_seller_table('tickets.incident_recipient');
select ctx.expose_due_columns('tickets.incident_recipient', 'provider_id, seller_id, recipient_id, due_at');

-- What people say of a ticket: it belongs to an incident, or it does not.
create table tickets.incident_link (
    provider_id uuid not null,
    seller_id uuid not null,
    incident_id uuid not null,
    ticket_id uuid not null,
    belongs boolean not null,
    constraint incident_link_pk primary key (provider_id, seller_id, incident_id, ticket_id),
    constraint incident_link_incident_fk foreign key (provider_id, seller_id, incident_id)
        references tickets.incident (provider_id, seller_id, incident_id),
    constraint incident_link_ticket_fk foreign key (provider_id, seller_id, ticket_id)
        references tickets.ticket (provider_id, seller_id, ticket_id)
);
create index incident_link_of on tickets.incident_link (provider_id, seller_id, ticket_id);
select ctx.guard_seller_table('tickets.incident_link');

-- Tickets of a closed incident that are still to be looked after. The row goes in the transaction that does.
create table tickets.incident_notice (
    provider_id uuid not null,
    seller_id uuid not null,
    incident_id uuid not null,
    ticket_id uuid not null,
    due_at timestamptz not null,
    constraint incident_notice_pk primary key (provider_id, seller_id, ticket_id, incident_id),
    constraint incident_notice_incident_fk foreign key (provider_id, seller_id, incident_id)
        references tickets.incident (provider_id, seller_id, incident_id),
    constraint incident_notice_ticket_fk foreign key (provider_id, seller_id, ticket_id)
        references tickets.ticket (provider_id, seller_id, ticket_id)
);
create index incident_notice_due on tickets.incident_notice (due_at);
select ctx.guard_seller_table('tickets.incident_notice');
select ctx.expose_due_columns('tickets.incident_notice', 'provider_id, seller_id, ticket_id, due_at');
