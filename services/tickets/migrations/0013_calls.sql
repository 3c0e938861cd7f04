-- Telephone calls, as a telephone system reports them: by its own id, as often as it knows more.
create table tickets.call (
    provider_id uuid not null,
    seller_id uuid not null,
    call_id uuid not null,
    ticket_id uuid not null,
    -- of the account; null once the customer is erased
    external_id text,
    channel_account_id uuid not null,
    service_number text not null,
    customer_number text not null,
    direction text not null,
    rang_at timestamptz not null,
    answered_at timestamptz,
    ended_at timestamptz,
    user_id uuid,
    outcome text,
    wrapped_up_at timestamptz,
    -- whether what the agent noted was kept; it is kept once
    noted boolean not null,
    constraint call_pk primary key (provider_id, seller_id, call_id),
    constraint call_once unique (provider_id, seller_id, channel_account_id, external_id),
    constraint call_ticket_fk foreign key (provider_id, seller_id, ticket_id)
        references tickets.ticket (provider_id, seller_id, ticket_id),
    constraint call_direction_known check (direction in ('inbound', 'outbound')),
    constraint call_outcome_known check (outcome in
        ('answered', 'missed', 'abandoned', 'not_reached', 'voicemail', 'failed')),
    constraint call_ended check ((outcome is null) = (ended_at is null))
);
create index call_newest on tickets.call (provider_id, seller_id, rang_at, call_id);
create index call_by_outcome on tickets.call (provider_id, seller_id, outcome, rang_at, call_id);
create index call_of on tickets.call (provider_id, seller_id, ticket_id, rang_at, call_id);
select ctx.guard_seller_table('tickets.call');

create table tickets.call_hold (
    provider_id uuid not null,
    seller_id uuid not null,
    call_id uuid not null,
    position integer not null,
    ticket_id uuid not null,
    held_at timestamptz not null,
    resumed_at timestamptz,
    constraint call_hold_pk primary key (provider_id, seller_id, call_id, position),
    constraint call_hold_call_fk foreign key (provider_id, seller_id, call_id)
        references tickets.call (provider_id, seller_id, call_id)
);
select ctx.guard_seller_table('tickets.call_hold');
