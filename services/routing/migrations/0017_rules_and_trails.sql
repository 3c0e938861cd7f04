-- What rules for skills look at in a contact that came as a ticket's work, so that other rules can be asked later. None
-- where whoever handed it in said itself what it needs; of those of before nobody knows.
alter table routing.contact add column ruled jsonb;

-- Alerts are forgotten after a while: found by when they ended.
create index alert_ended on routing.alert (provider_id, ended_at) where ended_at is not null;
