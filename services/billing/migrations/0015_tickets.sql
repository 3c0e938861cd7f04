-- What happened to the tickets behind contacts, as far as contracts heed it: solved,
-- reopened, joined into one another, tagged. A fact never changes.
create table billing.ticket_fact (
    provider_id uuid not null,
    seller_id uuid not null,
    ticket_id text not null,
    -- place in the ticket's history
    sequence bigint not null,
    turn text not null,
    -- the other ticket, or the tag
    detail text not null,
    happened_at timestamptz not null,
    -- of the ticket's first message: nothing of it was billed before
    begun_on date not null,
    -- the first open date when it was told: invoices up to then do not know of it
    bill_date date not null,
    historical boolean not null,
    constraint ticket_fact_pk primary key (provider_id, seller_id, ticket_id, sequence, turn),
    constraint ticket_fact_account_fk foreign key (provider_id, seller_id) references billing.account (provider_id, seller_id),
    constraint ticket_fact_turn_known check (turn in ('solved', 'reopened', 'merged', 'joined', 'tagged', 'untagged')),
    constraint ticket_fact_placed check (sequence > 0)
);
create index ticket_fact_by_bill_date on billing.ticket_fact (provider_id, seller_id, bill_date, begun_on);
select ctx.guard_seller_table('billing.ticket_fact', 'select, insert, delete');

-- A solved ticket is a usage event, so that an invoice opens down to it.
alter table billing.usage_event drop constraint usage_event_meter_known;
alter table billing.usage_event add constraint usage_event_meter_known check (meter in
    ('contact', 'message', 'talk_minute', 'agent_hour', 'seat', 'translation', 'storage', 'turnover', 'one_off',
     'resolution'));
