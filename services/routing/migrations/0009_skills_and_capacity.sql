-- What agents must know for certain contacts, on which channels contacts may be given to whom, and how many at once.

alter table routing.policy
    add column skill_rules jsonb not null default '[]',
    add constraint policy_skill_rules_few check (jsonb_typeof(skill_rules) = 'array' and jsonb_array_length(skill_rules) <= 32);

-- no channels = all
alter table routing.agent
    add column channels text[] not null default '{}',
    add column capacity integer not null default 60,
    add constraint agent_capacity_sane check (capacity between 1 and 60);
