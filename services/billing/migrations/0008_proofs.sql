-- The root of the contacts behind a line, kept when it is first asked for.
create table billing.line_proof (
    provider_id uuid not null,
    seller_id uuid not null,
    invoice_id uuid not null,
    line_number integer not null,
    contacts bigint not null,
    root bytea not null,
    created_at timestamptz not null,
    constraint line_proof_pk primary key (provider_id, seller_id, invoice_id, line_number),
    constraint line_proof_line_fk foreign key (provider_id, seller_id, invoice_id, line_number)
        references billing.invoice_line (provider_id, seller_id, invoice_id, line_number),
    constraint line_proof_hashed check (octet_length(root) = 32)
);
select ctx.guard_seller_table('billing.line_proof', 'select, insert');
