-- Sellers, their terms, and everything that brings them to life and to an end.
--
-- `for_seller_id` names a seller in a row that is the provider's own and
-- outlives the seller (as in 0001).

create table tenants.seller (
    provider_id            uuid not null,
    seller_id              uuid not null,
    handle                 text not null,
    name                   text not null,
    state                  text not null,
    state_reason           text not null default '',
    ticket_prefix          text not null,
    legal_name             text not null default '',
    street                 text not null default '',
    postal_code            text not null default '',
    city                   text not null default '',
    country                text not null default '',
    vat_id                 text not null default '',
    registration_number    text not null default '',
    vat_exemption          text not null default '',
    brands                 text[] not null default '{}',
    languages              text[] not null default '{}',
    countries              text[] not null default '{}',
    product_groups         text[] not null default '{}',
    currency               text not null default '',
    time_zone              text not null default '',
    certification_required boolean not null default true,
    contract_end           date,
    erasing                boolean not null default false,
    created_at             timestamptz not null,
    updated_at             timestamptz not null,
    live_at                timestamptz,
    -- of the row itself, for etags
    version                bigint not null default 1,
    -- of the published terms
    terms_version          bigint not null default 1,
    -- of everything this schema keeps of the seller
    revision               bigint not null default 1,
    constraint seller_pk primary key (provider_id, seller_id),
    -- Names are unique within a provider, whose own people alone create sellers.
    constraint seller_handle_once unique (provider_id, handle),
    constraint seller_prefix_once unique (provider_id, ticket_prefix),
    constraint seller_state_known check (
        state in ('draft', 'onboarding', 'live', 'suspended', 'offboarding', 'erased')
    ),
    constraint seller_handle_form check (handle ~ '^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])$'),
    constraint seller_prefix_form check (ticket_prefix ~ '^[A-Z0-9]{2,32}$'),
    constraint seller_bounds check (
        char_length(name) <= 200 and cardinality(brands) <= 50 and cardinality(languages) <= 40
        and cardinality(countries) <= 100 and cardinality(product_groups) <= 50
    )
);
select ctx.guard_seller_register('tenants.seller', 'select, insert, update');

create table tenants.marketplace_store (
    provider_id uuid not null,
    seller_id   uuid not null,
    marketplace text not null,
    country     text not null,
    store_id    text not null,
    place       integer not null,
    constraint marketplace_store_pk primary key (provider_id, seller_id, marketplace, country),
    constraint marketplace_store_seller_fk foreign key (provider_id, seller_id)
        references tenants.seller (provider_id, seller_id)
);
select ctx.guard_seller_table('tenants.marketplace_store');

create table tenants.channel_account (
    provider_id        uuid not null,
    seller_id          uuid not null,
    channel_account_id uuid not null,
    channel            text not null,
    address            text not null,
    marketplace        text not null,
    country            text not null,
    store_id           text not null,
    active             boolean not null,
    constraint channel_account_pk primary key (provider_id, seller_id, channel_account_id),
    constraint channel_account_once unique (provider_id, seller_id, channel, address, marketplace, country),
    constraint channel_account_channel_known check (
        channel in ('email', 'marketplace', 'chat', 'phone', 'social', 'whatsapp', 'web_form', 'review', 'api')
    ),
    constraint channel_account_seller_fk foreign key (provider_id, seller_id)
        references tenants.seller (provider_id, seller_id)
);
select ctx.guard_seller_table('tenants.channel_account');

-- Versions stay, so that an old verdict can be explained. The body is the
-- calendar as one document: it is always read whole.
create table tenants.calendar (
    provider_id uuid not null,
    seller_id   uuid not null,
    name        text not null,
    version     bigint not null,
    body        jsonb not null,
    retired     boolean not null,
    written_at  timestamptz not null,
    written_by  uuid not null,
    constraint calendar_pk primary key (provider_id, seller_id, name, version),
    constraint calendar_seller_fk foreign key (provider_id, seller_id)
        references tenants.seller (provider_id, seller_id)
);
select ctx.guard_seller_table('tenants.calendar', 'select, insert, delete');

create table tenants.sla_policy (
    provider_id uuid not null,
    seller_id   uuid not null,
    version     bigint not null,
    body        jsonb not null,
    written_at  timestamptz not null,
    written_by  uuid not null,
    constraint sla_policy_pk primary key (provider_id, seller_id, version),
    constraint sla_policy_seller_fk foreign key (provider_id, seller_id)
        references tenants.seller (provider_id, seller_id)
);
select ctx.guard_seller_table('tenants.sla_policy', 'select, insert, delete');

create table tenants.contact (
    provider_id uuid not null,
    seller_id   uuid not null,
    contact_key text not null,
    name        text not null,
    roles       text[] not null,
    email       text not null,
    phone       text not null,
    language    text not null,
    time_zone   text not null,
    constraint contact_pk primary key (provider_id, seller_id, contact_key),
    constraint contact_seller_fk foreign key (provider_id, seller_id)
        references tenants.seller (provider_id, seller_id)
);
select ctx.guard_seller_table('tenants.contact');

create table tenants.escalation_step (
    provider_id   uuid not null,
    seller_id     uuid not null,
    severity      text not null,
    level         integer not null,
    after_seconds bigint not null,
    contact_key   text not null,
    via           text not null,
    constraint escalation_step_pk primary key (provider_id, seller_id, severity, level),
    constraint escalation_step_contact foreign key (provider_id, seller_id, contact_key)
        references tenants.contact (provider_id, seller_id, contact_key),
    constraint escalation_step_seller_fk foreign key (provider_id, seller_id)
        references tenants.seller (provider_id, seller_id)
);
create index escalation_step_by_contact on tenants.escalation_step (provider_id, seller_id, contact_key);
select ctx.guard_seller_table('tenants.escalation_step');

create table tenants.document (
    provider_id uuid not null,
    seller_id   uuid not null,
    sha256      text not null,
    kind        text not null,
    file_name   text not null,
    media_type  text not null,
    size_bytes  bigint not null,
    signed_date date,
    signed_by   text not null,
    valid_until date,
    uploaded_at timestamptz not null,
    uploaded_by uuid not null,
    constraint document_pk primary key (provider_id, seller_id, sha256),
    constraint document_sha256_form check (sha256 ~ '^[0-9a-f]{64}$'),
    constraint document_kind_known check (
        kind in ('contract', 'processing_agreement', 'price_annex', 'power_of_attorney', 'other')
    ),
    constraint document_seller_fk foreign key (provider_id, seller_id)
        references tenants.seller (provider_id, seller_id)
);
create index document_newest on tenants.document (provider_id, seller_id, uploaded_at desc, sha256);
select ctx.guard_seller_table('tenants.document');

-- Apart, so that a list of documents never reads their bytes.
create table tenants.document_content (
    provider_id uuid not null,
    seller_id   uuid not null,
    sha256      text not null,
    content     bytea not null,
    constraint document_content_pk primary key (provider_id, seller_id, sha256),
    constraint document_content_bounds check (octet_length(content) between 1 and 3145728),
    constraint document_content_of_document foreign key (provider_id, seller_id, sha256)
        references tenants.document (provider_id, seller_id, sha256),
    constraint document_content_seller_fk foreign key (provider_id, seller_id)
        references tenants.seller (provider_id, seller_id)
);
select ctx.guard_seller_table('tenants.document_content', 'select, insert, delete');

create table tenants.brand_voice (
    provider_id  uuid not null,
    seller_id    uuid not null,
    brand        text not null,
    language     text not null,
    address_form text not null,
    greeting     text not null,
    sign_off     text not null,
    alias        text not null,
    tone         text not null,
    avoid        text[] not null,
    constraint brand_voice_pk primary key (provider_id, seller_id, brand, language),
    constraint brand_voice_form_known check (address_form in ('formal', 'informal')),
    constraint brand_voice_seller_fk foreign key (provider_id, seller_id)
        references tenants.seller (provider_id, seller_id)
);
select ctx.guard_seller_table('tenants.brand_voice');

create table tenants.playbook_entry (
    provider_id uuid not null,
    seller_id   uuid not null,
    country     text not null,
    situation   text not null,
    say         text not null,
    avoid       text not null,
    constraint playbook_entry_pk primary key (provider_id, seller_id, country, situation),
    constraint playbook_entry_seller_fk foreign key (provider_id, seller_id)
        references tenants.seller (provider_id, seller_id)
);
select ctx.guard_seller_table('tenants.playbook_entry');

create table tenants.data_protection (
    provider_id      uuid not null,
    seller_id        uuid not null,
    agreement_sha256 text not null,
    retention_days   integer not null,
    officer_email    text not null,
    data_categories  text not null,
    version          bigint not null,
    constraint data_protection_pk primary key (provider_id, seller_id),
    constraint data_protection_retention_bounds check (retention_days between 0 and 3650),
    constraint data_protection_agreement foreign key (provider_id, seller_id, agreement_sha256)
        references tenants.document (provider_id, seller_id, sha256),
    constraint data_protection_seller_fk foreign key (provider_id, seller_id)
        references tenants.seller (provider_id, seller_id)
);
select ctx.guard_seller_table('tenants.data_protection');

create table tenants.sub_processor (
    provider_id    uuid not null,
    seller_id      uuid not null,
    name           text not null,
    country        text not null,
    purpose        text not null,
    transfer_basis text not null,
    place          integer not null,
    constraint sub_processor_pk primary key (provider_id, seller_id, name),
    constraint sub_processor_seller_fk foreign key (provider_id, seller_id)
        references tenants.seller (provider_id, seller_id)
);
select ctx.guard_seller_table('tenants.sub_processor');

-- The body is the template as one document; a published one never changes.
create table tenants.questionnaire_template (
    provider_id    uuid not null,
    template_key   text not null,
    version        bigint not null,
    state          text not null,
    product_group  text not null,
    body           jsonb not null,
    question_count integer not null,
    written_at     timestamptz not null,
    written_by     uuid not null,
    constraint questionnaire_template_pk primary key (provider_id, template_key, version),
    constraint questionnaire_template_state_known check (state in ('draft', 'published'))
);
create unique index questionnaire_template_one_draft on tenants.questionnaire_template (provider_id, template_key)
    where state = 'draft';
select ctx.guard_provider_table('tenants.questionnaire_template', 'select, insert, update');

create table tenants.questionnaire (
    provider_id      uuid not null,
    seller_id        uuid not null,
    template_key     text not null,
    template_version bigint not null,
    submitted        boolean not null,
    version          bigint not null default 1,
    assigned_at      timestamptz not null,
    constraint questionnaire_pk primary key (provider_id, seller_id, template_key),
    constraint questionnaire_of_template foreign key (provider_id, template_key, template_version)
        references tenants.questionnaire_template (provider_id, template_key, version),
    constraint questionnaire_seller_fk foreign key (provider_id, seller_id)
        references tenants.seller (provider_id, seller_id)
);
select ctx.guard_seller_table('tenants.questionnaire');

create table tenants.answer (
    provider_id  uuid not null,
    seller_id    uuid not null,
    template_key text not null,
    question_key text not null,
    language     text not null,
    body         text not null,
    state        text not null,
    comment      text not null,
    author_id    uuid not null,
    answered_at  timestamptz not null,
    reviewer_id  uuid,
    reviewed_at  timestamptz,
    constraint answer_pk primary key (provider_id, seller_id, template_key, question_key, language),
    constraint answer_state_known check (state in ('answered', 'approved', 'sent_back')),
    constraint answer_reviewed_by_another check (reviewer_id is null or reviewer_id <> author_id),
    constraint answer_reviewed check ((state = 'answered') = (reviewer_id is null)),
    constraint answer_of_questionnaire foreign key (provider_id, seller_id, template_key)
        references tenants.questionnaire (provider_id, seller_id, template_key),
    constraint answer_seller_fk foreign key (provider_id, seller_id)
        references tenants.seller (provider_id, seller_id)
);
select ctx.guard_seller_table('tenants.answer');

create table tenants.article (
    provider_id  uuid not null,
    seller_id    uuid not null,
    article_id   uuid not null,
    template_key text not null,
    question_key text not null,
    language     text not null,
    title        text not null,
    body         text not null,
    state        text not null,
    version      bigint not null,
    approved_at  timestamptz not null,
    approved_by  uuid not null,
    constraint article_pk primary key (provider_id, seller_id, article_id),
    constraint article_once unique (provider_id, seller_id, template_key, question_key, language),
    constraint article_state_known check (state in ('active', 'retired')),
    constraint article_seller_fk foreign key (provider_id, seller_id)
        references tenants.seller (provider_id, seller_id)
);
create index article_order on tenants.article (provider_id, article_id);
select ctx.guard_seller_table('tenants.article');

create table tenants.isolation_probe (
    provider_id uuid not null,
    seller_id   uuid not null,
    probe_id    uuid not null,
    probed_at   timestamptz not null,
    green       boolean not null,
    tables      integer not null,
    rpcs        integer not null,
    detail      text not null,
    recorded_by uuid not null,
    constraint isolation_probe_pk primary key (provider_id, seller_id, probe_id),
    constraint isolation_probe_seller_fk foreign key (provider_id, seller_id)
        references tenants.seller (provider_id, seller_id)
);
create index isolation_probe_newest on tenants.isolation_probe (provider_id, seller_id, probed_at desc);
select ctx.guard_seller_table('tenants.isolation_probe', 'select, insert, delete');

-- What billing told.
create table tenants.signed_rate_plan (
    provider_id    uuid not null,
    seller_id      uuid not null,
    rate_plan_id   text not null,
    plan_version   bigint not null,
    effective_from date not null,
    signed_at      timestamptz not null,
    constraint signed_rate_plan_pk primary key (provider_id, seller_id, rate_plan_id, plan_version),
    constraint signed_rate_plan_seller_fk foreign key (provider_id, seller_id)
        references tenants.seller (provider_id, seller_id)
);
select ctx.guard_seller_table('tenants.signed_rate_plan', 'select, insert, delete');

create table tenants.seller_transition (
    provider_id   uuid not null,
    seller_id     uuid not null,
    transition_id uuid not null,
    from_state    text not null,
    to_state      text not null,
    reason        text not null,
    evidence      text[] not null,
    actor_id      uuid not null,
    moved_at      timestamptz not null,
    constraint seller_transition_pk primary key (provider_id, seller_id, transition_id),
    constraint seller_transition_has_evidence check (cardinality(evidence) > 0),
    constraint seller_transition_seller_fk foreign key (provider_id, seller_id)
        references tenants.seller (provider_id, seller_id)
);
select ctx.guard_seller_table('tenants.seller_transition', 'select, insert, delete');

create table tenants.seller_export (
    provider_id uuid not null,
    seller_id   uuid not null,
    export_id   uuid not null,
    revision    bigint not null,
    sha256      text not null,
    tables      jsonb not null,
    taken_at    timestamptz not null,
    taken_by    uuid not null,
    constraint seller_export_pk primary key (provider_id, seller_id, export_id),
    constraint seller_export_seller_fk foreign key (provider_id, seller_id)
        references tenants.seller (provider_id, seller_id)
);
create index seller_export_newest on tenants.seller_export (provider_id, seller_id, taken_at desc);
select ctx.guard_seller_table('tenants.seller_export', 'select, insert, delete');

-- Erasures are the provider's: they outlive the seller.
create table tenants.erasure (
    provider_id        uuid not null,
    erasure_id         uuid not null,
    for_seller_id      uuid not null,
    export_id          uuid not null,
    export_sha256      text not null,
    requested_at       timestamptz not null,
    requested_by       uuid not null,
    done_at            timestamptz,
    certificate        text not null default '',
    certificate_sha256 text not null default '',
    constraint erasure_pk primary key (provider_id, erasure_id),
    constraint erasure_once unique (provider_id, for_seller_id),
    constraint erasure_certified check ((done_at is null) = (certificate = '') and (certificate = '') = (certificate_sha256 = ''))
);
select ctx.guard_provider_table('tenants.erasure', 'select, insert, update');

create table tenants.erasure_share (
    provider_id uuid not null,
    erasure_id  uuid not null,
    service     text not null,
    row_count   bigint not null,
    rows_kept   bigint not null,
    answered_at timestamptz not null,
    constraint erasure_share_pk primary key (provider_id, erasure_id, service),
    constraint erasure_share_of_erasure foreign key (provider_id, erasure_id)
        references tenants.erasure (provider_id, erasure_id),
    constraint erasure_share_service_known check (service in ('tenants', 'tickets', 'routing', 'workforce', 'billing'))
);
select ctx.guard_provider_table('tenants.erasure_share', 'select, insert');
