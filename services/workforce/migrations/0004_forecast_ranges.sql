-- How sure a forecast is, and how right it would have been: empty and zero for given volumes.
alter table workforce.forecast_series
    add column lower_ends double precision[] not null default '{}',
    add column upper_ends double precision[] not null default '{}',
    add column wape double precision not null default 0,
    add column seasonal_naive_wape double precision not null default 0,
    add column methods text[] not null default '{}';
