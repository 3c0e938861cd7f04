-- The files of messages. What is sent twice is stored once, within one seller: the key leads with the
-- seller, so that nobody learns from a hash what another seller has.
create table tickets.file (
    provider_id uuid not null,
    seller_id uuid not null,
    sha256 bytea not null,
    size bigint not null,
    -- by its first bytes
    detected_type text not null,
    stored_at timestamptz not null,
    constraint file_pk primary key (provider_id, seller_id, sha256),
    constraint file_seller_fk foreign key (provider_id, seller_id) references tickets.seller (provider_id, seller_id)
);
select ctx.guard_seller_table('tickets.file', 'select, insert, delete');

-- The bytes, in pieces of at most 1 MiB.
create table tickets.file_part (
    provider_id uuid not null,
    seller_id uuid not null,
    sha256 bytea not null,
    position integer not null,
    bytes bytea not null,
    constraint file_part_pk primary key (provider_id, seller_id, sha256, position),
    constraint file_part_file_fk foreign key (provider_id, seller_id, sha256)
        references tickets.file (provider_id, seller_id, sha256)
);
select ctx.guard_seller_table('tickets.file_part', 'select, insert, delete');

create table tickets.attachment (
    provider_id uuid not null,
    seller_id uuid not null,
    attachment_id uuid not null,
    message_id uuid not null,
    position integer not null,
    -- as the sender called and declared it
    name text not null,
    declared_type text not null,
    sha256 bytea not null,
    constraint attachment_pk primary key (provider_id, seller_id, attachment_id),
    constraint attachment_position_once unique (provider_id, seller_id, message_id, position),
    constraint attachment_message_fk foreign key (provider_id, seller_id, message_id)
        references tickets.message (provider_id, seller_id, message_id),
    constraint attachment_file_fk foreign key (provider_id, seller_id, sha256)
        references tickets.file (provider_id, seller_id, sha256)
);
select ctx.guard_seller_table('tickets.attachment', 'select, insert, delete');
