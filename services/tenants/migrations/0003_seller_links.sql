-- An API key belongs to a seller that is there.
alter table tenants.api_key
    add constraint api_key_seller_fk foreign key (provider_id, seller_id)
        references tenants.seller (provider_id, seller_id) on delete cascade;
