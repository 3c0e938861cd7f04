-- When a ticket's clocks are looked at again, what people are warned of, and the clocks of more metrics.

alter table tickets.ticket add column look_at timestamptz;
update tickets.ticket t
   set look_at = c.due_at + interval '1 second'
  from (select provider_id, seller_id, ticket_id, min(due_at) as due_at
          from tickets.sla_clock where state = 'running' and verdict = 'open'
         group by provider_id, seller_id, ticket_id) c
 where (t.provider_id, t.seller_id, t.ticket_id) = (c.provider_id, c.seller_id, c.ticket_id);
create index ticket_by_look on tickets.ticket (look_at) where look_at is not null;
select ctx.expose_due_columns('tickets.ticket', 'provider_id, seller_id, ticket_id, look_at');

-- The relay looks at tickets now.
drop index tickets.sla_clock_due;
drop policy due_reads on tickets.sla_clock;
revoke select (provider_id, seller_id, ticket_id, due_at, state, verdict) on tickets.sla_clock from tickets_relay;

alter table tickets.sla_clock
    -- the highest percent of the target at which somebody was warned
    add column warned_percent integer not null default 0,
    drop constraint sla_clock_metric_known,
    add constraint sla_clock_metric_known check (metric in
        ('first_response', 'next_response', 'resolution', 'periodic_update', 'agent_work', 'requester_wait'));
-- Who was late before there were warnings is not warned of it again.
update tickets.sla_clock set warned_percent = 100 where verdict = 'missed';

-- A clock that used a share of its target, or all of it: each share once.
create table tickets.sla_alert (
    provider_id uuid not null,
    seller_id uuid not null,
    ticket_id uuid not null,
    family text not null,
    metric text not null,
    cycle integer not null,
    percent integer not null,
    alert_id uuid not null,
    reached_at timestamptz not null,
    due_at timestamptz,
    notice_level integer not null,
    notice_at timestamptz not null,
    acknowledged_at timestamptz,
    acknowledged_by uuid,
    constraint sla_alert_pk primary key (provider_id, seller_id, ticket_id, family, metric, cycle, percent),
    constraint sla_alert_id_once unique (provider_id, seller_id, alert_id),
    constraint sla_alert_ticket_fk foreign key (provider_id, seller_id, ticket_id)
        references tickets.ticket (provider_id, seller_id, ticket_id),
    constraint sla_alert_family_known check (family in ('contract', 'marketplace')),
    constraint sla_alert_percent_known check (percent between 1 and 100),
    constraint sla_alert_acknowledged_whole check ((acknowledged_at is null) = (acknowledged_by is null))
);
create index sla_alert_newest on tickets.sla_alert (provider_id, seller_id, notice_at, alert_id);
create index sla_alert_open on tickets.sla_alert (provider_id, seller_id, notice_at, alert_id)
    where acknowledged_at is null;
select ctx.guard_seller_table('tickets.sla_alert');

-- Sellers whose terms changed a moment ago: what was written meanwhile by the terms of before is looked at again.
create table tickets.terms_look (
    provider_id uuid not null,
    seller_id uuid not null,
    look_at timestamptz not null,
    -- what was written before this moment was looked at already
    since timestamptz not null,
    constraint terms_look_pk primary key (provider_id, seller_id, look_at),
    constraint terms_look_seller_fk foreign key (provider_id, seller_id) references tickets.seller (provider_id, seller_id)
);
create index terms_look_due on tickets.terms_look (look_at);
select ctx.guard_seller_table('tickets.terms_look');
select ctx.expose_due_columns('tickets.terms_look', 'provider_id, seller_id, look_at');
