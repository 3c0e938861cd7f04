-- Mail servers where somebody signs in by access tokens (RFC 6749) instead of a password.
alter table tickets.mail_connection
    add column smtp_sign_in text not null default 'password',
    add column imap_sign_in text not null default 'password',
    add constraint mail_connection_sign_in_known check
        (smtp_sign_in in ('password', 'oauth') and imap_sign_in in ('password', 'oauth'));

-- How the access tokens of a connection are got. Its secrets stand in mail_secret.
create table tickets.mail_oauth (
    provider_id uuid not null,
    seller_id uuid not null,
    channel_account_id uuid not null,
    grant_type text not null,
    token_url text not null,
    client_id text not null,
    scope text not null,
    -- the newest access token; null while there is none that is of use
    expires_at timestamptz,
    renewed_at timestamptz,
    -- who asks for one now, and when that is taken for dead
    holder uuid,
    held_until timestamptz,
    -- what stopped it since the last one was got, and until when nobody asks again
    failures integer not null,
    reason text not null,
    said text not null,
    again_at timestamptz,
    constraint mail_oauth_pk primary key (provider_id, seller_id, channel_account_id),
    constraint mail_oauth_connection_fk foreign key (provider_id, seller_id, channel_account_id)
        references tickets.mail_connection (provider_id, seller_id, channel_account_id),
    constraint mail_oauth_grant_known check (grant_type in ('refresh_token', 'client_credentials')),
    constraint mail_oauth_held check ((holder is null) = (held_until is null)),
    constraint mail_oauth_failed check ((failures = 0) = (reason = ''))
);
select ctx.guard_seller_table('tickets.mail_oauth');

-- Beside passwords: the application's secret, the refresh token, and the newest access token.
alter table tickets.mail_secret
    drop constraint mail_secret_server_known,
    add constraint mail_secret_server_known
        check (server in ('smtp', 'imap', 'oauth_client', 'oauth_refresh', 'oauth_access'));
