-- An import can be gone on with: where its client was, and what was not stored.
alter table tickets.import
    add column cursor text not null default '',
    add column rejected bigint not null default 0;
