-- Alerts that contacts of the escalation matrix are told of by mail.

-- A mail to one contact, about one or many alerts.
create table tickets.notice_mail (
    provider_id uuid not null,
    seller_id uuid not null,
    mail_id uuid not null,
    contact_key text not null,
    level integer not null,
    state text not null,
    -- where it goes, while it is not there yet; blank afterwards
    recipient text not null,
    recipient_name text not null,
    language text not null,
    queued_at timestamptz not null,
    -- while queued: when it is tried next; while sending: when the attempt is taken for dead
    due_at timestamptz,
    attempts integer not null,
    -- the attempt under way
    claim uuid,
    -- when the mail's own bytes began to leave in it
    handed_at timestamptz,
    may_be_twice boolean not null,
    reason text not null,
    sent_at timestamptz,
    constraint notice_mail_pk primary key (provider_id, seller_id, mail_id),
    constraint notice_mail_seller_fk foreign key (provider_id, seller_id)
        references tickets.seller (provider_id, seller_id),
    constraint notice_mail_state_known check (state in ('queued', 'sending', 'sent', 'failed')),
    constraint notice_mail_due check ((state in ('queued', 'sending')) = (due_at is not null)),
    constraint notice_mail_claimed check ((state = 'sending') = (claim is not null)),
    constraint notice_mail_handed check (handed_at is null or claim is not null),
    constraint notice_mail_sent check ((state = 'sent') = (sent_at is not null))
);
create index notice_mail_due on tickets.notice_mail (due_at) where due_at is not null;
create index notice_mail_of_contact on tickets.notice_mail (provider_id, seller_id, contact_key, queued_at);
select ctx.guard_seller_table('tickets.notice_mail');
select ctx.expose_due_columns('tickets.notice_mail', 'provider_id, seller_id, mail_id, due_at');

-- One level of the matrix and one alert: what became of telling it.
create table tickets.notice (
    provider_id uuid not null,
    seller_id uuid not null,
    -- the ticket, or the claim or return whose deadline it is
    of_id uuid not null,
    -- contract, marketplace or deadline
    family text not null,
    -- the metric, or the kind of the deadline
    name text not null,
    -- the exchange, or the round
    cycle integer not null,
    percent integer not null,
    level integer not null,
    ticket_id uuid not null,
    state text not null,
    reason text not null,
    -- while it waits: when it is told
    due_at timestamptz,
    mail_id uuid,
    decided_at timestamptz,
    constraint notice_pk primary key (provider_id, seller_id, of_id, family, name, cycle, percent, level),
    constraint notice_ticket_fk foreign key (provider_id, seller_id, ticket_id)
        references tickets.ticket (provider_id, seller_id, ticket_id),
    constraint notice_mail_fk foreign key (provider_id, seller_id, mail_id)
        references tickets.notice_mail (provider_id, seller_id, mail_id),
    constraint notice_family_known check (family in ('contract', 'marketplace', 'deadline')),
    constraint notice_percent_known check (percent between 1 and 100),
    constraint notice_level_known check (level between 1 and 10),
    constraint notice_state_known check (state in ('waiting', 'mailed', 'settled', 'nobody')),
    constraint notice_due check ((state = 'waiting') = (due_at is not null)),
    constraint notice_decided check ((state = 'waiting') = (decided_at is null)),
    constraint notice_mailed check ((state = 'mailed') = (mail_id is not null))
);
create index notice_due on tickets.notice (due_at) where due_at is not null;
create index notice_due_of_seller on tickets.notice (provider_id, seller_id, due_at) where due_at is not null;
create index notice_of_ticket on tickets.notice (provider_id, seller_id, ticket_id);
create index notice_of_mail on tickets.notice (provider_id, seller_id, mail_id) where mail_id is not null;
select ctx.guard_seller_table('tickets.notice');
select ctx.expose_due_columns('tickets.notice', 'provider_id, seller_id, due_at');
