-- What a kind of entry alone does not say. Kinds are words of the rules, which know them all; here only
-- their form is checked, so that a new one needs no new constraint.
alter table tickets.ticket_event
    add column detail text not null default '',
    drop constraint ticket_event_kind_known,
    add constraint ticket_event_kind_known check (length(kind) <= 40 and kind ~ '^[a-z]+(_[a-z]+)*$');

-- Reply templates, one for each key and language; with actions they are macros.
create table tickets.template (
    provider_id uuid not null,
    seller_id uuid not null,
    template_id uuid not null,
    key text not null,
    language text not null,
    title text not null,
    body text not null,
    -- JSON, read by the rules only
    actions text not null,
    version bigint not null,
    active boolean not null,
    usage_count bigint not null,
    last_used_at timestamptz,
    updated_at timestamptz not null,
    updated_by uuid,
    revision bigint not null,
    constraint template_pk primary key (provider_id, seller_id, template_id),
    constraint template_once unique (provider_id, seller_id, key, language),
    constraint template_seller_fk foreign key (provider_id, seller_id) references tickets.seller (provider_id, seller_id)
);
create index template_by_use on tickets.template (provider_id, seller_id, language, usage_count desc, template_id)
    where active;
select ctx.guard_seller_table('tickets.template');

create table tickets.template_version (
    provider_id uuid not null,
    seller_id uuid not null,
    template_id uuid not null,
    version bigint not null,
    title text not null,
    body text not null,
    actions text not null,
    made_at timestamptz not null,
    made_by uuid,
    constraint template_version_pk primary key (provider_id, seller_id, template_id, version),
    constraint template_version_template_fk foreign key (provider_id, seller_id, template_id)
        references tickets.template (provider_id, seller_id, template_id)
);
select ctx.guard_seller_table('tickets.template_version', 'select, insert, delete');

-- Answers that are being written, one for each person and ticket.
create table tickets.draft (
    provider_id uuid not null,
    seller_id uuid not null,
    ticket_id uuid not null,
    user_id uuid not null,
    body text not null,
    updated_at timestamptz not null,
    version bigint not null,
    constraint draft_pk primary key (provider_id, seller_id, ticket_id, user_id),
    constraint draft_ticket_fk foreign key (provider_id, seller_id, ticket_id)
        references tickets.ticket (provider_id, seller_id, ticket_id)
);
select ctx.guard_seller_table('tickets.draft');

-- Under which name somebody answers; an empty language means all.
create table tickets.signature (
    provider_id uuid not null,
    seller_id uuid not null,
    user_id uuid not null,
    language text not null,
    alias text not null,
    signature text not null,
    updated_at timestamptz not null,
    version bigint not null,
    constraint signature_pk primary key (provider_id, seller_id, user_id, language),
    constraint signature_seller_fk foreign key (provider_id, seller_id) references tickets.seller (provider_id, seller_id)
);
select ctx.guard_seller_table('tickets.signature');

-- How a seller's own order ids look.
create table tickets.order_pattern (
    provider_id uuid not null,
    seller_id uuid not null,
    pattern text not null,
    constraint order_pattern_pk primary key (provider_id, seller_id, pattern),
    constraint order_pattern_seller_fk foreign key (provider_id, seller_id) references tickets.seller (provider_id, seller_id)
);
select ctx.guard_seller_table('tickets.order_pattern');

-- What the guard knows of a provider's sellers. Not their words: only keyed hashes of them, under a key
-- of the provider, and of whom they are only another hash. Whoever reads a row learns nothing of a
-- seller that she could not have named herself.
create table tickets.guard_key (
    provider_id uuid not null,
    key bytea not null,
    constraint guard_key_pk primary key (provider_id)
);
select ctx.guard_provider_table('tickets.guard_key', 'select, insert');

create table tickets.guard_mark (
    provider_id uuid not null,
    mark bytea not null,
    owner bytea not null,
    kind text not null,
    constraint guard_mark_pk primary key (provider_id, mark, owner, kind),
    constraint guard_mark_kind_known check (kind in ('name', 'alias', 'domain', 'address', 'ticket_number', 'order_id'))
);
create index guard_mark_of on tickets.guard_mark (provider_id, owner, kind);
select ctx.guard_provider_table('tickets.guard_mark');

-- Texts that a supervisor lets leave all the same.
create table tickets.guard_override (
    provider_id uuid not null,
    seller_id uuid not null,
    ticket_id uuid not null,
    sha256 bytea not null,
    reason text not null,
    made_by uuid not null,
    made_at timestamptz not null,
    constraint guard_override_pk primary key (provider_id, seller_id, ticket_id, sha256),
    constraint guard_override_ticket_fk foreign key (provider_id, seller_id, ticket_id)
        references tickets.ticket (provider_id, seller_id, ticket_id)
);
select ctx.guard_seller_table('tickets.guard_override', 'select, insert, delete');

-- Up to how much a role may grant alone.
create table tickets.authority_limit (
    provider_id uuid not null,
    seller_id uuid not null,
    role text not null,
    kind text not null,
    currency text not null,
    amount numeric not null,
    updated_at timestamptz not null,
    updated_by uuid,
    version bigint not null,
    constraint authority_limit_pk primary key (provider_id, seller_id, role, kind, currency),
    constraint authority_limit_seller_fk foreign key (provider_id, seller_id) references tickets.seller (provider_id, seller_id),
    constraint authority_limit_role_known check (role in ('agent', 'supervisor')),
    constraint authority_limit_kind_known check (kind in ('refund', 'discount')),
    constraint authority_limit_amount check (amount >= 0)
);
select ctx.guard_seller_table('tickets.authority_limit');

-- Money asked for.
create table tickets.concession (
    provider_id uuid not null,
    seller_id uuid not null,
    concession_id uuid not null,
    ticket_id uuid not null,
    kind text not null,
    currency text not null,
    amount numeric not null,
    order_id text not null,
    reason text not null,
    state text not null,
    within_limit boolean not null,
    requested_by uuid,
    requested_at timestamptz not null,
    decided_by uuid,
    decided_at timestamptz,
    decision_note text not null,
    version bigint not null,
    constraint concession_pk primary key (provider_id, seller_id, concession_id),
    constraint concession_ticket_fk foreign key (provider_id, seller_id, ticket_id)
        references tickets.ticket (provider_id, seller_id, ticket_id),
    constraint concession_kind_known check (kind in ('refund', 'discount')),
    constraint concession_state_known check (state in ('requested', 'approved', 'rejected')),
    constraint concession_decided check ((state = 'requested') = (decided_at is null)),
    constraint concession_amount check (amount > 0)
);
create index concession_newest on tickets.concession (provider_id, seller_id, requested_at, concession_id);
create index concession_by_state on tickets.concession (provider_id, seller_id, state, requested_at, concession_id);
create index concession_of on tickets.concession (provider_id, seller_id, ticket_id, requested_at, concession_id);
select ctx.guard_seller_table('tickets.concession');

-- Who is at a ticket; forgotten when it expires.
create table tickets.presence (
    provider_id uuid not null,
    seller_id uuid not null,
    ticket_id uuid not null,
    user_id uuid not null,
    doing text not null,
    expires_at timestamptz not null,
    constraint presence_pk primary key (provider_id, seller_id, ticket_id, user_id),
    constraint presence_ticket_fk foreign key (provider_id, seller_id, ticket_id)
        references tickets.ticket (provider_id, seller_id, ticket_id),
    constraint presence_doing_known check (doing in ('viewing', 'typing'))
);
create index presence_expired on tickets.presence (expires_at);
select ctx.guard_seller_table('tickets.presence');
select ctx.expose_due_columns('tickets.presence', 'provider_id, seller_id, ticket_id, expires_at');
