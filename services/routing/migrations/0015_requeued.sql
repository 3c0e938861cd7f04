-- When a contact last came back from somebody who had it in hand: what is asked of it for a while is asked from then on.
alter table routing.contact add column requeued_at timestamptz;
