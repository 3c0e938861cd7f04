-- An agent's day has hours of several classes: some at night, the others by day.
alter table billing.agent_day
    drop constraint agent_day_pk,
    add constraint agent_day_pk primary key (provider_id, work_date, user_id, hour_class);
