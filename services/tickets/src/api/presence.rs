//! Who is at a ticket. Told leases live in the database, so that all replicas know of them; a stream
//! looks when somebody of its own process told something about its ticket, and regularly for the others.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{BoxStream, try_unfold};
use jiff::SignedDuration;
use kit::{Caller, Checks, Fault, Scope};
use proto::tickets::v1 as pb;
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::Status;

use super::Api;
use crate::domain::ids::TicketId;
use crate::store;
use crate::store::presence::Viewer;
use crate::work::Desk;

/// How long is remembered what somebody told.
const REMEMBERED: SignedDuration = SignedDuration::from_secs(30);
/// How often a stream looks for what other processes were told.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Looks follow one another no closer than this.
const SPACING: Duration = Duration::from_millis(200);

/// A stream's look-out.
struct Lookout {
    desk: Arc<Desk>,
    scope: Scope,
    ticket: TicketId,
    told: watch::Receiver<u64>,
    /// What was last sent.
    seen: Option<Vec<(kit::UserId, bool)>>,
    /// When it last looked.
    looked: Option<Instant>,
}

impl Api {
    pub(super) async fn touch_ticket(
        &self,
        caller: &Caller,
        request: pb::TouchTicketRequest,
    ) -> Result<pb::TouchTicketResponse, Fault> {
        let mut checks = Checks::new();
        let ticket: TicketId = checks.id("ticket_id", &request.ticket_id);
        let doing = match request.doing() {
            pb::Doing::Viewing => Some("viewing"),
            pb::Doing::Typing => Some("typing"),
            pb::Doing::Gone => None,
            pb::Doing::Unspecified => {
                checks.refuse("doing", "must be viewing, typing or gone");
                None
            }
        };
        checks.finish()?;
        let user = caller.person()?;
        let (scope, mut tx) = self.act_for(caller, &request.seller_id).await?;
        let seller = tx.seller()?;
        store::read::ticket(&mut tx, ticket).await?.ok_or(Fault::NotFound("ticket"))?;
        let until = tx.now().checked_add(REMEMBERED).unwrap_or(tx.now());
        store::presence::touch(&mut tx, ticket, user, doing.map(|doing| (doing, until))).await?;
        let others = store::presence::viewers(&mut tx, ticket).await?;
        tx.commit().await?;
        self.desk.presence.tell((scope.provider_id(), seller, ticket));
        let others = others.iter().filter(|viewer| viewer.user != user).map(shown).collect();
        Ok(pb::TouchTicketResponse { others })
    }

    pub(super) async fn watch_ticket(
        &self,
        caller: &Caller,
        request: pb::WatchTicketRequest,
    ) -> Result<BoxStream<'static, Result<pb::WatchTicketResponse, Status>>, Fault> {
        let mut checks = Checks::new();
        let ticket: TicketId = checks.id("ticket_id", &request.ticket_id);
        checks.finish()?;
        let scope = caller.act_for(&request.seller_id)?;
        let mut tx = self.desk.deps.db.begin(&scope).await?;
        store::read::ticket(&mut tx, ticket).await?.ok_or(Fault::NotFound("ticket"))?;
        let seller = tx.seller()?;
        drop(tx);
        let told = self.desk.presence.enter((scope.provider_id(), seller, ticket));
        let lookout = Lookout { desk: self.desk.clone(), scope, ticket, told, seen: None, looked: None };
        Ok(try_unfold(lookout, |mut lookout| async move {
            let viewers = lookout.next().await?;
            let viewers = viewers.iter().map(shown).collect();
            Ok::<_, Status>(Some((pb::WatchTicketResponse { viewers }, lookout)))
        })
        .boxed())
    }
}

impl Lookout {
    /// Who is at the ticket, once that is other than before. Holds nothing while it waits.
    async fn next(&mut self) -> Result<Vec<Viewer>, Fault> {
        loop {
            // However much is told meanwhile, it is read at once.
            if let Some(looked) = self.looked {
                tokio::time::sleep_until(looked + SPACING).await;
            }
            self.told.mark_unchanged();
            self.looked = Some(Instant::now());
            let mut tx = self.desk.deps.db.begin(&self.scope).await?;
            let viewers = store::presence::viewers(&mut tx, self.ticket).await?;
            drop(tx);
            let now: Vec<_> = viewers.iter().map(|viewer| (viewer.user, viewer.typing)).collect();
            if self.seen.as_ref() != Some(&now) {
                self.seen = Some(now);
                return Ok(viewers);
            }
            // One who told nothing else only moved her own moment: that is no change.
            let _ = tokio::time::timeout(LOOK_EVERY, self.told.changed()).await;
        }
    }
}

fn shown(viewer: &Viewer) -> pb::Viewer {
    let doing = if viewer.typing { pb::Doing::Typing } else { pb::Doing::Viewing };
    pb::Viewer {
        user_id: viewer.user.to_string(),
        doing: doing.into(),
        until: Some(kit::wire::timestamp(viewer.until)),
    }
}
