//! What webhooks are signed with, sealed for its place.

use kit::seal::Seal;
use kit::{Fault, ProviderId, SellerId};

use super::mail::Resealed;
use crate::domain::ids::{ChannelAccountId, Uuid};
use crate::domain::webhook::Kind;
use crate::store;

/// What a secret is sealed for.
pub fn place(provider: ProviderId, seller: SellerId, account: ChannelAccountId, kind: Kind, id: Uuid) -> String {
    format!("webhook:{provider}:{seller}:{account}:{}:{id}", kind.name())
}

/// Seals every secret under the current master key.
pub async fn reseal(db: &tenantdb::TenantDb, seal: &Seal) -> Result<Resealed, Fault> {
    const PAGE: i64 = 200;
    let begun = db.clock().now();
    let mut done = Resealed::default();
    loop {
        let due = db
            .due(
                "select distinct provider_id, seller_id, channel_account_id
                   from (select provider_id, seller_id, channel_account_id from tickets.webhook_secret
                          where sealed_at < $1 order by sealed_at limit $2) as s",
                begun,
                PAGE,
            )
            .await?;
        if due.is_empty() {
            return Ok(done);
        }
        for of in due {
            let mut tx = db.begin(&of.scope()).await?;
            let account = ChannelAccountId(of.id);
            for (kind, id, sealed) in store::webhooks::all_secrets(&mut tx, account).await? {
                let anew = seal.reseal(&place(tx.provider(), tx.seller()?, account, kind, id), &sealed)?;
                done.kept += 1;
                done.anew += u64::from(anew.is_some());
                let sealed = anew.unwrap_or(sealed);
                store::webhooks::resealed(&mut tx, id, account, &sealed).await?;
            }
            tx.commit().await?;
        }
    }
}
