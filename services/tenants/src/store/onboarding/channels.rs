//! Channel accounts.

use tenantdb::{Failure, TenantTx};
use uuid::Uuid;

use crate::domain::onboarding::channel::ChannelAccount;
use crate::domain::onboarding::seller::ChannelAccountId;

/// A channel account with its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub id: ChannelAccountId,
    pub account: ChannelAccount,
}

struct Row {
    channel_account_id: Uuid,
    channel: String,
    address: String,
    marketplace: String,
    country: String,
    store_id: String,
    active: bool,
}

/// All accounts of a seller, by channel and address.
pub async fn all(tx: &mut TenantTx, seller: kit::SellerId) -> Result<Vec<Stored>, Failure> {
    let rows = sqlx::query_as!(
        Row,
        "select channel_account_id, channel, address, marketplace, country, store_id, active
           from tenants.channel_account where provider_id = $1 and seller_id = $2
          order by channel, address, marketplace, country",
        tx.provider().0,
        seller.0
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(Stored::from).collect())
}

/// Keeps an account under its id. The place of another one violates `channel_account_once`.
pub async fn put(tx: &mut TenantTx, stored: &Stored) -> Result<(), Failure> {
    let seller = tx.seller()?;
    let account = &stored.account;
    sqlx::query!(
        "insert into tenants.channel_account
                (provider_id, seller_id, channel_account_id, channel, address, marketplace, country, store_id, active)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict on constraint channel_account_pk do update
            set channel = excluded.channel, address = excluded.address, marketplace = excluded.marketplace,
                country = excluded.country, store_id = excluded.store_id, active = excluded.active",
        tx.provider().0,
        seller.0,
        stored.id.0,
        account.channel,
        account.address,
        account.marketplace,
        account.country,
        account.store_id,
        account.active
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

impl From<Row> for Stored {
    fn from(row: Row) -> Stored {
        Stored {
            id: ChannelAccountId(row.channel_account_id),
            account: ChannelAccount {
                channel: row.channel,
                address: row.address,
                marketplace: row.marketplace,
                country: row.country,
                store_id: row.store_id,
                active: row.active,
            },
        }
    }
}
