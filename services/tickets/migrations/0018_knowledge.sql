-- What customers ask and what to answer. The row is the article as it is in use (or its first draft), its
-- versions stand beside it. An article of the questionnaire has the id it has there.
create table tickets.article (
    provider_id uuid not null,
    seller_id uuid not null,
    article_id uuid not null,
    source text not null,
    language text not null,
    state text not null,
    title text not null,
    body text not null,
    product text not null,
    marketplace text not null,
    public boolean not null,
    review_on date,
    version bigint not null,
    newest bigint not null,
    used_count bigint not null,
    helpful_count bigint not null,
    unhelpful_count bigint not null,
    published_at timestamptz,
    updated_at timestamptz not null,
    revision bigint not null,
    -- by the dictionary of its language; null unless it was published
    search tsvector,
    constraint article_pk primary key (provider_id, seller_id, article_id),
    constraint article_seller_fk foreign key (provider_id, seller_id) references tickets.seller (provider_id, seller_id),
    constraint article_source_known check (source in ('questionnaire', 'question', 'person')),
    constraint article_state_known check (state in ('draft', 'published', 'withdrawn'))
);
create index article_in_use on tickets.article (provider_id, seller_id, language, article_id) where state = 'published';
select ctx.guard_seller_table('tickets.article');

create table tickets.article_version (
    provider_id uuid not null,
    seller_id uuid not null,
    article_id uuid not null,
    version bigint not null,
    title text not null,
    body text not null,
    product text not null,
    marketplace text not null,
    public boolean not null,
    review_on date,
    made_at timestamptz not null,
    made_by uuid,
    published_at timestamptz,
    constraint article_version_pk primary key (provider_id, seller_id, article_id, version),
    constraint article_version_article_fk foreign key (provider_id, seller_id, article_id)
        references tickets.article (provider_id, seller_id, article_id)
);
select ctx.guard_seller_table('tickets.article_version');

-- Questions to the seller.
create table tickets.question (
    provider_id uuid not null,
    seller_id uuid not null,
    question_id uuid not null,
    ticket_id uuid not null,
    state text not null,
    original text not null,
    original_language text not null,
    translation text not null,
    translation_language text not null,
    translated_by text not null,
    reviewed boolean not null,
    asked_by uuid,
    asked_at timestamptz not null,
    answer text not null,
    answer_language text not null,
    answered_by uuid,
    answered_at timestamptz,
    article_id uuid,
    version bigint not null,
    constraint question_pk primary key (provider_id, seller_id, question_id),
    constraint question_ticket_fk foreign key (provider_id, seller_id, ticket_id)
        references tickets.ticket (provider_id, seller_id, ticket_id),
    constraint question_article_fk foreign key (provider_id, seller_id, article_id)
        references tickets.article (provider_id, seller_id, article_id),
    constraint question_state_known check (state in ('asked', 'answered', 'withdrawn')),
    constraint question_translated_by_known check (translated_by in ('', 'person', 'machine')),
    constraint question_answered check ((state = 'answered') = (answered_at is not null))
);
create index question_newest on tickets.question (provider_id, seller_id, asked_at, question_id);
create index question_by_state on tickets.question (provider_id, seller_id, state, asked_at, question_id);
create index question_of on tickets.question (provider_id, seller_id, ticket_id);
select ctx.guard_seller_table('tickets.question');

create index ticket_solved on tickets.ticket (provider_id, seller_id, solved_at) where solved_at is not null;
