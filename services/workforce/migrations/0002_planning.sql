-- What comes in for a seller, what is expected, and how many people it needs.

-- Contacts already counted, so that a contact counts once however often it is told.
-- No foreign key to the seller: events may arrive before the seller's own.
create table workforce.counted_contact (
    provider_id uuid not null,
    seller_id uuid not null,
    contact_id uuid not null,
    starts_at timestamptz not null,
    language text not null,
    channel text not null,
    handled boolean not null,
    constraint counted_contact_pk primary key (provider_id, seller_id, contact_id)
);
create index counted_contact_age on workforce.counted_contact (provider_id, seller_id, starts_at);
select ctx.guard_seller_table('workforce.counted_contact');

-- Contacts by half hour of arrival, language and channel.
create table workforce.volume (
    provider_id uuid not null,
    seller_id uuid not null,
    starts_at timestamptz not null,
    language text not null,
    channel text not null,
    offered bigint not null default 0,
    handled bigint not null default 0,
    timed bigint not null default 0,
    handle_seconds bigint not null default 0,
    constraint volume_pk primary key (provider_id, seller_id, starts_at, language, channel)
);
select ctx.guard_seller_table('workforce.volume');

create table workforce.forecast (
    provider_id uuid not null,
    seller_id uuid not null,
    forecast_id uuid not null,
    source text not null,
    model text not null,
    starts_at timestamptz not null,
    step_seconds bigint not null,
    intervals integer not null,
    history_ends_at timestamptz,
    created_at timestamptz not null,
    constraint forecast_pk primary key (provider_id, seller_id, forecast_id),
    constraint forecast_seller_fk foreign key (provider_id, seller_id) references workforce.seller (provider_id, seller_id),
    constraint forecast_source_known check (source in ('history', 'given'))
);
create index forecast_newest on workforce.forecast (provider_id, seller_id, created_at desc, forecast_id desc);
select ctx.guard_seller_table('workforce.forecast', 'select, insert, delete');

create table workforce.forecast_series (
    provider_id uuid not null,
    seller_id uuid not null,
    forecast_id uuid not null,
    language text not null,
    channel text not null,
    contacts double precision[] not null,
    handle_seconds double precision[] not null,
    history_weeks integer not null,
    constraint forecast_series_pk primary key (provider_id, seller_id, forecast_id, language, channel),
    constraint forecast_series_forecast_fk foreign key (provider_id, seller_id, forecast_id)
        references workforce.forecast (provider_id, seller_id, forecast_id) on delete cascade
);
select ctx.guard_seller_table('workforce.forecast_series', 'select, insert, delete');

create table workforce.requirement (
    provider_id uuid not null,
    seller_id uuid not null,
    requirement_id uuid not null,
    forecast_id uuid not null,
    starts_at timestamptz not null,
    step_seconds bigint not null,
    intervals integer not null,
    -- The channel plans, shrinkage and open hours as they were asked for.
    plan bytea not null,
    created_at timestamptz not null,
    constraint requirement_pk primary key (provider_id, seller_id, requirement_id),
    constraint requirement_forecast_fk foreign key (provider_id, seller_id, forecast_id)
        references workforce.forecast (provider_id, seller_id, forecast_id) on delete cascade
);
create index requirement_newest on workforce.requirement (provider_id, seller_id, created_at desc, requirement_id desc);
create index requirement_of_forecast on workforce.requirement (provider_id, seller_id, forecast_id);
select ctx.guard_seller_table('workforce.requirement', 'select, insert, delete');

create table workforce.requirement_series (
    provider_id uuid not null,
    seller_id uuid not null,
    requirement_id uuid not null,
    language text not null,
    channel text not null,
    working double precision[] not null,
    -- Hundredths of people.
    scheduled integer[] not null,
    unplaced_seconds double precision not null,
    constraint requirement_series_pk primary key (provider_id, seller_id, requirement_id, language, channel),
    constraint requirement_series_requirement_fk foreign key (provider_id, seller_id, requirement_id)
        references workforce.requirement (provider_id, seller_id, requirement_id) on delete cascade
);
select ctx.guard_seller_table('workforce.requirement_series', 'select, insert, delete');
