-- Customers as people work with them: what staff knows of them, by what they are found, what was joined.
alter table tickets.customer
    add column preferred_language text,
    add column country text not null default '',
    add column time_zone text not null default '',
    add column tier text not null default '',
    -- the customer that this one was joined into; its identities and tickets went along
    add column merged_into_id uuid,
    add column erased_at timestamptz,
    add column version bigint not null default 1,
    add constraint customer_merged_fk foreign key (provider_id, seller_id, merged_into_id)
        references tickets.customer (provider_id, seller_id, customer_id),
    add constraint customer_merged_elsewhere check (merged_into_id is null or merged_into_id <> customer_id);
create index customer_newest on tickets.customer (provider_id, seller_id, created_at, customer_id)
    where merged_into_id is null and erased_at is null;
create index customer_merged on tickets.customer (provider_id, seller_id, merged_into_id)
    where merged_into_id is not null;

-- The words by which customers are found: of their names and of their addresses, folded. Compared byte
-- by byte, so that the beginning of a word is a range of the key.
create table tickets.customer_term (
    provider_id uuid not null,
    seller_id uuid not null,
    term text collate "C" not null,
    customer_id uuid not null,
    constraint customer_term_pk primary key (provider_id, seller_id, term, customer_id),
    constraint customer_term_customer_fk foreign key (provider_id, seller_id, customer_id)
        references tickets.customer (provider_id, seller_id, customer_id)
);
create index customer_term_of on tickets.customer_term (provider_id, seller_id, customer_id, term);
select ctx.guard_seller_table('tickets.customer_term', 'select, insert, delete');

-- What was done to a customer, beside the tickets.
create table tickets.customer_event (
    provider_id uuid not null,
    seller_id uuid not null,
    customer_event_id uuid not null,
    customer_id uuid not null,
    at timestamptz not null,
    kind text not null,
    user_id uuid,
    -- of a merge or a split: the other one
    other_customer_id uuid,
    -- of an identity: its kind and address; of an update: the fields
    detail text not null,
    constraint customer_event_pk primary key (provider_id, seller_id, customer_event_id),
    constraint customer_event_customer_fk foreign key (provider_id, seller_id, customer_id)
        references tickets.customer (provider_id, seller_id, customer_id),
    constraint customer_event_kind_known check (kind in
        ('updated', 'identity_added', 'identity_removed', 'merged', 'split_off', 'split_from'))
);
create index customer_event_of on tickets.customer_event (provider_id, seller_id, customer_id, at, customer_event_id);
select ctx.guard_seller_table('tickets.customer_event');

-- Customers that are there already are found too. The owner of the tables reads past its own policies for
-- this one statement.
alter table tickets.customer no force row level security;
alter table tickets.customer_identity no force row level security;
alter table tickets.customer_term no force row level security;
insert into tickets.customer_term (provider_id, seller_id, term, customer_id)
select distinct w.provider_id, w.seller_id, left(w.term, 100), w.customer_id
  from (select c.provider_id, c.seller_id, c.customer_id, t.term
          from tickets.customer c cross join lateral regexp_split_to_table(lower(c.name), '[^[:alnum:]]+') as t (term)
        union all
        select i.provider_id, i.seller_id, i.customer_id, ltrim(i.address, '+') from tickets.customer_identity i
        union all
        select i.provider_id, i.seller_id, i.customer_id, t.term
          from tickets.customer_identity i
         cross join lateral regexp_split_to_table(split_part(i.address, '@', 1), '[^[:alnum:]]+') as t (term)) as w
 where w.term <> '';
alter table tickets.customer force row level security;
alter table tickets.customer_identity force row level security;
alter table tickets.customer_term force row level security;
