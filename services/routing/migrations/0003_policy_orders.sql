-- In which order agents are tried, and who is kept free for others.
alter table routing.policy
    add column agent_order text not null default 'least_flexible',
    add column primary_first boolean not null default false,
    add column idle_reserve integer not null default 0,
    add constraint policy_agent_order_known check (agent_order in ('least_flexible', 'longest_idle')),
    add constraint policy_reserve_sane check (idle_reserve between 0 and 10000);
