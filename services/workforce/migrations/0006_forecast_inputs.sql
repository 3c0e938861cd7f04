-- What forecasts are made from beside recorded contacts.

-- Whose public holidays count for a seller, for which language ('' = all), and its own days. Pairs of arrays
-- stand for lists.
create table workforce.forecast_calendar (
    provider_id uuid not null,
    seller_id uuid not null,
    version bigint not null default 1,
    regions text[] not null,
    region_languages text[] not null,
    own_days date[] not null,
    own_names text[] not null,
    updated_at timestamptz not null,
    constraint forecast_calendar_pk primary key (provider_id, seller_id),
    constraint forecast_calendar_seller_fk foreign key (provider_id, seller_id)
        references workforce.seller (provider_id, seller_id),
    constraint forecast_calendar_regions_match check (cardinality(regions) = cardinality(region_languages)),
    constraint forecast_calendar_days_match check (cardinality(own_days) = cardinality(own_names))
);
select ctx.guard_seller_table('workforce.forecast_calendar');

-- Days that are not like others, as planners enter them.
create table workforce.planning_event (
    provider_id uuid not null,
    seller_id uuid not null,
    event_id uuid not null,
    version bigint not null default 1,
    name text not null,
    first_day date not null,
    last_day date not null,
    effect text not null,
    factor double precision not null default 1,
    languages text[] not null,
    channels text[] not null,
    updated_at timestamptz not null,
    constraint planning_event_pk primary key (provider_id, seller_id, event_id),
    constraint planning_event_seller_fk foreign key (provider_id, seller_id)
        references workforce.seller (provider_id, seller_id),
    constraint planning_event_effect_known check (effect in ('factor', 'learnt', 'leave_out')),
    constraint planning_event_in_order check (first_day <= last_day)
);
create index planning_event_by_day on workforce.planning_event (provider_id, seller_id, first_day, event_id);
select ctx.guard_seller_table('workforce.planning_event');

-- History from before the platform.
create table workforce.imported_volume (
    provider_id uuid not null,
    seller_id uuid not null,
    starts_at timestamptz not null,
    language text not null,
    channel text not null,
    offered bigint not null,
    -- Contacts whose handling time is known: all of the line's, or none.
    timed bigint not null,
    handle_seconds bigint not null,
    imported_at timestamptz not null,
    constraint imported_volume_pk primary key (provider_id, seller_id, starts_at, language, channel),
    constraint imported_volume_seller_fk foreign key (provider_id, seller_id)
        references workforce.seller (provider_id, seller_id),
    constraint imported_volume_positive check (0 <= offered and 0 <= timed and 0 <= handle_seconds)
);
select ctx.guard_seller_table('workforce.imported_volume');

-- How a series came about.
alter table workforce.forecast_series
    add column unlearnt text[] not null default '{}',
    add column outlier_days date[] not null default '{}',
    add column outlier_contacts double precision[] not null default '{}',
    add column outlier_expected double precision[] not null default '{}';
