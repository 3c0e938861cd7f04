-- Whether a contact's least level is its seller's policy's, which it then follows. Of those of before nobody knows.
alter table routing.contact add column level_of_policy boolean not null default false;
