-- How far handling times spread: of contacts counted from now on, how many had a known time, its sum and its squares.
alter table workforce.volume
    add column spread_count bigint not null default 0,
    add column spread_seconds bigint not null default 0,
    add column spread_squares bigint not null default 0;
