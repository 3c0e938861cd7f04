-- Links under which agents' calendars are read: who holds one, and the digest of its secret.
create table workforce.calendar_feed (
    provider_id uuid not null,
    user_id uuid not null,
    digest bytea not null,
    created_at timestamptz not null,
    constraint calendar_feed_pk primary key (provider_id, user_id),
    constraint calendar_feed_staff_fk foreign key (provider_id, user_id)
        references workforce.staff (provider_id, user_id),
    constraint calendar_feed_digest_whole check (octet_length(digest) = 32)
);
select ctx.guard_provider_table('workforce.calendar_feed');
