-- A schedule may begin with a former one: what stays, what a change costs, and how much changed in the end.
alter table workforce.schedule
    add column start_schedule_id uuid,
    add column kept_shift_ids uuid[] not null default '{}',
    add column change_weight integer not null default 0,
    add column kept integer not null default 0,
    add column moved integer not null default 0,
    add column added integer not null default 0,
    add column removed integer not null default 0,
    add column changed_seconds bigint not null default 0,
    add constraint schedule_start_fk foreign key (provider_id, start_schedule_id)
        references workforce.schedule (provider_id, schedule_id);
