-- Where the answers of channel accounts are sent that are no mailboxes.
create table tickets.channel_sender (
    provider_id uuid not null,
    seller_id uuid not null,
    channel_account_id uuid not null,
    kind text not null,
    -- empty for the kind's own
    address text not null,
    phone_number_id text not null,
    updated_at timestamptz not null,
    version bigint not null,
    constraint channel_sender_pk primary key (provider_id, seller_id, channel_account_id),
    constraint channel_sender_seller_fk foreign key (provider_id, seller_id)
        references tickets.seller (provider_id, seller_id),
    constraint channel_sender_kind_known check (kind in ('standard', 'whatsapp'))
);
select ctx.guard_seller_table('tickets.channel_sender');

-- What they sign or sign in with, sealed with the keys of the installation; no export holds it.
create table tickets.channel_sender_secret (
    provider_id uuid not null,
    seller_id uuid not null,
    channel_account_id uuid not null,
    sealed bytea not null,
    -- when it was last sealed, or found to be sealed with the newest key
    sealed_at timestamptz not null,
    constraint channel_sender_secret_pk primary key (provider_id, seller_id, channel_account_id),
    constraint channel_sender_secret_sender_fk foreign key (provider_id, seller_id, channel_account_id)
        references tickets.channel_sender (provider_id, seller_id, channel_account_id)
);
create index channel_sender_secret_due on tickets.channel_sender_secret (sealed_at);
select ctx.guard_seller_table('tickets.channel_sender_secret');
select ctx.expose_due_columns('tickets.channel_sender_secret', 'provider_id, seller_id, channel_account_id, sealed_at');
