-- Notes that could not be carried out: since when they are set aside, and why.

alter table routing.intake
    add column set_aside_at timestamptz,
    add column failure text not null default '';
create index intake_set_aside on routing.intake (provider_id, intake_id) where failed;
