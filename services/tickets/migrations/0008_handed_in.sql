-- Where mail is handed in, the account is found by its id alone.
create index mail_connection_by_account on tickets.mail_connection (channel_account_id);
select ctx.expose_due_columns('tickets.mail_connection', 'provider_id, seller_id, channel_account_id');
