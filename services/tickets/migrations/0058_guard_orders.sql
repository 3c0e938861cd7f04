-- Orders by their ids among the marks of the guard.

alter table tickets.guard_mark drop constraint guard_mark_kind_known;
alter table tickets.guard_mark add constraint guard_mark_kind_known
    check (kind in ('name', 'alias', 'domain', 'address', 'ticket_number', 'order_id', 'order'));

-- Those of tickets that are there: HMAC-SHA-256 (RFC 2104) under the provider's key, its first 16 bytes, as the service
-- makes marks. A provider without a key has no marks of sellers yet.
create function tickets.hashed_mark(key bytea, message bytea) returns bytea language plpgsql immutable as $$
declare
    inner_pad bytea := key || decode(repeat('00', 64 - length(key)), 'hex');
    outer_pad bytea := inner_pad;
begin
    for place in 0..63 loop
        inner_pad := set_byte(inner_pad, place, get_byte(inner_pad, place) # 54);
        outer_pad := set_byte(outer_pad, place, get_byte(outer_pad, place) # 92);
    end loop;
    return substring(sha256(outer_pad || sha256(inner_pad || message)) for 16);
end
$$;

alter table tickets.ticket no force row level security;
alter table tickets.guard_key no force row level security;
alter table tickets.guard_mark no force row level security;
insert into tickets.guard_mark (provider_id, mark, owner, kind)
select distinct t.provider_id,
       tickets.hashed_mark(k.key, convert_to('order', 'UTF8') || '\x00'::bytea || convert_to(t.form, 'UTF8')),
       tickets.hashed_mark(k.key, convert_to('owner', 'UTF8') || '\x00'::bytea || uuid_send(t.seller_id)),
       'order'
  from (select provider_id, seller_id, lower(ltrim(btrim(order_id), '#')) as form
          from tickets.ticket where order_id is not null) as t
  join tickets.guard_key k on k.provider_id = t.provider_id
 where t.form ~ '^[a-z0-9_-]{7,40}$' and length(regexp_replace(t.form, '[^0-9]', '', 'g')) >= 5
   and t.form !~ '^([0-9]{4}[-_][0-9]{1,2}[-_][0-9]{1,2}|[0-9]{1,2}[-_][0-9]{1,2}[-_][0-9]{4})$'
on conflict on constraint guard_mark_pk do nothing;
alter table tickets.ticket force row level security;
alter table tickets.guard_key force row level security;
alter table tickets.guard_mark force row level security;
drop function tickets.hashed_mark(bytea, bytea);
