-- What 0025 was to do to rows that were there: its statements saw none of them, since row-level security is forced on
-- the owner too. Tickets whose clocks run are looked at again when one is due, and who was late before there were
-- warnings is not warned of it again. What was written since then knows better and stays.
alter table tickets.ticket no force row level security;
alter table tickets.sla_clock no force row level security;
update tickets.ticket t
   set look_at = c.due_at + interval '1 second'
  from (select provider_id, seller_id, ticket_id, min(due_at) as due_at
          from tickets.sla_clock where state = 'running' and verdict = 'open' and due_at is not null
         group by provider_id, seller_id, ticket_id) c
 where (t.provider_id, t.seller_id, t.ticket_id) = (c.provider_id, c.seller_id, c.ticket_id)
   and t.look_at is null and not t.historical;
update tickets.sla_clock set warned_percent = 100 where verdict = 'missed' and warned_percent < 100;
alter table tickets.ticket force row level security;
alter table tickets.sla_clock force row level security;
