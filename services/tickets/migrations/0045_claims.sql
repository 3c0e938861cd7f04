-- Claims at marketplaces and returns of goods: cases of their own beside their ticket, with their deadlines.

create table tickets.claim (
    provider_id uuid not null,
    seller_id uuid not null,
    claim_id uuid not null,
    ticket_id uuid not null,
    marketplace text not null,
    country text not null,
    kind text not null,
    reason text not null,
    -- empty while unknown
    order_id text not null,
    -- the marketplace's own number of the claim; empty while unknown
    external_id text not null,
    currency text,
    amount numeric(18, 4),
    state text not null,
    appeals integer not null,
    opened_at timestamptz not null,
    -- from a notice of the marketplace, and not by hand
    noticed boolean not null,
    -- the marketplace wrote after somebody last looked
    has_news boolean not null,
    ended_at timestamptz,
    updated_at timestamptz not null,
    -- the earliest deadline that runs; the end of time where none does, so that lists have one order
    next_due_at timestamptz not null,
    event_count integer not null,
    version bigint not null,
    constraint claim_pk primary key (provider_id, seller_id, claim_id),
    constraint claim_ticket_fk foreign key (provider_id, seller_id, ticket_id)
        references tickets.ticket (provider_id, seller_id, ticket_id),
    constraint claim_kind_known check (kind in
        ('a_to_z', 'item_not_received', 'not_as_described', 'return_dispute', 'payment_dispute', 'chargeback', 'mediation')),
    constraint claim_reason_known check (reason in
        ('unknown', 'not_received', 'not_as_described', 'return_refund', 'unauthorized', 'other')),
    constraint claim_state_known check (state in
        ('opened', 'gathering', 'responded', 'won', 'lost', 'withdrawn', 'accepted', 'appealing', 'appealed', 'closed')),
    constraint claim_money_whole check ((currency is null) = (amount is null) and amount >= 0)
);
-- A notice that comes twice, also at the same moment, is one claim.
create unique index claim_once on tickets.claim (provider_id, seller_id, marketplace, kind, order_id, external_id)
    where order_id <> '' or external_id <> '';
create index claim_by_order on tickets.claim (provider_id, seller_id, order_id) where order_id <> '';
create index claim_by_external on tickets.claim (provider_id, seller_id, external_id) where external_id <> '';
create index claim_by_ticket on tickets.claim (provider_id, seller_id, ticket_id);
create index claim_by_due on tickets.claim (provider_id, seller_id, next_due_at, claim_id);
create index claim_by_state_due on tickets.claim (provider_id, seller_id, state, next_due_at, claim_id);
create index claim_by_opening on tickets.claim (provider_id, seller_id, opened_at);
select ctx.guard_seller_table('tickets.claim');

-- What a claim's checklist is filled with.
create table tickets.claim_evidence (
    provider_id uuid not null,
    seller_id uuid not null,
    evidence_id uuid not null,
    claim_id uuid not null,
    ticket_id uuid not null,
    item text not null,
    note text not null,
    link text not null,
    attachment_id uuid,
    added_at timestamptz not null,
    added_by uuid,
    constraint claim_evidence_pk primary key (provider_id, seller_id, evidence_id),
    constraint claim_evidence_claim_fk foreign key (provider_id, seller_id, claim_id)
        references tickets.claim (provider_id, seller_id, claim_id),
    constraint claim_evidence_ticket_fk foreign key (provider_id, seller_id, ticket_id)
        references tickets.ticket (provider_id, seller_id, ticket_id),
    constraint claim_evidence_attachment_fk foreign key (provider_id, seller_id, attachment_id)
        references tickets.attachment (provider_id, seller_id, attachment_id),
    constraint claim_evidence_says check (note <> '' or link <> '' or attachment_id is not null)
);
create index claim_evidence_of_claim on tickets.claim_evidence (provider_id, seller_id, claim_id, added_at);
create index claim_evidence_of_ticket on tickets.claim_evidence (provider_id, seller_id, ticket_id);
create index claim_evidence_of_file on tickets.claim_evidence (provider_id, seller_id, attachment_id)
    where attachment_id is not null;
select ctx.guard_seller_table('tickets.claim_evidence');

-- Goods that come back.
create table tickets.goods_return (
    provider_id uuid not null,
    seller_id uuid not null,
    return_id uuid not null,
    ticket_id uuid not null,
    marketplace text not null,
    country text not null,
    order_id text not null,
    reason text not null,
    items text not null,
    quantity integer not null,
    state text not null,
    -- when the customer asked for it or withdrew, and when the goods had come to her
    declared_at timestamptz not null,
    delivered_at timestamptz,
    -- whether it was asked for in time, where that can be known
    in_time boolean,
    shipped_back_at timestamptz,
    received_at timestamptz,
    tracking text not null,
    outcome text,
    concession_id uuid,
    ended_at timestamptz,
    updated_at timestamptz not null,
    next_due_at timestamptz not null,
    event_count integer not null,
    version bigint not null,
    constraint goods_return_pk primary key (provider_id, seller_id, return_id),
    constraint goods_return_ticket_fk foreign key (provider_id, seller_id, ticket_id)
        references tickets.ticket (provider_id, seller_id, ticket_id),
    constraint goods_return_concession_fk foreign key (provider_id, seller_id, concession_id)
        references tickets.concession (provider_id, seller_id, concession_id),
    constraint goods_return_reason_known check (reason in
        ('withdrawal', 'defective', 'wrong_item', 'not_as_described', 'marketplace_policy', 'other')),
    constraint goods_return_state_known check (state in
        ('requested', 'approved', 'label_sent', 'shipped', 'received', 'inspected', 'refunded', 'exchanged', 'refused', 'closed')),
    constraint goods_return_outcome_known check (outcome in ('refunded', 'exchanged', 'refused', 'cancelled'))
);
create index goods_return_by_ticket on tickets.goods_return (provider_id, seller_id, ticket_id);
create index goods_return_by_concession on tickets.goods_return (provider_id, seller_id, concession_id)
    where concession_id is not null;
create index goods_return_by_due on tickets.goods_return (provider_id, seller_id, next_due_at, return_id);
create index goods_return_by_state_due on tickets.goods_return (provider_id, seller_id, state, next_due_at, return_id);
create index goods_return_by_opening on tickets.goods_return (provider_id, seller_id, declared_at);
select ctx.guard_seller_table('tickets.goods_return');

-- What happened to a claim or a return.
create table tickets.case_event (
    provider_id uuid not null,
    seller_id uuid not null,
    case_id uuid not null,
    sequence integer not null,
    ticket_id uuid not null,
    at timestamptz not null,
    step text not null,
    state text not null,
    detail text not null,
    user_id uuid,
    message_id uuid,
    constraint case_event_pk primary key (provider_id, seller_id, case_id, sequence),
    constraint case_event_ticket_fk foreign key (provider_id, seller_id, ticket_id)
        references tickets.ticket (provider_id, seller_id, ticket_id)
);
create index case_event_of_ticket on tickets.case_event (provider_id, seller_id, ticket_id);
select ctx.guard_seller_table('tickets.case_event');

-- The deadlines of claims and returns, by what rule and from which source, or by whose hand.
create table tickets.case_deadline (
    provider_id uuid not null,
    seller_id uuid not null,
    case_id uuid not null,
    kind text not null,
    round integer not null,
    -- claim or return
    case_kind text not null,
    ticket_id uuid not null,
    started_at timestamptz not null,
    -- while it is put off: when it would have been
    due_at timestamptz not null,
    standing text not null,
    ended_at timestamptz,
    by_hand boolean not null,
    set_by uuid,
    rule text not null,
    source text not null,
    rules_version bigint not null,
    warned_percent integer not null,
    -- when it is to be looked at again
    look_at timestamptz,
    constraint case_deadline_pk primary key (provider_id, seller_id, case_id, kind, round),
    constraint case_deadline_ticket_fk foreign key (provider_id, seller_id, ticket_id)
        references tickets.ticket (provider_id, seller_id, ticket_id),
    constraint case_deadline_case_kind_known check (case_kind in ('claim', 'return')),
    constraint case_deadline_kind_known check (kind in ('respond', 'inform', 'appeal', 'decide', 'send_back', 'refund')),
    constraint case_deadline_standing_known check (standing in ('running', 'put_off', 'met', 'missed', 'void'))
);
create index case_deadline_of_ticket on tickets.case_deadline (provider_id, seller_id, ticket_id);
create index case_deadline_look on tickets.case_deadline (look_at) where look_at is not null;
create index case_deadline_running on tickets.case_deadline (provider_id, seller_id, due_at, case_id, kind)
    where standing in ('running', 'missed') and ended_at is null;
select ctx.guard_seller_table('tickets.case_deadline');
select ctx.expose_due_columns('tickets.case_deadline', 'provider_id, seller_id, case_id, look_at');

-- What people were told of a deadline: each share of its time once, 100 for the miss.
create table tickets.case_alert (
    provider_id uuid not null,
    seller_id uuid not null,
    case_id uuid not null,
    kind text not null,
    round integer not null,
    percent integer not null,
    case_kind text not null,
    ticket_id uuid not null,
    due_at timestamptz not null,
    told_at timestamptz not null,
    constraint case_alert_pk primary key (provider_id, seller_id, case_id, kind, round, percent),
    constraint case_alert_ticket_fk foreign key (provider_id, seller_id, ticket_id)
        references tickets.ticket (provider_id, seller_id, ticket_id),
    constraint case_alert_percent_known check (percent between 1 and 100)
);
create index case_alert_of_ticket on tickets.case_alert (provider_id, seller_id, ticket_id);
create index case_alert_newest on tickets.case_alert (provider_id, seller_id, told_at, case_id, kind, percent);
select ctx.guard_seller_table('tickets.case_alert');
