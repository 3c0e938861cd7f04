-- The pages on which customers help themselves, and by what their articles are found.
create table tickets.faq_page (
    provider_id uuid not null,
    seller_id uuid not null,
    open boolean not null,
    -- empty for the seller's first brand
    name text not null,
    updated_at timestamptz not null,
    updated_by uuid,
    revision bigint not null,
    constraint faq_page_pk primary key (provider_id, seller_id),
    constraint faq_page_seller_fk foreign key (provider_id, seller_id) references tickets.seller (provider_id, seller_id)
);
select ctx.guard_seller_table('tickets.faq_page');

create index article_public on tickets.article (provider_id, seller_id, language, article_id)
    where state = 'published' and public;

-- What articles in use are found by, one row for each: the operator of text search is kept from indexes by row-level
-- security, a comparison of texts is not.
create table tickets.article_term (
    provider_id uuid not null,
    seller_id uuid not null,
    article_id uuid not null,
    -- after a `w` a word as the dictionary of its language writes it, after a `t` three letters of the title
    term text not null,
    language text not null,
    public boolean not null,
    -- how much the article is about it
    weight real not null,
    constraint article_term_pk primary key (provider_id, seller_id, article_id, term),
    constraint article_term_article_fk foreign key (provider_id, seller_id, article_id)
        references tickets.article (provider_id, seller_id, article_id)
);
create index article_term_found on tickets.article_term
    (provider_id, seller_id, language, public, term, weight desc, article_id);
select ctx.guard_seller_table('tickets.article_term');

-- Articles that were there before.
alter table tickets.article no force row level security;
alter table tickets.article_term no force row level security;
insert into tickets.article_term (provider_id, seller_id, article_id, term, language, public, weight)
select a.provider_id, a.seller_id, a.article_id, 'w' || left(l.lexeme, 100), a.language, a.public,
       sum((select sum(case when w = 'A' then 1.0 else 0.4 end) from unnest(l.weights) as w))
  from tickets.article a
 cross join lateral unnest(a.search) as l
 where a.state = 'published'
 group by a.provider_id, a.seller_id, a.article_id, left(l.lexeme, 100), a.language, a.public;
insert into tickets.article_term (provider_id, seller_id, article_id, term, language, public, weight)
select distinct a.provider_id, a.seller_id, a.article_id, 't' || substr('  ' || w || ' ', i, 3), a.language, a.public, 1
  from tickets.article a
 cross join lateral regexp_split_to_table(lower(a.title), '[^[:alnum:]]+') as w
 cross join lateral generate_series(1, length(w) + 1) as i
 where a.state = 'published' and w <> '';
alter table tickets.article_term force row level security;
alter table tickets.article force row level security;

-- Reports of a span of time read the clocks of that span.
create index sla_clock_started on tickets.sla_clock (provider_id, seller_id, started_at);
