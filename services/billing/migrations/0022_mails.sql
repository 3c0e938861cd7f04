-- Documents that leave by mail.

-- The mail server of an issuer. Its password stands in mail_secret.
create table billing.mail_sender (
    provider_id uuid not null,
    issuer_id uuid not null,
    host text not null,
    port integer not null,
    security text not null,
    user_name text not null,
    from_address text not null,
    from_name text not null,
    version bigint not null,
    constraint mail_sender_pk primary key (provider_id, issuer_id),
    constraint mail_sender_issuer_fk foreign key (provider_id, issuer_id) references billing.issuer (provider_id, issuer_id),
    constraint mail_sender_port check (port between 1 and 65535),
    constraint mail_sender_security_known check (security in ('none', 'starttls', 'tls'))
);
select ctx.guard_provider_table('billing.mail_sender', 'select, insert, update');

-- Passwords, sealed with the keys of the installation.
create table billing.mail_secret (
    provider_id uuid not null,
    issuer_id uuid not null,
    sealed bytea not null,
    -- when it was last sealed, or found to be sealed with the newest key
    sealed_at timestamptz not null,
    constraint mail_secret_pk primary key (provider_id, issuer_id),
    constraint mail_secret_sender_fk foreign key (provider_id, issuer_id)
        references billing.mail_sender (provider_id, issuer_id)
);
create index mail_secret_due on billing.mail_secret (sealed_at);
select ctx.guard_provider_table('billing.mail_secret', 'select, insert, update, delete');
select ctx.expose_due_columns('billing.mail_secret', 'provider_id, issuer_id, sealed_at');

-- To whom a seller's documents go.
create table billing.invoice_delivery (
    provider_id uuid not null,
    seller_id uuid not null,
    recipients text[] not null,
    -- empty = that of the buyer's country
    language text not null,
    formats text[] not null,
    dunning_notices boolean not null,
    version bigint not null,
    constraint invoice_delivery_pk primary key (provider_id, seller_id),
    constraint invoice_delivery_account_fk foreign key (provider_id, seller_id)
        references billing.account (provider_id, seller_id),
    constraint invoice_delivery_recipients check (cardinality(recipients) between 1 and 10),
    constraint invoice_delivery_formats check (cardinality(formats) between 1 and 5)
);
select ctx.guard_seller_table('billing.invoice_delivery');

-- The queue: one row for each document and each notice that leaves.
create table billing.outgoing_mail (
    provider_id uuid not null,
    seller_id uuid not null,
    mail_id uuid not null,
    invoice_id uuid not null,
    -- of the dunning notice; 0 = the document itself
    level integer not null,
    state text not null,
    recipients text[] not null,
    language text not null,
    formats text[] not null,
    message_id text not null,
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
    server_reply text not null,
    sent_at timestamptz,
    constraint outgoing_mail_pk primary key (provider_id, seller_id, mail_id),
    constraint outgoing_mail_once unique (provider_id, seller_id, invoice_id, level),
    constraint outgoing_mail_invoice_fk foreign key (provider_id, seller_id, invoice_id)
        references billing.invoice (provider_id, seller_id, invoice_id),
    constraint outgoing_mail_state_known check (state in ('queued', 'sending', 'sent', 'failed')),
    constraint outgoing_mail_level check (level between 0 and 9),
    constraint outgoing_mail_due check ((state in ('queued', 'sending')) = (due_at is not null)),
    constraint outgoing_mail_claimed check ((state = 'sending') = (claim is not null)),
    constraint outgoing_mail_handed check (handed_at is null or claim is not null),
    constraint outgoing_mail_sent check ((state = 'sent') = (sent_at is not null))
);
create index outgoing_mail_due on billing.outgoing_mail (due_at) where due_at is not null;
create index outgoing_mail_by_age on billing.outgoing_mail (provider_id, seller_id, queued_at, mail_id);
select ctx.guard_seller_table('billing.outgoing_mail');
select ctx.expose_due_columns('billing.outgoing_mail', 'provider_id, seller_id, mail_id, due_at');
