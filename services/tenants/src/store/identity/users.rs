//! Users, their grants and their passwords.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kit::{SellerId, UserId};
use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use super::unknown;
use crate::domain::identity::user::State;
use crate::domain::identity::{Role, User};
use crate::domain::onboarding::life;

/// A user.
pub async fn find(tx: &mut TenantTx, user: UserId) -> Result<Option<User>, Failure> {
    let row = sqlx::query_as!(
        Row,
        r#"select u.user_id, u.email, u.name, u.language, u.state, u.roles, u.revision, u.version, u.created_at,
                  array(select g.for_seller_id from tenants.seller_grant g
                         where g.provider_id = u.provider_id and g.user_id = u.user_id
                         order by g.for_seller_id) as "sellers!"
             from tenants.app_user u where u.provider_id = $1 and u.user_id = $2"#,
        tx.provider().0,
        user.0
    )
    .fetch_optional(tx.conn())
    .await?;
    row.map(User::try_from).transpose()
}

/// A user, locked until the end of the transaction.
pub async fn lock(tx: &mut TenantTx, user: UserId) -> Result<Option<User>, Failure> {
    sqlx::query!(
        "select version from tenants.app_user where provider_id = $1 and user_id = $2 for update",
        tx.provider().0,
        user.0
    )
    .fetch_optional(tx.conn())
    .await?;
    find(tx, user).await
}

/// A user by exact address: the provider's own before a seller's, then the oldest.
pub async fn by_email(tx: &mut TenantTx, email: &str) -> Result<Option<UserId>, Failure> {
    let id = sqlx::query_scalar!(
        "select user_id from tenants.app_user where provider_id = $1 and email = $2 order by home_id, created_at limit 1",
        tx.provider().0,
        email
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(id.map(UserId))
}

/// Whether the provider has any user.
pub async fn any(tx: &mut TenantTx) -> Result<bool, Failure> {
    let any = sqlx::query_scalar!(
        r#"select exists (select from tenants.app_user where provider_id = $1) as "any!""#,
        tx.provider().0
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(any)
}

/// Keeps a new user with its grants. An address in use violates `app_user_email_once`.
pub async fn insert(tx: &mut TenantTx, user: &User) -> Result<(), Failure> {
    let roles: Vec<String> = user.roles.names().into_iter().map(str::to_owned).collect();
    sqlx::query!(
        "insert into tenants.app_user
                (provider_id, user_id, email, name, language, state, roles, revision, version, created_at, home_id)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        tx.provider().0,
        user.id.0,
        user.email,
        user.name,
        user.language,
        user.state.as_str(),
        &roles,
        user.revision,
        user.version,
        user.created_at.to_sqlx() as _,
        home(user)
    )
    .execute(tx.conn())
    .await?;
    grant(tx, user.id, &user.sellers, user.created_at).await
}

/// Keeps a changed user; gives the new version. Sellers that she no longer holds are taken away; those that she is
/// given come by [`grant`] alone, because they must be locked for that.
pub async fn update(tx: &mut TenantTx, user: &User) -> Result<i64, Failure> {
    let roles: Vec<String> = user.roles.names().into_iter().map(str::to_owned).collect();
    let version = sqlx::query_scalar!(
        "update tenants.app_user
            set name = $3, language = $4, state = $5, roles = $6, revision = $7, home_id = $8, version = version + 1
          where provider_id = $1 and user_id = $2
         returning version",
        tx.provider().0,
        user.id.0,
        user.name,
        user.language,
        user.state.as_str(),
        &roles,
        user.revision,
        home(user)
    )
    .fetch_one(tx.conn())
    .await?;
    let sellers: Vec<Uuid> = user.sellers.iter().map(|seller| seller.0).collect();
    sqlx::query!(
        "delete from tenants.seller_grant
          where provider_id = $1 and user_id = $2 and for_seller_id <> all ($3::uuid[])",
        tx.provider().0,
        user.id.0,
        &sellers
    )
    .execute(tx.conn())
    .await?;
    Ok(version)
}

/// Notes that something of the user's changed elsewhere; gives the new version.
pub async fn touch(tx: &mut TenantTx, user: UserId) -> Result<i64, Failure> {
    let version = sqlx::query_scalar!(
        "update tenants.app_user set version = version + 1 where provider_id = $1 and user_id = $2 returning version",
        tx.provider().0,
        user.0
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(version)
}

fn home(user: &User) -> Uuid {
    user.home().map_or(Uuid::nil(), |seller| seller.0)
}

/// Gives sellers to a user; they must be locked (see [`lock_sellers`]), or an erasure might miss it.
pub async fn grant(tx: &mut TenantTx, user: UserId, sellers: &[SellerId], now: Timestamp) -> Result<(), Failure> {
    let sellers: Vec<Uuid> = sellers.iter().map(|seller| seller.0).collect();
    sqlx::query!(
        "insert into tenants.seller_grant (provider_id, user_id, for_seller_id, granted_at)
         select $1, $2, s, $4 from unnest($3::uuid[]) as s
         on conflict on constraint seller_grant_pk do nothing",
        tx.provider().0,
        user.0,
        &sellers,
        now.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Whether a seller that the transaction reads is there.
pub async fn seller_exists(tx: &mut TenantTx, seller: SellerId) -> Result<bool, Failure> {
    let exists = sqlx::query_scalar!(
        r#"select exists (select from tenants.seller where provider_id = $1 and seller_id = $2) as "exists!""#,
        tx.provider().0,
        seller.0
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(exists)
}

/// Sellers that the transaction writes, each with its state and whether an erasure was requested; they stay as they
/// are until its end.
pub async fn lock_sellers(
    tx: &mut TenantTx,
    sellers: &[SellerId],
) -> Result<Vec<(SellerId, life::State, bool)>, Failure> {
    let sellers: Vec<Uuid> = sellers.iter().map(|seller| seller.0).collect();
    let rows = sqlx::query!(
        "select seller_id, state, erasing from tenants.seller
          where provider_id = $1 and seller_id = any ($2) order by seller_id for share",
        tx.provider().0,
        &sellers
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|row| {
            let state = life::State::from_word(&row.state).ok_or_else(|| unknown("a seller's state"))?;
            Ok((SellerId(row.seller_id), state, row.erasing))
        })
        .collect()
}

/// What a list of users is narrowed to.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub role: Option<Role>,
    pub state: Option<State>,
    /// Users to whom this seller is granted.
    pub seller: Option<SellerId>,
    /// Only users who share one of these sellers.
    pub sharing: Option<Vec<SellerId>>,
    /// Only people of sellers.
    pub sellers_own: bool,
}

/// A page of users by address and id.
pub async fn list(tx: &mut TenantTx, filter: &Filter, after: (&str, Uuid), most: i64) -> Result<Vec<User>, Failure> {
    let sharing: Option<Vec<Uuid>> = filter.sharing.as_ref().map(|list| list.iter().map(|s| s.0).collect());
    let rows = sqlx::query_as!(
        Row,
        r#"select u.user_id, u.email, u.name, u.language, u.state, u.roles, u.revision, u.version, u.created_at,
                  array(select g.for_seller_id from tenants.seller_grant g
                         where g.provider_id = u.provider_id and g.user_id = u.user_id
                         order by g.for_seller_id) as "sellers!"
             from tenants.app_user u
            where u.provider_id = $1 and (u.email, u.user_id) > ($2, $9)
              and ($3::text is null or $3 = any (u.roles))
              and ($4::text is null or u.state = $4)
              and ($5::uuid is null or exists (
                    select from tenants.seller_grant g
                     where g.provider_id = $1 and g.user_id = u.user_id and g.for_seller_id = $5))
              and ($6::uuid[] is null or exists (
                    select from tenants.seller_grant g
                     where g.provider_id = $1 and g.user_id = u.user_id and g.for_seller_id = any ($6)))
              and (not $7 or u.roles && array['seller_admin', 'seller_viewer'])
            order by u.email, u.user_id
            limit $8"#,
        tx.provider().0,
        after.0,
        filter.role.map(Role::as_str),
        filter.state.map(State::as_str),
        filter.seller.map(|seller| seller.0),
        sharing.as_deref(),
        filter.sellers_own,
        most,
        after.1
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(User::try_from).collect()
}

/// Active users with a role, one aside. Meaningful under [`super::providers::lock_own`].
pub async fn others_with_role(tx: &mut TenantTx, role: Role, aside: UserId) -> Result<i64, Failure> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from tenants.app_user
            where provider_id = $1 and state = 'active' and $2 = any (roles) and user_id <> $3"#,
        tx.provider().0,
        role.as_str(),
        aside.0
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(count)
}

/// Active administrators of a seller among its own people, one aside. Meaningful while the seller is locked.
pub async fn other_admins_of(tx: &mut TenantTx, seller: SellerId, aside: UserId) -> Result<i64, Failure> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from tenants.app_user
            where provider_id = $1 and home_id = $2 and state = 'active' and 'seller_admin' = any (roles)
              and user_id <> $3"#,
        tx.provider().0,
        seller.0,
        aside.0
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(count)
}

/// The kept hash of a user's password, if there is one.
pub async fn password_hash(tx: &mut TenantTx, user: UserId) -> Result<Option<String>, Failure> {
    let hash = sqlx::query_scalar!(
        "select password_hash from tenants.credential where provider_id = $1 and user_id = $2",
        tx.provider().0,
        user.0
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(hash)
}

/// Keeps the hash of a user's password.
pub async fn set_password(tx: &mut TenantTx, user: UserId, hash: &str, now: Timestamp) -> Result<(), Failure> {
    sqlx::query!(
        "insert into tenants.credential (provider_id, user_id, password_hash, set_at)
         values ($1, $2, $3, $4)
         on conflict on constraint credential_pk
         do update set password_hash = excluded.password_hash, set_at = excluded.set_at",
        tx.provider().0,
        user.0,
        hash,
        now.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

struct Row {
    user_id: Uuid,
    email: String,
    name: String,
    language: String,
    state: String,
    roles: Vec<String>,
    revision: i64,
    version: i64,
    created_at: jiff_sqlx::Timestamp,
    sellers: Vec<Uuid>,
}

impl TryFrom<Row> for User {
    type Error = Failure;
    fn try_from(row: Row) -> Result<User, Failure> {
        Ok(User {
            id: UserId(row.user_id),
            email: row.email,
            name: row.name,
            language: row.language,
            state: State::parse(&row.state).ok_or_else(|| unknown("user state"))?,
            roles: row
                .roles
                .iter()
                .map(|name| Role::parse(name).ok_or_else(|| unknown("role")))
                .collect::<Result<_, _>>()?,
            sellers: row.sellers.into_iter().map(SellerId).collect(),
            revision: row.revision,
            version: row.version,
            created_at: row.created_at.to_jiff(),
        })
    }
}
