-- Personal data that is erased: the log of it, what each time went, and when the next is due.
alter table tickets.ticket add column erased_at timestamptz;
-- what is over and still holds what was said, by age
create index ticket_by_age on tickets.ticket (provider_id, seller_id, updated_at, ticket_id)
    where erased_at is null and state in ('solved', 'closed');

-- Mails that could not be taken in are found by who sent them, in lower case, and by what they became.
create index quarantine_by_sender on tickets.quarantine (provider_id, seller_id, sender);
create index quarantine_by_message on tickets.quarantine (provider_id, seller_id, message_id)
    where message_id is not null;
-- A file goes with the last message that brought it.
create index attachment_of_file on tickets.attachment (provider_id, seller_id, sha256);

-- Files are held while it is seen whether others sent them too.
grant update (stored_at) on tickets.file to tickets_app;

-- One row an erasure. It names ids and nothing of a person, so that it can be kept outside and replayed
-- after an older state of the database came back.
create table tickets.erasure (
    provider_id uuid not null,
    seller_id uuid not null,
    erasure_id uuid not null,
    reason text not null,
    -- the customers that were erased whole, those joined into them included
    customer_ids uuid[] not null,
    ticket_ids uuid[] not null,
    erased_at timestamptz not null,
    user_id uuid,
    -- when it was last done again, after a restore
    replayed_at timestamptz,
    constraint erasure_pk primary key (provider_id, seller_id, erasure_id),
    constraint erasure_seller_fk foreign key (provider_id, seller_id) references tickets.seller (provider_id, seller_id),
    constraint erasure_reason_known check (reason in ('requested', 'retention'))
);
create index erasure_newest on tickets.erasure (provider_id, seller_id, erased_at, erasure_id);
select ctx.guard_seller_table('tickets.erasure');

-- Which erasure a customer went with.
create table tickets.erasure_customer (
    provider_id uuid not null,
    seller_id uuid not null,
    customer_id uuid not null,
    erasure_id uuid not null,
    constraint erasure_customer_pk primary key (provider_id, seller_id, customer_id),
    constraint erasure_customer_erasure_fk foreign key (provider_id, seller_id, erasure_id)
        references tickets.erasure (provider_id, seller_id, erasure_id)
);
select ctx.guard_seller_table('tickets.erasure_customer', 'select, insert, delete');

-- What an erasure did to a table.
create table tickets.erasure_row (
    provider_id uuid not null,
    seller_id uuid not null,
    erasure_id uuid not null,
    table_name text not null,
    removed bigint not null,
    blanked bigint not null,
    constraint erasure_row_pk primary key (provider_id, seller_id, erasure_id, table_name),
    constraint erasure_row_erasure_fk foreign key (provider_id, seller_id, erasure_id)
        references tickets.erasure (provider_id, seller_id, erasure_id)
);
select ctx.guard_seller_table('tickets.erasure_row');

-- When a seller's old tickets are next looked for. How old is old is said by the seller's terms.
create table tickets.retention (
    provider_id uuid not null,
    seller_id uuid not null,
    look_at timestamptz not null,
    constraint retention_pk primary key (provider_id, seller_id),
    constraint retention_seller_fk foreign key (provider_id, seller_id) references tickets.seller (provider_id, seller_id)
);
create index retention_due on tickets.retention (look_at);
select ctx.guard_seller_table('tickets.retention');
select ctx.expose_due_columns('tickets.retention', 'provider_id, seller_id, look_at');

-- What is there already. The owner of the tables reads past its own policies for these statements.
alter table tickets.quarantine no force row level security;
update tickets.quarantine set sender = lower(sender) where sender <> lower(sender);
alter table tickets.quarantine force row level security;
alter table tickets.seller no force row level security;
alter table tickets.retention no force row level security;
insert into tickets.retention (provider_id, seller_id, look_at)
select provider_id, seller_id, 'epoch' from tickets.seller;
alter table tickets.seller force row level security;
alter table tickets.retention force row level security;
