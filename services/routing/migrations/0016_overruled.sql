-- What a contact's ticket said last of its priority and due time, once somebody said otherwise by hand.
alter table routing.contact add column overruled_priority text, add column overruled_due_at timestamptz;
alter table routing.contact add constraint contact_overruled_known
    check (overruled_priority in ('urgent', 'high', 'normal', 'low'));
alter table routing.contact add constraint contact_overruled_whole
    check ((overruled_priority is null) = (overruled_due_at is null));
