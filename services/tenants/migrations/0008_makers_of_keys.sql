-- Who made an API key: it ends with her. Unset for keys of before.
alter table tenants.api_key add column created_by uuid;
create index api_key_by_maker on tenants.api_key (provider_id, created_by) where revoked_at is null;
