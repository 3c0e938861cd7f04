-- What identity keeps about sellers goes with them.
alter table tenants.seller_grant
    add constraint seller_grant_seller_fk foreign key (provider_id, for_seller_id)
        references tenants.seller (provider_id, seller_id) on delete cascade;
alter table tenants.certification
    add constraint certification_seller_fk foreign key (provider_id, for_seller_id)
        references tenants.seller (provider_id, seller_id) on delete cascade;
alter table tenants.api_key
    add constraint api_key_seller_fk foreign key (provider_id, seller_id)
        references tenants.seller (provider_id, seller_id) on delete cascade;
