-- Files of messages that the platform that has them gives out afterwards.
create table tickets.awaited_file (
    provider_id uuid not null,
    seller_id uuid not null,
    -- the attachment that it becomes
    attachment_id uuid not null,
    message_id uuid not null,
    position integer not null,
    channel_account_id uuid not null,
    -- where it is: the id or the address by which the platform gives it out
    place text not null,
    reference text not null,
    -- as the sender called and declared it
    name text not null,
    declared_type text not null,
    -- when it is tried next, or the attempt under way is taken for dead; none where it was given up
    due_at timestamptz,
    attempts integer not null,
    -- the attempt under way
    claim uuid,
    reason text not null,
    said text not null,
    constraint awaited_file_pk primary key (provider_id, seller_id, attachment_id),
    constraint awaited_file_position_once unique (provider_id, seller_id, message_id, position),
    constraint awaited_file_message_fk foreign key (provider_id, seller_id, message_id)
        references tickets.message (provider_id, seller_id, message_id),
    constraint awaited_file_place_known check (place in ('id', 'url')),
    constraint awaited_file_claimed check (claim is null or due_at is not null)
);
create index awaited_file_due on tickets.awaited_file (due_at) where due_at is not null;
select ctx.guard_seller_table('tickets.awaited_file');
select ctx.expose_due_columns('tickets.awaited_file', 'provider_id, seller_id, attachment_id, due_at');
