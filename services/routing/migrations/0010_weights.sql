-- By which weights sellers share what is not enough for all of them, and what each has to its credit.

alter table routing.policy
    add column weight integer not null default 0,
    add column weight_window_seconds bigint not null default 900,
    add constraint policy_weight_sane check (weight between 0 and 1000 and weight_window_seconds between 0 and 86400);

-- What a seller has to its credit of the contacts that several contested, in millionths of a contact. The leader writes
-- it a few seconds late at most; a new one goes on from here.
create table routing.credit (
    provider_id uuid not null,
    seller_id uuid not null,
    credit bigint not null,
    constraint credit_pk primary key (provider_id, seller_id),
    constraint credit_seller_fk foreign key (provider_id, seller_id) references routing.seller
);
select ctx.guard_seller_table('routing.credit');
