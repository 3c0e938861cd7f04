-- Sums for reports, made from the tickets after they changed, so that taking a message in costs nothing more for
-- them.

-- The transaction in which a ticket last changed. Whoever has seen every ticket up to some transaction, and knows
-- that none before it is still under way, has missed nothing. A ticket that is written again takes the default
-- again.
alter table tickets.ticket
    add column changed_in bigint not null default pg_current_xact_id()::text::bigint;
create index ticket_by_change on tickets.ticket (provider_id, seller_id, changed_in, ticket_id);
grant select (changed_in) on tickets.ticket to tickets_relay;

-- How far the tickets of a seller were counted, and by which clock. Who counts holds the row, so that the sums of
-- a seller have one writer at a time.
create table tickets.report_mark (
    provider_id uuid not null,
    seller_id uuid not null,
    time_zone text not null,
    -- everything up to this change, and of it up to this ticket, was counted
    changed_in bigint not null,
    last_id uuid not null,
    look_at timestamptz not null,
    constraint report_mark_pk primary key (provider_id, seller_id),
    constraint report_mark_seller_fk foreign key (provider_id, seller_id) references tickets.seller (provider_id, seller_id)
);
create index report_mark_due on tickets.report_mark (look_at);
select ctx.guard_seller_table('tickets.report_mark');
select ctx.expose_due_columns('tickets.report_mark', 'provider_id, seller_id, changed_in, last_id, look_at');

-- What a ticket added to the sums, to be taken off when it has changed. Read by the rules only.
create table tickets.report_share (
    provider_id uuid not null,
    seller_id uuid not null,
    ticket_id uuid not null,
    share bytea not null,
    constraint report_share_pk primary key (provider_id, seller_id, ticket_id),
    -- not to the ticket: whoever counts it would hold it against those who write to it
    constraint report_share_seller_fk foreign key (provider_id, seller_id) references tickets.seller (provider_id, seller_id)
);
select ctx.guard_seller_table('tickets.report_share');

-- The sums. A day is counted in days since 1970-01-01; a month is its first day.
create table tickets.report_sum (
    provider_id uuid not null,
    seller_id uuid not null,
    grain text not null,
    day integer not null,
    -- 1 Monday to 7 Sunday of a month's hours, else -1
    weekday smallint not null,
    -- 0 to 23, or -1
    hour smallint not null,
    channel text not null,
    country text not null,
    marketplace text not null,
    language text not null,
    opened bigint not null,
    received bigint not null,
    handled bigint not null,
    solved bigint not null,
    reopened bigint not null,
    merged bigint not null,
    messages_in bigint not null,
    messages_out bigint not null,
    -- how many open tickets there are more at the end than before, by age in days
    aged_0 bigint not null,
    aged_1 bigint not null,
    aged_3 bigint not null,
    aged_7 bigint not null,
    aged_30 bigint not null,
    -- promises and waits, read by the rules only
    figures bytea not null,
    constraint report_sum_pk primary key
        (provider_id, seller_id, grain, day, weekday, hour, channel, country, marketplace, language),
    constraint report_sum_seller_fk foreign key (provider_id, seller_id) references tickets.seller (provider_id, seller_id),
    constraint report_sum_grain_known check (grain in ('day', 'month', 'day_hour', 'month_hour'))
) with (fillfactor = 80);
select ctx.guard_seller_table('tickets.report_sum');

-- The sellers that are there already are counted from the start, by a clock that is corrected before anything is
-- counted. The owner of the tables reads past its own policies for these statements.
alter table tickets.seller no force row level security;
alter table tickets.report_mark no force row level security;
insert into tickets.report_mark (provider_id, seller_id, time_zone, changed_in, last_id, look_at)
select provider_id, seller_id, '', 0, '00000000-0000-0000-0000-000000000000', 'epoch' from tickets.seller;
alter table tickets.seller force row level security;
alter table tickets.report_mark force row level security;
