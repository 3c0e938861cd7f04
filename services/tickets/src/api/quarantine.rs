//! Mails, and messages of webhooks, that could not be taken in: lists, shows, replays and discards them.

use futures_util::stream::BoxStream;
use kit::{Caller, Checks, Explain, Fault};
use prost::bytes::Bytes;
use proto::tickets::v1 as pb;
use tonic::{Code, Status};

use super::intake::Call;
use super::mails::Taken;
use super::reads::{Key, place};
use super::{Api, fields, sees_all, streams, wire};
use crate::domain::ids::{ChannelAccountId, MessageId, QuarantineId};
use crate::domain::intake::mail::Care;
use crate::domain::intake::quarantine::{Content, Entry, Lot, NotDecided};
use crate::store;
use crate::store::rows::OfSeller;

impl Explain for NotDecided {
    fn code(&self) -> Code {
        Code::FailedPrecondition
    }

    fn reason(&self) -> &'static str {
        match self {
            NotDecided::Still(_) => "STILL_QUARANTINED",
            NotDecided::Decided(_) => "ALREADY_DECIDED",
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            NotDecided::Still(why) => vec![("why", (*why).into())],
            NotDecided::Decided(lot) => vec![("state", lot.name().into())],
        }
    }
}

impl Api {
    pub(super) async fn list_quarantined_mails(
        &self,
        caller: &Caller,
        request: pb::ListQuarantinedMailsRequest,
    ) -> Result<pb::ListQuarantinedMailsResponse, Fault> {
        let lot = match pb::QuarantineState::try_from(request.state) {
            Ok(state) => Lot::ALL.into_iter().find(|lot| wire::lot(*lot) == state),
            Err(_) => return Err(Fault::invalid("state", "must be a known state")),
        };
        let shape = (&request.seller_id, request.state);
        let pager = &self.desk.deps.pager;
        let page = pager.read::<Key>(caller, "ListQuarantinedMails", &shape, request.page_size, &request.page_token)?;
        let after = page.after.map(place).transpose()?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let mut found = store::quarantine::list(&mut tx, lot, after, page.size + 1).await?;
        let next_page_token =
            pager.cut(&page, &mut found, |of| -> Key { (of.value.received_at.as_microsecond(), of.value.id.0) })?;
        let mails = found.iter().map(|of| wire::quarantined(of.seller, &of.value)).collect();
        Ok(pb::ListQuarantinedMailsResponse { mails, next_page_token })
    }

    pub(super) async fn download_quarantined_mail(
        &self,
        caller: &Caller,
        request: pb::DownloadQuarantinedMailRequest,
    ) -> Result<BoxStream<'static, Result<pb::DownloadQuarantinedMailResponse, Status>>, Fault> {
        let mut checks = Checks::new();
        let id: QuarantineId = checks.id("quarantine_id", &request.quarantine_id);
        checks.finish()?;
        let scope = caller.view(&request.seller_id)?;
        let mut tx = self.desk.deps.db.begin(&scope).await?;
        store::quarantine::entry(&mut tx, id).await?.ok_or(Fault::NotFound("quarantined mail"))?;
        drop(tx);
        let db = self.desk.deps.db.clone();
        Ok(streams::pieces(
            move |position| {
                let (db, scope) = (db.clone(), scope.clone());
                async move {
                    let mut tx = db.begin(&scope).await?;
                    Ok(store::quarantine::piece(&mut tx, id, position).await?)
                }
            },
            |data| pb::DownloadQuarantinedMailResponse { data: data.into() },
        ))
    }

    pub(super) async fn replay_quarantined_mail(
        &self,
        caller: &Caller,
        request: pb::ReplayQuarantinedMailRequest,
    ) -> Result<pb::ReplayQuarantinedMailResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        let id: QuarantineId = checks.id("quarantine_id", &request.quarantine_id);
        let named: Option<ChannelAccountId> =
            fields::optional_id(&mut checks, "channel_account_id", &request.channel_account_id);
        checks.finish()?;
        let scope = caller.act_for(&request.seller_id)?;
        let mut tx = self.desk.deps.db.begin(&scope).await?;
        let found = store::quarantine::entry(&mut tx, id).await?.ok_or(Fault::NotFound("quarantined mail"))?;
        match (found.value.lot, found.value.message) {
            (Lot::Replayed, Some(message)) => return self.replayed(caller, &mut tx, found, message).await,
            (Lot::Waiting, _) => {}
            (lot, _) => return Err(NotDecided::Decided(lot).into()),
        }
        let mut raw = Vec::with_capacity(usize::try_from(found.value.size).unwrap_or_default());
        for position in 0.. {
            match store::quarantine::piece(&mut tx, id, position).await? {
                Some(piece) => raw.extend_from_slice(&piece),
                None => break,
            }
        }
        drop(tx);

        let raw = Bytes::from(raw);
        // The message's own id and the account make a second replay find the first one's message.
        let taken = match found.value.content {
            Content::Webhook(format) => self.replay_delivery(caller, &scope, &found.value, format, named, &raw).await?,
            Content::Mail => {
                let care = if request.without_files { Care::WithoutFiles } else { Care::Full };
                let call = Call { caller, method: "ReplayQuarantinedMail", request_id: "", request: &request };
                match self.take_mail(&call, &scope, &raw, named.or(found.value.account), care).await? {
                    Taken::In(taken) => *taken,
                    Taken::Aside(why) => return Err(NotDecided::Still(why.name()).into()),
                }
            }
        };
        let message = taken.message.as_ref().and_then(|message| kit::ids::decode("message", &message.id));
        let message = MessageId(message.ok_or_else(|| Fault::internal("a stored message has no id"))?);
        let mut tx = self.desk.deps.db.begin(&scope).await?;
        let (at, by) = (tx.now(), caller.user());
        if let Some(entry) = store::quarantine::locked(&mut tx, id).await?
            && entry.lot != Lot::Replayed
        {
            store::quarantine::decide(&mut tx, id, Lot::Replayed, at, by, Some(message)).await?;
        }
        let entry = store::quarantine::entry(&mut tx, id).await?;
        tx.commit().await?;
        Ok(pb::ReplayQuarantinedMailResponse {
            mail: entry.map(|of| wire::quarantined(of.seller, &of.value)),
            message: taken.message,
            ticket: taken.ticket,
            duplicate: taken.duplicate,
        })
    }

    async fn replayed(
        &self,
        caller: &Caller,
        tx: &mut tenantdb::TenantTx,
        entry: OfSeller<Entry>,
        message: MessageId,
    ) -> Result<pb::ReplayQuarantinedMailResponse, Fault> {
        let all = sees_all(caller);
        let message = store::read::message(tx, message).await?.ok_or(Fault::NotFound("message"))?;
        let ticket = store::read::ticket(tx, message.value.ticket).await?;
        Ok(pb::ReplayQuarantinedMailResponse {
            mail: Some(wire::quarantined(entry.seller, &entry.value)),
            message: Some(wire::message(message.seller, &message.value, all)),
            ticket: ticket.map(|of| wire::ticket(of.seller, &of.value, all)),
            duplicate: true,
        })
    }

    pub(super) async fn discard_quarantined_mail(
        &self,
        caller: &Caller,
        request: pb::DiscardQuarantinedMailRequest,
    ) -> Result<pb::DiscardQuarantinedMailResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        let id: QuarantineId = checks.id("quarantine_id", &request.quarantine_id);
        checks.finish()?;
        let scope = caller.act_for(&request.seller_id)?;
        let mut tx = self.desk.deps.db.begin(&scope).await?;
        let entry = store::quarantine::locked(&mut tx, id).await?.ok_or(Fault::NotFound("quarantined mail"))?;
        let (at, by) = (tx.now(), caller.user());
        match entry.lot {
            Lot::Waiting => store::quarantine::decide(&mut tx, id, Lot::Discarded, at, by, None).await?,
            Lot::Discarded => {}
            Lot::Replayed => return Err(NotDecided::Decided(entry.lot).into()),
        }
        let entry = store::quarantine::entry(&mut tx, id).await?;
        tx.commit().await?;
        Ok(pb::DiscardQuarantinedMailResponse { mail: entry.map(|of| wire::quarantined(of.seller, &of.value)) })
    }
}
