-- What the best plan costs and what every plan costs at least: points of the solver's prices times seconds.
alter table workforce.schedule
    add column cost bigint not null default 0,
    add column cost_bound bigint not null default 0;
