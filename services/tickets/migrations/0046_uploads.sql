-- Files that somebody handed in for an answer that is still to be written; they go with it, or are forgotten.
create table tickets.upload (
    provider_id uuid not null,
    seller_id uuid not null,
    upload_id uuid not null,
    ticket_id uuid not null,
    name text not null,
    declared_type text not null,
    sha256 bytea not null,
    uploaded_at timestamptz not null,
    uploaded_by uuid,
    expires_at timestamptz not null,
    constraint upload_pk primary key (provider_id, seller_id, upload_id),
    constraint upload_ticket_fk foreign key (provider_id, seller_id, ticket_id)
        references tickets.ticket (provider_id, seller_id, ticket_id),
    constraint upload_file_fk foreign key (provider_id, seller_id, sha256)
        references tickets.file (provider_id, seller_id, sha256)
);
create index upload_of_ticket on tickets.upload (provider_id, seller_id, ticket_id);
create index upload_of_file on tickets.upload (provider_id, seller_id, sha256);
create index upload_due on tickets.upload (expires_at);
select ctx.guard_seller_table('tickets.upload');
select ctx.expose_due_columns('tickets.upload', 'provider_id, seller_id, upload_id, expires_at');
