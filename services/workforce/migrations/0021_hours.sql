-- Public holidays where a contract is worked, and paid hours by their class.

-- A country or region, empty = no holidays; whether she works on them as on any day.
alter table workforce.employment
    add column holiday_region text not null default '',
    add column works_on_holidays boolean not null default false;

-- What was told of an agent's paid hours on a local day for a seller, by class of hours.
create table workforce.paid_hours (
    provider_id uuid not null,
    user_id uuid not null,
    day date not null,
    for_seller_id uuid not null,
    hour_class text not null,
    paid_seconds bigint not null,
    productive_seconds bigint not null,
    revision bigint not null,
    constraint paid_hours_pk primary key (provider_id, user_id, day, for_seller_id, hour_class),
    constraint paid_hours_known_class check (hour_class in ('regular', 'night', 'sunday', 'holiday')),
    constraint paid_hours_in_order check (0 <= productive_seconds and productive_seconds <= paid_seconds)
);
select ctx.guard_provider_table('workforce.paid_hours');

-- Whose classes of hours were told; they are told again as nothing where a correction leaves none.
alter table workforce.paid_day add column classes text[] not null default '{}';

-- Until here every hour of a day was of one class.
alter table workforce.paid_part no force row level security;
alter table workforce.paid_day no force row level security;
alter table workforce.paid_hours no force row level security;
insert into workforce.paid_hours
       (provider_id, user_id, day, for_seller_id, hour_class, paid_seconds, productive_seconds, revision)
select provider_id, user_id, day, for_seller_id,
       case when extract(isodow from day) = 7 then 'sunday' else 'regular' end,
       paid_seconds, productive_seconds, revision
  from workforce.paid_part where 0 < revision;
update workforce.paid_day
   set classes = array[case when extract(isodow from day) = 7 then 'sunday' else 'regular' end]
 where due_at is null or 1 < touched;
alter table workforce.paid_hours force row level security;
alter table workforce.paid_day force row level security;
alter table workforce.paid_part force row level security;

-- Of the handled seconds those at night, by the agent's clock.
alter table workforce.paid_part
    drop column paid_seconds,
    drop column productive_seconds,
    drop column revision,
    add column night_seconds bigint not null default 0,
    add constraint paid_part_in_order check (0 <= night_seconds and night_seconds <= handled_seconds);
