-- Storing an event asked for its account's row each time, which cost as much as an
-- index: the transaction that stores events holds that row already, and an account
-- stays for ever.
alter table billing.usage_event drop constraint usage_event_account_fk;
revoke delete on billing.account from billing_app;
