-- What is due of one seller, so that where much is due each has its turn.
create index ticket_look_of_seller on tickets.ticket (provider_id, seller_id, look_at) where look_at is not null;
