-- What other systems deliver to channel accounts by signed webhooks.

create table tickets.webhook (
    provider_id uuid not null,
    seller_id uuid not null,
    channel_account_id uuid not null,
    format text not null,
    enabled boolean not null,
    -- the id under which the sending platform knows the account; empty where none is named
    platform_id text not null,
    updated_at timestamptz not null,
    version bigint not null,
    constraint webhook_pk primary key (provider_id, seller_id, channel_account_id),
    constraint webhook_seller_fk foreign key (provider_id, seller_id) references tickets.seller (provider_id, seller_id),
    constraint webhook_format_known check (format in ('standard', 'meta'))
);
create unique index webhook_platform_once on tickets.webhook (provider_id, seller_id, format, platform_id)
    where platform_id <> '';
-- Where something is delivered, the account is found by its id alone.
create index webhook_by_account on tickets.webhook (channel_account_id);
select ctx.guard_seller_table('tickets.webhook');
select ctx.expose_due_columns('tickets.webhook', 'provider_id, seller_id, channel_account_id');

-- What deliveries are signed with, sealed with the keys of the installation; no export holds them.
create table tickets.webhook_secret (
    provider_id uuid not null,
    seller_id uuid not null,
    channel_account_id uuid not null,
    kind text not null,
    secret_id uuid not null,
    sealed bytea not null,
    -- when it was last sealed, or found to be sealed with the newest key
    sealed_at timestamptz not null,
    created_at timestamptz not null,
    -- null for the newest of its kind
    valid_until timestamptz,
    constraint webhook_secret_pk primary key (provider_id, seller_id, channel_account_id, kind, secret_id),
    constraint webhook_secret_webhook_fk foreign key (provider_id, seller_id, channel_account_id)
        references tickets.webhook (provider_id, seller_id, channel_account_id),
    constraint webhook_secret_kind_known check (kind in ('signing', 'verify'))
);
-- one of a kind is the newest
create unique index webhook_secret_newest on tickets.webhook_secret (provider_id, seller_id, channel_account_id, kind)
    where valid_until is null;
create index webhook_secret_due on tickets.webhook_secret (sealed_at);
select ctx.guard_seller_table('tickets.webhook_secret');
select ctx.expose_due_columns('tickets.webhook_secret', 'provider_id, seller_id, channel_account_id, sealed_at');

-- What is set aside may be a mail, or a message in the form in which a webhook was sent it.
alter table tickets.quarantine
    add column content text not null default 'mail',
    add constraint quarantine_content_known check (content in ('mail', 'standard', 'meta'));
alter table tickets.quarantine alter column content drop default;
