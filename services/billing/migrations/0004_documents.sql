-- Documents of finalized invoices: written once, from what was frozen, and the same
-- bytes ever after, whatever becomes of the program that wrote them.
create table billing.document (
    provider_id uuid not null,
    seller_id uuid not null,
    invoice_id uuid not null,
    format text not null,
    -- of the page; empty where a format has none
    language text not null,
    content bytea not null,
    sha256 bytea not null,
    rendered_at timestamptz not null,
    constraint document_pk primary key (provider_id, seller_id, invoice_id, format, language),
    constraint document_invoice_fk foreign key (provider_id, seller_id, invoice_id)
        references billing.invoice (provider_id, seller_id, invoice_id),
    constraint document_format_known check (format in ('pdf', 'ubl', 'cii', 'xrechnung_ubl', 'xrechnung_cii')),
    constraint document_hashed check (octet_length(sha256) = 32)
);
select ctx.guard_seller_table('billing.document', 'select, insert');

-- How an issuer's pages look.
create table billing.brand (
    provider_id uuid not null,
    issuer_id uuid not null,
    -- RRGGBB
    color text not null,
    logo bytea not null,
    version bigint not null,
    constraint brand_pk primary key (provider_id, issuer_id),
    constraint brand_issuer_fk foreign key (provider_id, issuer_id) references billing.issuer (provider_id, issuer_id),
    constraint brand_color_written check (color ~ '^[0-9a-f]{6}$'),
    constraint brand_counted check (version > 0)
);
select ctx.guard_provider_table('billing.brand', 'select, insert, update');
