-- What supervisors do by hand: contacts set aside, queues paused, and the trail
-- of every action.

-- Since when nobody can take it, until when it is set aside, and when an agent
-- first took it. Written by the engine like everything else of a contact.
alter table routing.contact
    add column blocked_since timestamptz,
    add column aside_until timestamptz,
    add column first_taken_at timestamptz;
-- the contacts that nobody can take, of one seller and of several, longest first
create index contact_blocked on routing.contact (provider_id, seller_id, (coalesce(blocked_since, queued_at)), contact_id)
    where blocked_reason is not null and ended_at is null;
create index contact_blocked_of_provider on routing.contact (provider_id, (coalesce(blocked_since, queued_at)), contact_id)
    where blocked_reason is not null and ended_at is null;

-- Sellers of whom nothing new is offered.
create table routing.queue_pause (
    provider_id uuid not null,
    seller_id uuid not null,
    since timestamptz not null,
    until timestamptz,
    reason text not null,
    constraint queue_pause_pk primary key (provider_id, seller_id),
    constraint queue_pause_seller_fk foreign key (provider_id, seller_id) references routing.seller
);
select ctx.guard_seller_table('routing.queue_pause');

-- What was done by hand: who, when, to what, from what to what, and why. Never
-- changed. What was done to an agent belongs to no single seller.
create table routing.floor_action (
    provider_id uuid not null,
    seller_id uuid not null,
    action_id uuid not null,
    acted_at timestamptz not null,
    actor_id uuid not null,
    action text not null,
    agent_id uuid,
    contact_id uuid,
    reason text not null,
    changes jsonb not null,
    constraint floor_action_pk primary key (provider_id, seller_id, action_id)
);
create index floor_action_newest on routing.floor_action (provider_id, acted_at desc, action_id desc);
create index floor_action_newest_of_seller on routing.floor_action (provider_id, seller_id, acted_at desc, action_id desc);
create index floor_action_of_contact on routing.floor_action (provider_id, seller_id, contact_id, acted_at)
    where contact_id is not null;
select ctx.guard_mixed_table('routing.floor_action', 'select, insert, delete');
