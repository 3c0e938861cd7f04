-- How many automatic answers went to an address, over all tickets of a seller.
create index outgoing_by_recipient on tickets.outgoing (provider_id, seller_id, recipient, queued_at)
    where recipient <> '';
