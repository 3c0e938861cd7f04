-- How many people may be at a site at once. Clock times in minutes; windows are arrays, one entry each.
create table workforce.site_seats (
    provider_id uuid not null,
    site text not null,
    version bigint not null default 1,
    zone text not null,
    seats integer not null,
    window_weekdays integer[] not null,
    window_starts integer[] not null,
    window_ends integer[] not null,
    window_seats integer[] not null,
    updated_at timestamptz not null,
    constraint site_seats_pk primary key (provider_id, site),
    constraint site_seats_not_negative check (0 <= seats),
    constraint site_seats_windows_match check
        (cardinality(window_weekdays) = cardinality(window_starts) and cardinality(window_starts) = cardinality(window_ends)
         and cardinality(window_ends) = cardinality(window_seats))
);
select ctx.guard_provider_table('workforce.site_seats');
