-- On which channels contacts may be given to an agent (none = all), and how much work at once (0 = as much as anybody).

alter table tenants.agent_profile
    add column channels text[] not null default '{}',
    add column capacity_units integer not null default 0,
    add constraint agent_profile_capacity_sane check (capacity_units between 0 and 60 and cardinality(channels) <= 9);
