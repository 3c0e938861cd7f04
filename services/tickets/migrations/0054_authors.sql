-- What a person wrote, in whosever ticket: her address in the form in which customers are found.
alter table tickets.message add column author_key text generated always as (lower(author_address)) stored;
create index message_by_author on tickets.message (provider_id, seller_id, author_key) where direction = 'inbound';
