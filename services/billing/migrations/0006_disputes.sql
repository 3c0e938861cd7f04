-- Disputes of single usage events of an invoice's line. What is disputed is not
-- due; what is accepted is credited.

alter table billing.invoice add column disputed_amount numeric not null default 0;
grant update (disputed_amount) on billing.invoice to billing_app;

create table billing.dispute (
    provider_id uuid not null,
    seller_id uuid not null,
    dispute_id uuid not null,
    invoice_id uuid not null,
    line_number integer not null,
    state text not null,
    reason text not null,
    disputed_net numeric not null,
    disputed_amount numeric not null,
    -- net, what the accepted events cost
    accepted_net numeric not null default 0,
    credited_amount numeric not null default 0,
    credit_note_id uuid,
    opened_by uuid not null,
    created_at timestamptz not null,
    note text not null default '',
    closed_at timestamptz,
    constraint dispute_pk primary key (provider_id, seller_id, dispute_id),
    constraint dispute_line_fk foreign key (provider_id, seller_id, invoice_id, line_number)
        references billing.invoice_line (provider_id, seller_id, invoice_id, line_number),
    constraint dispute_credit_note_fk foreign key (provider_id, seller_id, credit_note_id)
        references billing.invoice (provider_id, seller_id, invoice_id),
    constraint dispute_state_known check (state in ('open', 'resolved', 'withdrawn')),
    constraint dispute_closed check ((state = 'open') = (closed_at is null))
);
create index dispute_by_age on billing.dispute (provider_id, seller_id, created_at, dispute_id);
create index dispute_by_line on billing.dispute (provider_id, seller_id, invoice_id, line_number);
select ctx.guard_seller_table('billing.dispute', 'select, insert');
grant update (state, accepted_net, credited_amount, credit_note_id, note, closed_at) on billing.dispute to billing_app;

create table billing.dispute_item (
    provider_id uuid not null,
    seller_id uuid not null,
    dispute_id uuid not null,
    usage_id uuid not null,
    invoice_id uuid not null,
    subject text not null,
    -- open, accepted, refused; an event is disputed again only after it was not accepted
    ruling text not null,
    constraint dispute_item_pk primary key (provider_id, seller_id, dispute_id, usage_id),
    constraint dispute_item_dispute_fk foreign key (provider_id, seller_id, dispute_id)
        references billing.dispute (provider_id, seller_id, dispute_id),
    constraint dispute_item_ruling_known check (ruling in ('open', 'accepted', 'refused'))
);
create unique index dispute_item_once on billing.dispute_item (provider_id, seller_id, invoice_id, usage_id)
    where ruling <> 'refused';
select ctx.guard_seller_table('billing.dispute_item', 'select, insert, delete');
grant update (ruling) on billing.dispute_item to billing_app;
