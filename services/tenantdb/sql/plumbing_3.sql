-- Third version of the plumbing: dead letters are listed, asked to be applied
-- again, and dropped. The relay role sees whose they are, of which kind and why,
-- and nothing of what is in them.
alter table {service}.dead_letter add column replay_at timestamptz;
create index dead_letter_oldest on {service}.dead_letter (failed_at, event_id);
create index dead_letter_asked on {service}.dead_letter (replay_at) where replay_at is not null;
select ctx.expose_due_columns('{service}.dead_letter',
    'provider_id, seller_id, event_id, source, kind, reason, failed_at, replay_at');
