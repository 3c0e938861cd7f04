-- Agents exchange shifts and take what is offered.

create table workforce.exchange_policy (
    provider_id uuid not null,
    version bigint not null default 1,
    approve_swaps boolean not null,
    notice_seconds bigint not null,
    updated_at timestamptz not null,
    constraint exchange_policy_pk primary key (provider_id)
);
select ctx.guard_provider_table('workforce.exchange_policy', 'select, insert, update');

create table workforce.shift_swap (
    provider_id uuid not null,
    swap_id uuid not null,
    version bigint not null default 1,
    schedule_id uuid not null,
    from_user_id uuid not null,
    from_shift_id uuid not null,
    from_starts_at timestamptz not null,
    from_ends_at timestamptz not null,
    to_user_id uuid not null,
    to_shift_id uuid,
    to_starts_at timestamptz,
    to_ends_at timestamptz,
    state text not null,
    reason text not null default '',
    decided_by uuid,
    created_at timestamptz not null,
    constraint shift_swap_pk primary key (provider_id, swap_id),
    constraint shift_swap_schedule_fk foreign key (provider_id, schedule_id)
        references workforce.schedule (provider_id, schedule_id),
    constraint shift_swap_state_known
        check (state in ('asked', 'agreed', 'approved', 'declined', 'refused', 'withdrawn'))
);
create index shift_swap_newest on workforce.shift_swap (provider_id, created_at desc, swap_id desc);
create index shift_swap_from on workforce.shift_swap (provider_id, from_user_id, created_at desc, swap_id desc);
create index shift_swap_to on workforce.shift_swap (provider_id, to_user_id, created_at desc, swap_id desc);
-- A shift is asked for once at a time.
create unique index shift_swap_open on workforce.shift_swap (provider_id, from_shift_id)
    where state in ('asked', 'agreed');
select ctx.guard_provider_table('workforce.shift_swap', 'select, insert, update');

create table workforce.shift_offer (
    provider_id uuid not null,
    offer_id uuid not null,
    schedule_id uuid not null,
    kind text not null,
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    break_starts_at timestamptz,
    break_ends_at timestamptz,
    places integer not null,
    taken integer not null default 0,
    user_ids uuid[] not null,
    auto_award boolean not null,
    open boolean not null default true,
    created_at timestamptz not null,
    constraint shift_offer_pk primary key (provider_id, offer_id),
    constraint shift_offer_schedule_fk foreign key (provider_id, schedule_id)
        references workforce.schedule (provider_id, schedule_id),
    constraint shift_offer_kind_known check (kind in ('open_shift', 'overtime', 'time_off_early')),
    constraint shift_offer_in_order check (starts_at < ends_at),
    constraint shift_offer_places check (0 <= taken and taken <= places)
);
create index shift_offer_newest on workforce.shift_offer (provider_id, created_at desc, offer_id desc);
select ctx.guard_provider_table('workforce.shift_offer', 'select, insert, update');

create table workforce.shift_bid (
    provider_id uuid not null,
    offer_id uuid not null,
    user_id uuid not null,
    state text not null,
    created_at timestamptz not null,
    constraint shift_bid_pk primary key (provider_id, offer_id, user_id),
    constraint shift_bid_offer_fk foreign key (provider_id, offer_id)
        references workforce.shift_offer (provider_id, offer_id),
    constraint shift_bid_state_known check (state in ('bid', 'awarded', 'declined', 'withdrawn'))
);
select ctx.guard_provider_table('workforce.shift_bid', 'select, insert, update');
