-- What ended long ago is forgotten after a while: found by when it ended.

create index contact_ended on routing.contact (provider_id, ended_at) where ended_at is not null;
create index presence_interval_ended on routing.presence_interval (provider_id, ended_at);
grant delete on routing.presence_interval to routing_app;
