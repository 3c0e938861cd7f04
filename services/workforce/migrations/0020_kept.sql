-- What stays of a shift that is taken out: the hours that were worked before somebody fell ill, or those that are not
-- off. Between these instants; none where nothing stays.
alter table workforce.shift_proposal_line
    add column kept_from timestamptz,
    add column kept_until timestamptz,
    add constraint shift_proposal_line_kept_whole check ((kept_from is null) = (kept_until is null)),
    add constraint shift_proposal_line_kept_inside
        check (kept_from is null or starts_at <= kept_from and kept_from < kept_until and kept_until <= ends_at);
