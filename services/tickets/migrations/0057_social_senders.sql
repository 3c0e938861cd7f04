-- Answers that leave by Messenger and Instagram. The column of WhatsApp's phone number id holds the id of the page or of
-- the professional account as well.
alter table tickets.channel_sender
    drop constraint channel_sender_kind_known,
    add constraint channel_sender_kind_known check (kind in ('standard', 'whatsapp', 'messenger', 'instagram'));
