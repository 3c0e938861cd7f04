-- Notes are read in the order in which they were left here. Their ids say when the clock of the process that left them
-- thought it was, which for two processes is no order.
alter table routing.intake add column place bigint generated always as identity;
drop index routing.intake_waiting;
create index intake_waiting on routing.intake (provider_id, place) where not failed;
