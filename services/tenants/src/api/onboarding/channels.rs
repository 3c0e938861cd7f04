//! Channel accounts.

use kit::{Caller, Fault, Id};
use proto::tenants::v1 as pb;

use super::{Onboarding, Reach, explain, given, keep, open, settle, wire};
use crate::domain::onboarding::check::Problems;
use crate::domain::onboarding::seller::ChannelAccountId;
use crate::store::onboarding::channels::{self, Stored};

/// The most accounts of a seller.
const MOST: usize = 500;

impl Onboarding {
    pub(super) async fn put_channel(
        &self,
        caller: &Caller,
        request: pb::PutChannelAccountRequest,
    ) -> Result<pb::PutChannelAccountResponse, Fault> {
        let wire_account = given("channel_account", request.channel_account.clone())?;
        let id =
            ChannelAccountId::parse_optional("channel_account.channel_account_id", &wire_account.channel_account_id)?;
        let mut problems = Problems::new();
        let account = wire::read_account(wire_account).checked("channel_account", &mut problems);
        settle(problems)?;

        let mut tx = self.act(caller, &request.seller_id, &request.request_id).await?;
        if let Some(answer) = tx.replayed(caller, "PutChannelAccount", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let mut seller = open(&mut tx).await?;
        let all = channels::all(&mut tx, seller.id).await?;
        let same_place = |s: &&Stored| {
            let a = &s.account;
            (&a.channel, &a.address, &a.marketplace, &a.country)
                == (&account.channel, &account.address, &account.marketplace, &account.country)
        };
        let before = match id {
            Some(id) => Some(all.iter().find(|s| s.id == id).ok_or(Fault::NotFound("channel account"))?),
            None => all.iter().find(same_place),
        };
        if before.is_none() {
            explain::room("channel account", all.len(), MOST)?;
        }
        let id = before.map_or_else(|| self.deps.clock.new_id(), |s| s.id);
        let changed = before.is_none_or(|s| s.account != account);
        let stored = Stored { id, account };
        if changed {
            channels::put(&mut tx, &stored).await.map_err(|failure| match failure.constraint() {
                Some("channel_account_once") => {
                    Fault::Exists { kind: "channel account", reason: "CHANNEL_ACCOUNT_EXISTS" }
                }
                _ => failure.into(),
            })?;
            keep(&mut tx, &mut seller, Reach::Terms, self.deps.clock.now()).await?;
        }
        let response = pb::PutChannelAccountResponse { channel_account: Some(wire::account(&stored)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn list_channels(
        &self,
        caller: &Caller,
        request: pb::ListChannelAccountsRequest,
    ) -> Result<pb::ListChannelAccountsResponse, Fault> {
        let (mut tx, seller) = self.look(caller, &request.seller_id).await?;
        let all = channels::all(&mut tx, seller.id).await?;
        Ok(pb::ListChannelAccountsResponse { channel_accounts: all.iter().map(wire::account).collect() })
    }
}
