-- Training and meetings, and shifts that hold them.

-- Who attends: agents by name, and those of a site, a seller and a language ('' and null = whatever).
create table workforce.activity (
    provider_id uuid not null,
    activity_id uuid not null,
    version bigint not null default 1,
    kind text not null,
    title text not null,
    length_seconds bigint not null,
    window_starts_at timestamptz not null,
    window_ends_at timestamptz not null,
    together boolean not null,
    min_attendance integer not null,
    user_ids uuid[] not null,
    has_group boolean not null,
    group_site text not null,
    group_seller uuid,
    group_language text not null,
    charged_seller uuid,
    updated_at timestamptz not null,
    constraint activity_pk primary key (provider_id, activity_id),
    constraint activity_kind_known check (kind in ('training', 'meeting')),
    constraint activity_length check (0 < length_seconds),
    constraint activity_fits check (length_seconds <= extract(epoch from window_ends_at - window_starts_at)),
    constraint activity_attendance check (0 <= min_attendance)
);
create index activity_by_window on workforce.activity (provider_id, window_starts_at, activity_id);
select ctx.guard_provider_table('workforce.activity');

-- One entry a session, by start. What is attended keeps its title, and whom it is charged to, whatever becomes of the
-- activity.
alter table workforce.shift
    add column activity_ids uuid[] not null default '{}',
    add column activity_kinds text[] not null default '{}',
    add column activity_titles text[] not null default '{}',
    add column activity_starts timestamptz[] not null default '{}',
    add column activity_ends timestamptz[] not null default '{}',
    add column activity_sellers uuid[] not null default '{}',
    add constraint shift_activities_match check (
        cardinality(activity_ids) = all (array[
            cardinality(activity_kinds), cardinality(activity_titles), cardinality(activity_starts),
            cardinality(activity_ends), cardinality(activity_sellers)]));

-- What lies inside a shift: breaks, paid breaks, training and meetings. Null where only the first unpaid break was kept.
alter table workforce.shift_change
    add column before_inside jsonb,
    add column after_inside jsonb;
alter table workforce.shift_offer
    add column inside jsonb;
