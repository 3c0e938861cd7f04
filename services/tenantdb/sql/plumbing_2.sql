-- Second version of the plumbing: old answers and old notes of applied events
-- are forgotten. The relay role sees whose are old and since when, and nothing
-- of what is in them; they are deleted in transactions of their own tenants.
-- The indexes are in the order in which rows get old, across tenants.
drop index {service}.replay_age;
create index replay_due on {service}.replay (answered_at, provider_id, seller_id);
select ctx.expose_due_columns('{service}.replay', 'provider_id, seller_id, answered_at');

drop index {service}.inbox_age;
create index inbox_due on {service}.inbox (applied_at, provider_id, seller_id);
select ctx.expose_due_columns('{service}.inbox', 'provider_id, seller_id, applied_at');
