-- Skills that a ticket asks for of who works on it, in order, with commas between them. A text, because the rows of many
-- tickets are written as one array a column.
alter table tickets.ticket
    add column skills text not null default '',
    add constraint ticket_skills_are_words check (skills ~ '^([a-z0-9_-]{1,40}(,[a-z0-9_-]{1,40}){0,7})?$');
