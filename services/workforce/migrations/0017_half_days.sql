-- Half days of leave: the part of each day, in civil minutes, that somebody is away.
alter table workforce.time_off
    add column from_minute integer,
    add column to_minute integer,
    add constraint time_off_part_in_order check (
        (from_minute is null) = (to_minute is null) and 0 <= from_minute and from_minute < to_minute and to_minute <= 2880);
alter table workforce.leave_request
    add column half text not null default '',
    add constraint leave_request_half_known check (half in ('', 'first', 'second')),
    add constraint leave_request_half_of_one_day check (half = '' or first_day = last_day);
