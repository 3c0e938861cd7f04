-- Whether a message still tells of an order, when another one that did is erased.
create index message_by_order on tickets.message (provider_id, seller_id, order_id) where order_id is not null;
