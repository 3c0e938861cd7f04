//! The first start: the platform's first operator, who founds the providers.

use kit::{Fault, Scope, UserId};
use tenantdb::TenantDb;

use crate::credentials::{Passwords, passwords};
use crate::domain::identity::ids::PLATFORM;
use crate::domain::identity::user::{State, User};
use crate::domain::identity::{Role, contact, password};
use crate::store::identity::{providers, users};

/// Makes the platform's first operator, active and with a password, unless the
/// platform has one already. Says whether it did.
pub async fn ensure_operator(db: &TenantDb, email: &str, password: &str) -> Result<bool, Fault> {
    const NAME: &str = "Operator";
    let email = contact::email(email).ok_or_else(|| Fault::invalid("email", "must be an e-mail address"))?;
    password::check(password, &email, NAME).map_err(|why| Fault::invalid("password", why.to_string()))?;
    let now = db.clock().now();
    let mut tx = db.begin(&Scope::provider(PLATFORM)).await?;
    providers::lock_own(&mut tx).await?;
    if users::any(&mut tx).await? {
        return Ok(false);
    }
    let passwords = Passwords::new(passwords::COST)?;
    let hash = passwords.hash(&passwords.turn().await?, password.to_owned()).await?;
    let operator = User {
        id: db.clock().new_id::<UserId>(),
        email,
        name: NAME.to_owned(),
        language: "en".to_owned(),
        state: State::Active,
        roles: [Role::PlatformOperator].into_iter().collect(),
        sellers: Vec::new(),
        revision: 1,
        version: 1,
        created_at: now,
    };
    users::insert(&mut tx, &operator).await?;
    users::set_password(&mut tx, operator.id, &hash, now).await?;
    tx.commit().await?;
    Ok(true)
}
