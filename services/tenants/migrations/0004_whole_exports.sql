-- Only an export with the rows of every service is evidence for erasing.
alter table tenants.seller_export add column whole boolean not null default false;
