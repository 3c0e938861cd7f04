-- What engines were told, so that a day can be told again: how each epoch
-- began, and with every commit what led to it. Names ids and nobody. Kept for
-- some days; the leader forgets whole epochs.

-- An epoch.
create table routing.journal_epoch (
    provider_id uuid not null,
    epoch bigint not null,
    started_at timestamptz not null,
    decisions_before bigint not null,
    constraint journal_epoch_pk primary key (provider_id, epoch)
);
create index journal_epoch_by_time on routing.journal_epoch (provider_id, started_at);
select ctx.guard_provider_table('routing.journal_epoch', 'select, insert, delete');

-- What was stored when an epoch began, in pieces.
create table routing.journal_snapshot (
    provider_id uuid not null,
    epoch bigint not null,
    piece integer not null,
    content bytea not null,
    constraint journal_snapshot_pk primary key (provider_id, epoch, piece),
    constraint journal_snapshot_epoch_fk foreign key (provider_id, epoch) references routing.journal_epoch
);
select ctx.guard_provider_table('routing.journal_snapshot', 'select, insert, delete');

-- What led to one commit: rounds of events with their instants, and the number
-- of the last decision that they led to.
create table routing.journal (
    provider_id uuid not null,
    epoch bigint not null,
    sequence bigint not null,
    decisions_made bigint not null,
    content bytea not null,
    constraint journal_pk primary key (provider_id, epoch, sequence),
    constraint journal_epoch_fk foreign key (provider_id, epoch) references routing.journal_epoch
);
select ctx.guard_provider_table('routing.journal', 'select, insert, delete');
