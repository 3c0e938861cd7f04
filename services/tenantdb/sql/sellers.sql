-- The service's read copy of the sellers. `{service}` is the schema.
create table {service}.seller (
    provider_id uuid not null,
    seller_id uuid not null,
    version bigint not null,
    handle text not null,
    name text not null,
    state text not null,
    terms bytea not null,
    constraint seller_pk primary key (provider_id, seller_id)
);
select ctx.guard_seller_register('{service}.seller');
