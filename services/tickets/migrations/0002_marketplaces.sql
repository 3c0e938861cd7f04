-- What a message is about and where it came from, as its marks tell.
alter table tickets.message
    add column marketplace text not null default '',
    add column country text not null default '',
    add column kind text,
    -- whether a marketplace's mail is what it says; null for what is no such mail
    add column verified boolean,
    add constraint message_kind_known check (kind in
        ('order_notice', 'system_notice', 'review', 'question', 'return', 'claim'));

-- The weightiest kind of a ticket's customer messages.
alter table tickets.ticket
    add column kind text,
    add constraint ticket_kind_known check (kind in
        ('order_notice', 'system_notice', 'review', 'question', 'return', 'claim'));
