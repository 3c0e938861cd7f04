-- Answers on their way out as mails, and the servers they leave by.

-- The servers of a channel account. Passwords stand in mail_secret.
create table tickets.mail_connection (
    provider_id uuid not null,
    seller_id uuid not null,
    channel_account_id uuid not null,
    -- null where the account sends nothing
    smtp_host text,
    smtp_port integer,
    smtp_security text,
    smtp_user text,
    -- null where no mail is fetched
    imap_host text,
    imap_port integer,
    imap_security text,
    imap_user text,
    imap_folder text not null,
    from_name text not null,
    reply_to_ticket boolean not null,
    updated_at timestamptz not null,
    version bigint not null,
    constraint mail_connection_pk primary key (provider_id, seller_id, channel_account_id),
    constraint mail_connection_seller_fk foreign key (provider_id, seller_id)
        references tickets.seller (provider_id, seller_id),
    constraint mail_connection_smtp_whole check (num_nulls(smtp_host, smtp_port, smtp_security, smtp_user) in (0, 4)),
    constraint mail_connection_imap_whole check (num_nulls(imap_host, imap_port, imap_security, imap_user) in (0, 4)),
    constraint mail_connection_security_known check
        (smtp_security in ('none', 'starttls', 'tls') and imap_security in ('none', 'starttls', 'tls'))
);
select ctx.guard_seller_table('tickets.mail_connection');

-- Passwords, sealed with the keys of the installation; no export holds them.
create table tickets.mail_secret (
    provider_id uuid not null,
    seller_id uuid not null,
    channel_account_id uuid not null,
    -- smtp or imap
    server text not null,
    sealed bytea not null,
    -- when it was last sealed, or found to be sealed with the newest key
    sealed_at timestamptz not null,
    constraint mail_secret_pk primary key (provider_id, seller_id, channel_account_id, server),
    constraint mail_secret_connection_fk foreign key (provider_id, seller_id, channel_account_id)
        references tickets.mail_connection (provider_id, seller_id, channel_account_id),
    constraint mail_secret_server_known check (server in ('smtp', 'imap'))
);
create index mail_secret_due on tickets.mail_secret (sealed_at);
select ctx.guard_seller_table('tickets.mail_secret');
select ctx.expose_due_columns('tickets.mail_secret', 'provider_id, seller_id, channel_account_id, sealed_at');

-- The queue: one row for each answer that leaves as a mail, or that would if it could.
create table tickets.outgoing (
    provider_id uuid not null,
    seller_id uuid not null,
    message_id uuid not null,
    ticket_id uuid not null,
    channel_account_id uuid not null,
    state text not null,
    queued_at timestamptz not null,
    -- while queued: when it is tried next; while sending: when the attempt is taken for dead
    due_at timestamptz,
    attempts integer not null,
    -- the attempt under way
    claim uuid,
    -- when the mail itself began to leave in the attempt under way; from then on until the server answers
    -- nobody knows whether it arrived
    handed_at timestamptz,
    may_be_twice boolean not null,
    recipient text not null,
    recipient_name text not null,
    subject text not null,
    in_reply_to text not null,
    -- Message-IDs parted by spaces, the oldest first
    reference_ids text not null,
    -- the ticket's number, for the address that asks for answers; empty where the account's own does
    reply_tag text not null,
    reason text not null,
    server_reply text not null,
    sent_at timestamptz,
    ended_at timestamptz,
    decided_by uuid,
    constraint outgoing_pk primary key (provider_id, seller_id, message_id),
    constraint outgoing_message_fk foreign key (provider_id, seller_id, message_id)
        references tickets.message (provider_id, seller_id, message_id),
    constraint outgoing_state_known check (state in ('queued', 'sending', 'sent', 'failed', 'not_sent', 'discarded')),
    constraint outgoing_due check ((state in ('queued', 'sending')) = (due_at is not null)),
    constraint outgoing_claimed check ((state = 'sending') = (claim is not null)),
    constraint outgoing_sent check ((state = 'sent') = (sent_at is not null)),
    constraint outgoing_ended check ((state in ('failed', 'discarded')) = (ended_at is not null))
);
create index outgoing_due on tickets.outgoing (due_at) where due_at is not null;
create index outgoing_newest on tickets.outgoing (provider_id, seller_id, queued_at, message_id);
create index outgoing_by_state on tickets.outgoing (provider_id, seller_id, state, queued_at, message_id);
create index outgoing_by_ticket on tickets.outgoing (provider_id, seller_id, ticket_id, queued_at, message_id);
select ctx.guard_seller_table('tickets.outgoing');
select ctx.expose_due_columns('tickets.outgoing', 'provider_id, seller_id, message_id, due_at');
