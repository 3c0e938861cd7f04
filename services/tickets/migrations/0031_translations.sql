-- Translations by a machine, kept beside what was said.

-- The machine of a provider; none translates where there is no row.
create table tickets.translation_engine (
    provider_id uuid not null,
    engine text not null,
    -- empty for the engine's own
    address text not null,
    all_sellers boolean not null,
    seller_ids uuid[] not null,
    -- its key, sealed with the keys of the installation
    sealed bytea,
    -- when it was last sealed, or found to be sealed with the newest key
    sealed_at timestamptz,
    updated_at timestamptz not null,
    version bigint not null,
    constraint translation_engine_pk primary key (provider_id),
    constraint translation_engine_known check (engine in ('deepl', 'libre_translate')),
    constraint translation_engine_sealed_whole check ((sealed is null) = (sealed_at is null))
);
create index translation_engine_due on tickets.translation_engine (sealed_at) where sealed_at is not null;
select ctx.guard_provider_table('tickets.translation_engine');
select ctx.expose_due_columns('tickets.translation_engine', 'provider_id, sealed_at');

create table tickets.translation (
    provider_id uuid not null,
    seller_id uuid not null,
    translation_id uuid not null,
    ticket_id uuid not null,
    part text not null,
    -- the message or the question
    source_id uuid not null,
    -- of the text that was translated
    source_sha256 bytea not null,
    source_language text not null,
    target_language text not null,
    engine text not null,
    body text not null,
    translated_at timestamptz not null,
    translated_by uuid,
    reviewed_at timestamptz,
    reviewed_by uuid,
    version bigint not null,
    constraint translation_pk primary key (provider_id, seller_id, translation_id),
    constraint translation_once unique (provider_id, seller_id, part, source_id, target_language),
    constraint translation_ticket_fk foreign key (provider_id, seller_id, ticket_id)
        references tickets.ticket (provider_id, seller_id, ticket_id),
    constraint translation_part_known check (part in ('message', 'question', 'answer')),
    constraint translation_engine_known check (engine in ('deepl', 'libre_translate'))
);
create index translation_newest on tickets.translation (provider_id, seller_id, ticket_id, translated_at, translation_id);
create index translation_of_text on tickets.translation (provider_id, seller_id, source_sha256, target_language);
select ctx.guard_seller_table('tickets.translation');
