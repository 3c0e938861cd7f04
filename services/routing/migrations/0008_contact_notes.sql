-- A note of a contact says itself what came in, so that the engine reads nothing more for one that is new.
alter table routing.intake add column content jsonb;
alter table routing.intake drop constraint intake_whole;
alter table routing.intake add constraint intake_whole
    check ((kind not in ('contact', 'seller', 'policy', 'erasure') or of_seller is not null)
        and (kind <> 'contact' or content is not null or (waiting_since is not null and due_at is not null)));

-- Who refused what lately is read by whoever begins to lead.
create index offer_refused on routing.offer (provider_id, ended_at) where state = 'rejected';
