-- A link is for what its user may do when it is made: somebody who was given more since then, or who has signed in
-- another way, is not reached by it. Links of before fit nobody and are made anew.
alter table tenants.invitation add column user_revision bigint not null default 0;
alter table tenants.invitation alter column user_revision drop default;
