-- Contacts, offers, agents, sessions, decisions, policies, and the lease of the
-- engine. One engine per provider leads at a time and is the only writer of
-- contacts (but for their first insert), offers, sessions and decisions; every
-- commit of it names the lease's epoch. Everybody else leaves a note in
-- routing.intake.

-- A unit of work. Written first by whoever hands it in (version 0), from then
-- on by the engine only. Ages and due times survive every return to the queue.
create table routing.contact (
    provider_id uuid not null,
    seller_id uuid not null,
    contact_id uuid not null,
    ticket_id uuid,
    ticket_number text not null,
    channel text not null,
    language text not null,
    minimum_level text not null,
    required_skills text[] not null,
    preferred_skills text[] not null,
    priority text not null,
    waiting_since timestamptz not null,
    due_at timestamptz not null,
    preferred_agent_id uuid,
    state text not null,
    queued_at timestamptz not null,
    agent_id uuid,
    offer_id uuid,
    assigned_at timestamptz,
    wrap_until timestamptz,
    ended_at timestamptz,
    offers_made integer not null,
    relaxed boolean not null,
    blocked_reason text,
    version bigint not null,
    constraint contact_pk primary key (provider_id, seller_id, contact_id),
    constraint contact_seller_fk foreign key (provider_id, seller_id) references routing.seller,
    constraint contact_state_known check (state in ('queued', 'offered', 'assigned', 'wrap', 'done', 'parked',
        'abandoned', 'cancelled', 'expired', 'overflowed')),
    constraint contact_channel_known check (channel in ('email', 'marketplace', 'chat', 'phone', 'social', 'whatsapp',
        'web_form', 'review', 'api')),
    constraint contact_level_known check (minimum_level in ('a1', 'a2', 'b1', 'b2', 'c1', 'c2', 'native')),
    constraint contact_priority_known check (priority in ('urgent', 'high', 'normal', 'low')),
    constraint contact_ends_once check ((ended_at is not null)
        = (state in ('done', 'abandoned', 'cancelled', 'expired', 'overflowed'))),
    constraint contact_held_by_somebody check (state not in ('offered', 'assigned', 'wrap', 'parked') or agent_id is not null),
    constraint contact_offered_by_an_offer check ((state = 'offered') = (offer_id is not null))
);
-- the queue of one seller, and of several, earliest due first
create index contact_open on routing.contact (provider_id, seller_id, due_at, contact_id) where ended_at is null;
create index contact_open_of_provider on routing.contact (provider_id, due_at, contact_id) where ended_at is null;
select ctx.guard_seller_table('routing.contact');

-- A contact proposed to one agent.
create table routing.offer (
    provider_id uuid not null,
    seller_id uuid not null,
    offer_id uuid not null,
    contact_id uuid not null,
    agent_id uuid not null,
    state text not null,
    rule text not null,
    offered_at timestamptz not null,
    expires_at timestamptz not null,
    ended_at timestamptz,
    reason text not null,
    epoch bigint not null,
    constraint offer_pk primary key (provider_id, seller_id, offer_id),
    constraint offer_contact_fk foreign key (provider_id, seller_id, contact_id) references routing.contact,
    constraint offer_state_known check (state in ('pending', 'accepted', 'rejected', 'timed_out', 'rescinded')),
    constraint offer_ends_once check ((state = 'pending') = (ended_at is null)),
    constraint offer_expires_later check (expires_at > offered_at)
);
-- at most one live offer per contact, and a live offer in a moment's reach
create unique index offer_live_once on routing.offer (provider_id, seller_id, contact_id) where state = 'pending';
create index offer_due on routing.offer (provider_id, seller_id, expires_at) where state = 'pending';
create index offer_of_contact on routing.offer (provider_id, seller_id, contact_id, offered_at);
select ctx.guard_seller_table('routing.offer');

-- Everything that was decided, for explanations and replays. Never changed,
-- deleted only with the seller.
create table routing.decision (
    provider_id uuid not null,
    seller_id uuid not null,
    sequence bigint not null,
    epoch bigint not null,
    decided_at timestamptz not null,
    contact_id uuid not null,
    kind text not null,
    rule text not null,
    agent_id uuid,
    offer_id uuid,
    policy_version bigint not null,
    eligible_agents integer not null,
    available_agents integer not null,
    competing_contacts integer not null,
    waited_us bigint not null,
    slack_us bigint not null,
    reason text not null,
    constraint decision_pk primary key (provider_id, seller_id, sequence),
    constraint decision_contact_fk foreign key (provider_id, seller_id, contact_id) references routing.contact
);
create index decision_of_contact on routing.decision (provider_id, seller_id, contact_id, sequence);
select ctx.guard_seller_table('routing.decision', 'select, insert, delete');

-- How a seller's contacts are routed; every change is a new row.
create table routing.policy (
    provider_id uuid not null,
    seller_id uuid not null,
    version bigint not null,
    minimum_level text not null,
    offer_seconds bigint not null,
    wrap_seconds bigint not null,
    preferred_skills_seconds bigint not null,
    affinity_seconds bigint not null,
    refusal_seconds bigint not null,
    maximum_wait_seconds bigint not null,
    expire_seconds bigint not null,
    orphan_seconds bigint not null,
    floor_contacts integer not null,
    ceiling_contacts integer not null,
    late_share_percent integer not null,
    default_due_seconds bigint not null,
    created_at timestamptz not null,
    created_by uuid not null,
    constraint policy_pk primary key (provider_id, seller_id, version),
    constraint policy_seller_fk foreign key (provider_id, seller_id) references routing.seller,
    constraint policy_level_known check (minimum_level in ('a1', 'a2', 'b1', 'b2', 'c1', 'c2', 'native')),
    constraint policy_sane check (version > 0 and offer_seconds between 5 and 600
        and late_share_percent between 0 and 100 and floor_contacts >= 0 and ceiling_contacts >= 0)
);
select ctx.guard_seller_table('routing.policy', 'select, insert, delete');

-- A read copy of those who take contacts: one pool serves the provider's sellers.
create table routing.agent (
    provider_id uuid not null,
    agent_id uuid not null,
    revision bigint not null,
    name text not null,
    active boolean not null,
    granted uuid[] not null,
    languages text[] not null,
    levels text[] not null,
    certified uuid[] not null,
    certified_until timestamptz[] not null,
    skills text[] not null,
    time_zone text not null,
    site text not null,
    constraint agent_pk primary key (provider_id, agent_id),
    constraint agent_languages_have_levels check (cardinality(languages) = cardinality(levels)),
    constraint agent_certifications_have_ends check (cardinality(certified) = cardinality(certified_until))
);
select ctx.guard_provider_table('routing.agent');

-- Whether an agent is here.
create table routing.agent_session (
    provider_id uuid not null,
    agent_id uuid not null,
    epoch bigint not null,
    presence text not null,
    reason text not null,
    since timestamptz not null,
    channels text[] not null,
    activity text not null,
    activity_since timestamptz not null,
    constraint agent_session_pk primary key (provider_id, agent_id),
    constraint agent_session_presence_known check (presence in ('offline', 'available', 'paused', 'draining')),
    constraint agent_session_activity_known check (activity in ('offline', 'available', 'working', 'wrap', 'paused', 'draining'))
);
select ctx.guard_provider_table('routing.agent_session');

-- What agents' time went to. Never changed.
create table routing.presence_interval (
    provider_id uuid not null,
    agent_id uuid not null,
    started_at timestamptz not null,
    ended_at timestamptz not null,
    activity text not null,
    reason text not null,
    constraint presence_interval_pk primary key (provider_id, agent_id, started_at),
    constraint presence_interval_forward check (ended_at > started_at)
);
select ctx.guard_provider_table('routing.presence_interval', 'select, insert');

-- Who leads a provider's engine. The holder moves the beat; whoever sees it
-- stand still for the length of a lease takes over with the next epoch. No
-- clock is compared between machines.
create table routing.lease (
    provider_id uuid not null,
    epoch bigint not null,
    holder uuid,
    beat bigint not null,
    decisions_made bigint not null,
    constraint lease_pk primary key (provider_id)
);
select ctx.guard_provider_table('routing.lease');

-- What happened elsewhere and waits for the engine: contacts handed in, withdrawn
-- or answered, and sellers, agents or policies that changed. The engine deletes a
-- note in the commit of its effect. It names its seller beside the subject, for
-- the note itself belongs to the provider's engine.
create table routing.intake (
    provider_id uuid not null,
    intake_id uuid not null,
    kind text not null,
    of_seller uuid,
    subject_id uuid not null,
    agent_id uuid,
    waiting_since timestamptz,
    due_at timestamptz,
    reason text not null,
    failed boolean not null,
    constraint intake_pk primary key (provider_id, intake_id),
    constraint intake_kind_known check (kind in ('contact', 'withdrawn', 'handled', 'agent', 'seller', 'policy', 'erasure')),
    constraint intake_whole check ((kind not in ('contact', 'seller', 'policy', 'erasure') or of_seller is not null)
        and (kind <> 'contact' or (waiting_since is not null and due_at is not null)))
);
create index intake_waiting on routing.intake (provider_id, intake_id) where not failed;
select ctx.guard_provider_table('routing.intake');

-- Engines are started for providers that have sellers, work or notes: keys only.
select ctx.expose_due_columns('routing.seller', 'provider_id, seller_id');
select ctx.expose_due_columns('routing.intake', 'provider_id, intake_id, failed');
