-- Up to which version of a schedule an agent has seen what became of her shifts.
create table workforce.shift_seen (
    provider_id uuid not null,
    user_id uuid not null,
    schedule_id uuid not null,
    revision integer not null,
    seen_at timestamptz not null,
    constraint shift_seen_pk primary key (provider_id, user_id, schedule_id),
    constraint shift_seen_schedule_fk foreign key (provider_id, schedule_id)
        references workforce.schedule (provider_id, schedule_id)
);
select ctx.guard_provider_table('workforce.shift_seen', 'select, insert, update');

create index shift_change_of_user on workforce.shift_change (provider_id, user_id, day);
