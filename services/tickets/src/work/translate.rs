//! Asks a provider's machine for a translation. Neither what is sent nor what comes back is ever logged.

use std::time::Duration;

use courier::chance;
use kit::ProviderId;
use tokio::time::{Instant, sleep};

use super::http::Http;
use super::mail::Resealed;
use super::{Desk, mail};
use crate::domain::translation::{self, ANSWER_LIMIT, Asked, Machine, NotTranslated, TRIES, Translated};
use crate::store;
use kit::Fault;
use kit::seal::Seal;

/// How long a translation may take, with all its tries; less than a call may take.
pub const PATIENCE: Duration = Duration::from_secs(12);
/// Less is not enough for another try.
const LEAST: Duration = Duration::from_millis(200);

/// What a machine's key is sealed for.
pub fn place(provider: ProviderId) -> String {
    format!("translation:{provider}")
}

/// Asks a machine, again while it is busy or away and there is time.
pub async fn ask(http: &Http, machine: &Machine, asked: &Asked<'_>) -> Result<Translated, NotTranslated> {
    let until = Instant::now() + PATIENCE;
    for tried in 1.. {
        let mut told = None;
        let request = translation::request(machine.engine, &machine.address, asked);
        let url = http.allowed(&request.url).ok_or(NotTranslated::Refused)?;
        let mut call = http.post(url).json(&request.body);
        if let Some(authorization) = request.authorization {
            call = call.header("authorization", authorization);
        }
        let left = until.saturating_duration_since(Instant::now());
        let outcome = match Http::send(call, left, ANSWER_LIMIT).await {
            Ok(answer) => {
                told = answer.retry_after;
                let read = translation::answer(machine.engine, answer.status, &answer.body);
                if read.is_err() {
                    tracing::info!(
                        engine = machine.engine.name(),
                        status = answer.status,
                        tried,
                        "no translation came"
                    );
                }
                read
            }
            Err(trouble) => {
                let (engine, reason) = (machine.engine.name(), trouble.reason.name());
                tracing::info!(engine, reason, tried, "a translation machine was not reached");
                Err(NotTranslated::Away)
            }
        };
        if outcome != Err(NotTranslated::Away) || TRIES <= tried {
            return outcome;
        }
        let pause = translation::pause(tried, told, chance().unwrap_or(1.0));
        if until < Instant::now() + pause + LEAST {
            return outcome;
        }
        sleep(pause).await;
    }
    Err(NotTranslated::Away)
}

impl Desk {
    /// Opens the key of a machine; empty for none.
    pub fn machine_key(&self, provider: ProviderId, sealed: Option<&[u8]>) -> Result<String, Fault> {
        let opened = sealed.map(|sealed| self.mail.open(&place(provider), sealed)).transpose()?;
        Ok(opened.unwrap_or_default())
    }
}

/// Seals every key under the current master key.
pub async fn reseal(db: &tenantdb::TenantDb, seal: &Seal) -> Result<Resealed, Fault> {
    const PAGE: i64 = 200;
    let begun = db.clock().now();
    let mut done = mail::Resealed::default();
    loop {
        let due = db
            .due(
                "select provider_id, null::uuid, provider_id from tickets.translation_engine
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
            if let Some((_, Some(sealed))) = store::translations::machine(&mut tx).await? {
                let anew = seal.reseal(&place(tx.provider()), &sealed)?;
                done.kept += 1;
                done.anew += u64::from(anew.is_some());
                store::translations::resealed(&mut tx, &anew.unwrap_or(sealed)).await?;
            }
            tx.commit().await?;
        }
    }
}
