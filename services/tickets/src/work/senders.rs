//! Sends answers to other systems over HTTP, one attempt at a time. What is due and what becomes of it is the
//! queue's affair ([`super::mail::post`]).

use courier::{Handed, Reason, Trouble};
use kit::seal::Seal;
use kit::{Fault, ProviderId, SellerId};
use tokio::time::Instant;

use super::Desk;
use super::http::Http;
use super::mail::Resealed;
use crate::domain::ids::ChannelAccountId;
use crate::domain::outgoing::channel::{self, ANSWER_LIMIT, Answer, Kind, Sender};
use crate::store;

/// What a secret is sealed for.
pub fn place(provider: ProviderId, seller: SellerId, account: ChannelAccountId) -> String {
    format!("sender:{provider}:{seller}:{account}")
}

/// How an attempt ended, and the id by which the other side knows the answer; it may be empty.
pub struct Posted {
    pub handed: Handed,
    pub known_as: String,
}

impl From<Trouble> for Posted {
    fn from(trouble: Trouble) -> Posted {
        Posted { handed: Handed::Refused(trouble), known_as: String::new() }
    }
}

/// One attempt to send an answer. `leaving` commits that it begins to leave.
pub async fn send(
    desk: &Desk,
    sender: &Sender,
    answer: &Answer<'_>,
    secret: &[u8],
    until: Instant,
    leaving: impl Future<Output = Result<(), Fault>>,
) -> Result<Posted, Fault> {
    let post = match channel::post(sender, answer, secret, desk.deps.clock.now()) {
        Ok(post) => post,
        Err(trouble) => return Ok(trouble.into()),
    };
    let Some(url) = desk.http.allowed(&post.url) else {
        return Ok(Trouble::new(Reason::AddressRefused, "the address is not a public one").into());
    };
    let mut request = desk.http.post(url).header("content-type", "application/json").body(post.body);
    for (name, value) in post.headers {
        request = request.header(name, value);
    }
    leaving.await?;
    let within = until.saturating_duration_since(Instant::now());
    Ok(match Http::send(request, within, ANSWER_LIMIT).await {
        Ok(answer) => match channel::taken(sender.kind, answer.status, &answer.body) {
            Ok(known_as) => Posted { handed: Handed::Taken(format!("HTTP {}", answer.status)), known_as },
            Err(trouble) => trouble.into(),
        },
        Err(trouble) => {
            // Without a connection nothing has left.
            let left = !matches!(trouble.reason, Reason::Unreachable | Reason::AddressRefused | Reason::Tls);
            let handed = if left { Handed::Unknown(trouble) } else { Handed::Refused(trouble) };
            Posted { handed, known_as: String::new() }
        }
    })
}

impl Desk {
    /// Opens the secret of a sender.
    pub fn sender_secret(
        &self,
        (provider, seller): (ProviderId, SellerId),
        sender: &Sender,
        sealed: Option<&[u8]>,
    ) -> Result<Vec<u8>, Trouble> {
        let missing = || Trouble::new(Reason::Secret, "there is no secret");
        let seal = self.mail.seal().map_err(|none| Trouble::new(Reason::Secret, none))?;
        let place = place(provider, seller, sender.account);
        seal.open(&place, sealed.ok_or_else(missing)?).map_err(|broken| Trouble::new(Reason::Secret, broken))
    }
}

/// Whether a secret is as its kind needs it; its bytes.
pub fn secret(kind: Kind, given: &str) -> Option<Vec<u8>> {
    match kind {
        Kind::Standard => crate::domain::webhook::signature::unwritten(given),
        Kind::WhatsApp | Kind::Messenger | Kind::Instagram => {
            let fits = (1..=1_000).contains(&given.len()) && given.bytes().all(|byte| byte.is_ascii_graphic());
            fits.then(|| given.into())
        }
    }
}

/// Seals every secret under the current master key.
pub async fn reseal(db: &tenantdb::TenantDb, seal: &Seal) -> Result<Resealed, Fault> {
    const PAGE: i64 = 200;
    let begun = db.clock().now();
    let mut done = Resealed::default();
    loop {
        let due = db
            .due(
                "select provider_id, seller_id, channel_account_id from tickets.channel_sender_secret
                  where sealed_at < $1 order by sealed_at limit $2",
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
            if let Some(sealed) = store::senders::secret(&mut tx, account).await? {
                let anew = seal.reseal(&place(tx.provider(), tx.seller()?, account), &sealed)?;
                done.kept += 1;
                done.anew += u64::from(anew.is_some());
                store::senders::keep_secret(&mut tx, account, &anew.unwrap_or(sealed)).await?;
            }
            tx.commit().await?;
        }
    }
}
