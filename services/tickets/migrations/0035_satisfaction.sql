-- What customers say of how they were served: the surveys, what was asked, what was answered, and how every
-- ticket came out. Local dates of the seller are stamped when a row is stored.

create table tickets.survey (
    provider_id uuid not null,
    seller_id uuid not null,
    survey_id uuid not null,
    key text not null,
    name text not null,
    kind text not null,
    -- none = all
    channels text[] not null,
    delay_seconds integer not null,
    quiet_days integer not null,
    valid_days integer not null,
    -- the language in which it asks whoever speaks none of its languages; empty = she is not asked
    fallback_language text not null,
    active boolean not null,
    -- of the texts
    version bigint not null,
    updated_at timestamptz not null,
    updated_by uuid,
    revision bigint not null,
    constraint survey_pk primary key (provider_id, seller_id, survey_id),
    constraint survey_once unique (provider_id, seller_id, key),
    constraint survey_seller_fk foreign key (provider_id, seller_id) references tickets.seller (provider_id, seller_id),
    constraint survey_kind_known check (kind in ('csat', 'nps', 'ces'))
);
select ctx.guard_seller_table('tickets.survey');

-- The texts of every version, so that it can be told years later what was asked.
create table tickets.survey_text (
    provider_id uuid not null,
    seller_id uuid not null,
    survey_id uuid not null,
    version bigint not null,
    language text not null,
    invitation text not null,
    question text not null,
    low_label text not null,
    high_label text not null,
    comment_prompt text not null,
    thanks text not null,
    constraint survey_text_pk primary key (provider_id, seller_id, survey_id, version, language),
    constraint survey_text_survey_fk foreign key (provider_id, seller_id, survey_id)
        references tickets.survey (provider_id, seller_id, survey_id)
);
select ctx.guard_seller_table('tickets.survey_text', 'select, insert, delete');

-- Solved tickets whose customers are asked, and when. The row goes in the transaction that asks or decides not to.
create table tickets.survey_work (
    provider_id uuid not null,
    seller_id uuid not null,
    ticket_id uuid not null,
    survey_id uuid not null,
    due_at timestamptz not null,
    constraint survey_work_pk primary key (provider_id, seller_id, ticket_id, survey_id),
    constraint survey_work_ticket_fk foreign key (provider_id, seller_id, ticket_id)
        references tickets.ticket (provider_id, seller_id, ticket_id),
    constraint survey_work_survey_fk foreign key (provider_id, seller_id, survey_id)
        references tickets.survey (provider_id, seller_id, survey_id)
);
create index survey_work_due on tickets.survey_work (due_at);
select ctx.guard_seller_table('tickets.survey_work');
select ctx.expose_due_columns('tickets.survey_work', 'provider_id, seller_id, ticket_id, due_at');

-- What became of each: asked, or not and why.
create table tickets.survey_invitation (
    provider_id uuid not null,
    seller_id uuid not null,
    invitation_id uuid not null,
    survey_id uuid not null,
    version bigint not null,
    ticket_id uuid not null,
    customer_id uuid not null,
    message_id uuid,
    kind text not null,
    state text not null,
    -- why nobody was asked
    reason text not null,
    -- of the question
    asked_in text not null,
    decided_at timestamptz not null,
    expires_at timestamptz,
    -- for reports: the seller's date, and what the ticket was then
    decided_on date not null,
    country text not null,
    marketplace text not null,
    language text not null,
    channel text not null,
    answered_at timestamptz,
    constraint survey_invitation_pk primary key (provider_id, seller_id, invitation_id),
    constraint survey_invitation_survey_fk foreign key (provider_id, seller_id, survey_id)
        references tickets.survey (provider_id, seller_id, survey_id),
    constraint survey_invitation_ticket_fk foreign key (provider_id, seller_id, ticket_id)
        references tickets.ticket (provider_id, seller_id, ticket_id),
    constraint survey_invitation_customer_fk foreign key (provider_id, seller_id, customer_id)
        references tickets.customer (provider_id, seller_id, customer_id),
    constraint survey_invitation_state_known check (state in ('asked', 'not_asked')),
    constraint survey_invitation_asked check (state <> 'asked' or expires_at is not null)
);
create index survey_invitation_by_date on tickets.survey_invitation (provider_id, seller_id, decided_on);
create index survey_invitation_by_customer on tickets.survey_invitation (provider_id, seller_id, customer_id, decided_at)
    where state = 'asked';
create index survey_invitation_newest on tickets.survey_invitation (provider_id, seller_id, decided_at, invitation_id);
create index survey_invitation_of on tickets.survey_invitation (provider_id, seller_id, ticket_id);
select ctx.guard_seller_table('tickets.survey_invitation');

-- Answers: to an invitation, or brought along from the time before.
create table tickets.survey_answer (
    provider_id uuid not null,
    seller_id uuid not null,
    answer_id uuid not null,
    invitation_id uuid,
    -- the key of an answer that was brought along
    external_id text,
    ticket_id uuid,
    kind text not null,
    score smallint not null,
    comment text not null,
    answered_at timestamptz not null,
    changed_at timestamptz not null,
    answered_on date not null,
    country text not null,
    marketplace text not null,
    language text not null,
    channel text not null,
    constraint survey_answer_pk primary key (provider_id, seller_id, answer_id),
    constraint survey_answer_once unique (provider_id, seller_id, invitation_id),
    constraint survey_answer_external_once unique (provider_id, seller_id, external_id),
    constraint survey_answer_seller_fk foreign key (provider_id, seller_id) references tickets.seller (provider_id, seller_id),
    constraint survey_answer_invitation_fk foreign key (provider_id, seller_id, invitation_id)
        references tickets.survey_invitation (provider_id, seller_id, invitation_id),
    constraint survey_answer_ticket_fk foreign key (provider_id, seller_id, ticket_id)
        references tickets.ticket (provider_id, seller_id, ticket_id),
    constraint survey_answer_kind_known check (kind in ('csat', 'nps', 'ces')),
    constraint survey_answer_score check (score between
        case kind when 'nps' then 0 else 1 end and case kind when 'csat' then 5 when 'nps' then 10 else 7 end)
);
create index survey_answer_by_date on tickets.survey_answer (provider_id, seller_id, answered_on);
create index survey_answer_newest on tickets.survey_answer (provider_id, seller_id, answered_at, answer_id);
create index survey_answer_of on tickets.survey_answer (provider_id, seller_id, ticket_id) where ticket_id is not null;
select ctx.guard_seller_table('tickets.survey_answer');

-- How a ticket of a customer came out, kept with its history.
create table tickets.ticket_outcome (
    provider_id uuid not null,
    seller_id uuid not null,
    ticket_id uuid not null,
    opened_on date not null,
    country text not null,
    marketplace text not null,
    language text not null,
    channel text not null,
    -- a marketplace's claim, or marked as a complaint
    claim boolean not null,
    complaint boolean not null default false,
    -- a survey about it got a bad score
    bad_answer boolean not null default false,
    first_solved_at timestamptz,
    first_solved_on date,
    -- answers by people until then
    answers_until_solved integer not null,
    first_reopened_at timestamptz,
    reopened integer not null,
    constraint ticket_outcome_pk primary key (provider_id, seller_id, ticket_id),
    constraint ticket_outcome_ticket_fk foreign key (provider_id, seller_id, ticket_id)
        references tickets.ticket (provider_id, seller_id, ticket_id),
    constraint ticket_outcome_solved check ((first_solved_at is null) = (first_solved_on is null))
);
create index ticket_outcome_opened on tickets.ticket_outcome (provider_id, seller_id, opened_on);
create index ticket_outcome_solved_on on tickets.ticket_outcome (provider_id, seller_id, first_solved_on)
    where first_solved_on is not null;
select ctx.guard_seller_table('tickets.ticket_outcome');

-- Tickets that are there already; of their days only those of UTC are known. The owner of the tables reads past
-- its own policies for this one statement.
alter table tickets.ticket no force row level security;
alter table tickets.ticket_event no force row level security;
alter table tickets.ticket_tag no force row level security;
alter table tickets.ticket_outcome no force row level security;
insert into tickets.ticket_outcome (provider_id, seller_id, ticket_id, opened_on, country, marketplace, language, channel,
       claim, complaint, first_solved_at, first_solved_on, answers_until_solved, first_reopened_at, reopened)
select t.provider_id, t.seller_id, t.ticket_id, (t.created_at at time zone 'UTC')::date, t.country, t.marketplace,
       coalesce(t.language, ''), t.channel, coalesce(t.kind = 'claim', false),
       exists (select from tickets.ticket_tag g
                where (g.provider_id, g.seller_id, g.ticket_id) = (t.provider_id, t.seller_id, t.ticket_id)
                  and (g.tag in ('complaint', 'negative-review') or g.tag like 'complaint-%')),
       s.at, (s.at at time zone 'UTC')::date,
       (select count(*) from tickets.ticket_event a
         where (a.provider_id, a.seller_id, a.ticket_id) = (t.provider_id, t.seller_id, t.ticket_id)
           and a.kind = 'answered' and not a.automatic and a.sequence <= s.sequence),
       r.at, coalesce(r.times, 0)
  from tickets.ticket t
  left join lateral (
       select e.at, e.sequence from tickets.ticket_event e
        where (e.provider_id, e.seller_id, e.ticket_id) = (t.provider_id, t.seller_id, t.ticket_id)
          and e.state in ('solved', 'closed') and e.kind <> 'merged'
        order by e.sequence limit 1) as s on true
  left join lateral (
       select min(e.at) as at, count(*) as times
         from (select x.at, x.state, x.sequence, lag(x.state) over (order by x.sequence) as before
                 from tickets.ticket_event x
                where (x.provider_id, x.seller_id, x.ticket_id) = (t.provider_id, t.seller_id, t.ticket_id)) as e
        where e.before in ('solved', 'closed') and e.state not in ('solved', 'closed') and s.sequence < e.sequence) as r on true
 where exists (select from tickets.ticket_event c
                where (c.provider_id, c.seller_id, c.ticket_id) = (t.provider_id, t.seller_id, t.ticket_id)
                  and c.kind = 'customer_wrote' and not c.automatic);
alter table tickets.ticket force row level security;
alter table tickets.ticket_event force row level security;
alter table tickets.ticket_tag force row level security;
alter table tickets.ticket_outcome force row level security;
