-- How far the mail of each channel account was fetched, and who fetches it.
create table tickets.mail_pull (
    provider_id uuid not null,
    seller_id uuid not null,
    channel_account_id uuid not null,
    -- when somebody is to begin; while somebody does, when that is taken for dead
    due_at timestamptz not null,
    holder uuid,
    -- what arrived before is left where it is, as long as the server's own numbers are unknown
    since timestamptz not null,
    uid_validity bigint,
    last_uid bigint not null,
    -- the mail that could not be taken in, and how often it was tried
    stuck_uid bigint,
    stuck_times integer not null,
    failures integer not null,
    reason text not null,
    said text not null,
    looked_at timestamptz,
    taken bigint not null,
    skipped bigint not null,
    constraint mail_pull_pk primary key (provider_id, seller_id, channel_account_id),
    constraint mail_pull_connection_fk foreign key (provider_id, seller_id, channel_account_id)
        references tickets.mail_connection (provider_id, seller_id, channel_account_id)
);
create index mail_pull_due on tickets.mail_pull (due_at);
select ctx.guard_seller_table('tickets.mail_pull');
select ctx.expose_due_columns('tickets.mail_pull', 'provider_id, seller_id, channel_account_id, due_at');
