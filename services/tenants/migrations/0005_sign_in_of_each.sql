-- Who may sign in with an e-mail address, by exact match: with a handle the people of that provider, else the two
-- oldest of each provider, so that no provider keeps those of another from signing in.
create function tenants.find_sign_in(wanted text, of_handle text)
    returns table (provider_id uuid, user_id uuid, handle text)
    language sql stable security definer set search_path = pg_catalog as $$
    select found.provider_id, found.user_id, found.handle
      from (select u.provider_id, u.user_id, p.handle, u.created_at,
                   row_number() over (partition by u.provider_id order by u.created_at, u.user_id) as place
              from tenants.app_user u
              join tenants.provider p on p.provider_id = u.provider_id
             where u.email = wanted and u.state = 'active' and p.state = 'active'
               and (of_handle = '' or p.handle = of_handle)) as found
     where found.place <= case when of_handle = '' then 2 else 8 end
     order by found.place, found.created_at, found.user_id
     limit 8
$$;
revoke execute on function tenants.find_sign_in(text, text) from public;
grant execute on function tenants.find_sign_in(text, text) to tenants_app;
