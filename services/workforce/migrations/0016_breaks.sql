-- The breaks that contracts plan, and paid breaks of shifts.

-- One entry a break, in the order of the shift. Durations in seconds; windows in civil minutes, -1 where there is none.
alter table workforce.employment
    add column break_lengths bigint[] not null default '{}',
    add column break_paids boolean[] not null default '{}',
    add column break_work_aboves bigint[] not null default '{}',
    add column break_window_starts integer[] not null default '{}',
    add column break_window_ends integer[] not null default '{}',
    add column break_earliests bigint[] not null default '{}',
    add column break_latests bigint[] not null default '{}',
    add column work_before_break bigint not null default 0,
    add column work_between_breaks bigint not null default 0,
    add column work_after_break bigint not null default 0,
    add constraint employment_breaks_match check (
        cardinality(break_lengths) = all (array[
            cardinality(break_paids), cardinality(break_work_aboves), cardinality(break_window_starts),
            cardinality(break_window_ends), cardinality(break_earliests), cardinality(break_latests)]));

-- Working time off the phones.
alter table workforce.shift
    add column paid_break_starts timestamptz[] not null default '{}',
    add column paid_break_ends timestamptz[] not null default '{}',
    add constraint shift_paid_breaks_match check (cardinality(paid_break_starts) = cardinality(paid_break_ends));
alter table workforce.shift_proposal_line
    add column paid_break_starts timestamptz[] not null default '{}',
    add column paid_break_ends timestamptz[] not null default '{}',
    add constraint shift_proposal_line_paid_breaks_match
        check (cardinality(paid_break_starts) = cardinality(paid_break_ends));
