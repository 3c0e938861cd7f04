//! Answers of a single writer, kept for retries. It looks for what is kept of
//! requests before it decides, and keeps its own answers in the transaction of
//! what it decided: in between nobody else decides. Everybody else claims first
//! ([`TenantTx::replayed`]), or finds out by the write ([`TenantTx::answer_group`]).

use aws_lc_rs::digest;
use jiff_sqlx::ToSqlx;
use kit::scope::{NO_SELLER, Scope};
use kit::{Caller, Fault};
use prost::Message;
use sqlx::Row;
use uuid::Uuid;

use crate::group::{Asked, Claimed};
use crate::writes::unnested;
use crate::{Failure, TenantTx};

/// A request with the method that was called.
#[derive(Clone, Debug)]
pub struct Named {
    /// The method.
    pub method: &'static str,
    /// The rest.
    pub asked: Asked,
}

impl Named {
    /// Names a caller's request.
    pub fn of<Req: Message>(
        caller: &Caller,
        scope: &Scope,
        method: &'static str,
        request_id: &str,
        request: &Req,
    ) -> Named {
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest::digest(&digest::SHA256, &request.encode_to_vec()).as_ref());
        let seller = scope.seller().unwrap_or(NO_SELLER);
        let asked = Asked { seller, subject: caller.subject(), request_id: request_id.to_owned(), fingerprint };
        Named { method, asked }
    }

    /// Whether another request has the same id, whatever it asks for.
    pub fn has_id_of(&self, other: &Named) -> bool {
        let (one, two) = (&self.asked, &other.asked);
        self.method == other.method
            && one.request_id == two.request_id
            && one.subject == two.subject
            && one.seller == two.seller
    }
}

impl TenantTx {
    /// What is kept of requests, in their order; claims nothing.
    pub async fn kept(&mut self, named: &[&Named]) -> Result<Vec<Claimed>, Failure> {
        let mut known: Vec<Claimed> = named.iter().map(|_| Claimed::Fresh).collect();
        if named.is_empty() {
            return Ok(known);
        }
        let provider = self.provider();
        let rows = sqlx::query(
            "select a.place, r.fingerprint, r.response
               from unnest($2::text[], $3::uuid[], $4::uuid[], $5::text[])
                    with ordinality as a (method, seller_id, subject, request_id, place)
               join replay r on r.provider_id = $1 and r.seller_id = a.seller_id and r.subject = a.subject
                            and r.method = a.method and r.request_id = a.request_id
              where r.response is not null",
        )
        .bind(provider.0)
        .bind(named.iter().map(|n| n.method).collect::<Vec<&str>>())
        .bind(named.iter().map(|n| n.asked.seller.0).collect::<Vec<Uuid>>())
        .bind(named.iter().map(|n| n.asked.subject).collect::<Vec<Uuid>>())
        .bind(named.iter().map(|n| n.asked.request_id.as_str()).collect::<Vec<&str>>())
        .fetch_all(self.conn())
        .await?;
        for row in &rows {
            let place = usize::try_from(row.try_get::<i64, _>(0)? - 1).unwrap_or(usize::MAX);
            let print: Vec<u8> = row.try_get(1)?;
            if let (Some(named), Some(known)) = (named.get(place), known.get_mut(place)) {
                let same = print == named.asked.fingerprint;
                *known = if same { Claimed::Answered(row.try_get(2)?) } else { Claimed::Reused };
            }
        }
        Ok(known)
    }

    /// Keeps answers with their requests, with the commit. A request that somebody has answered
    /// from what is stored in the meantime stays as it was answered.
    pub fn keep(&mut self, answers: &[(&Named, &[u8])]) {
        if answers.is_empty() {
            return;
        }
        let (provider, at) = (self.provider().0, self.now());
        let writes = self.writes();
        let (provider, at) = (writes.bind("uuid", provider), writes.bind("timestamptz", at.to_sqlx()));
        let columns = [
            writes.bind("uuid[]", answers.iter().map(|(n, _)| n.asked.seller.0).collect::<Vec<Uuid>>()),
            writes.bind("uuid[]", answers.iter().map(|(n, _)| n.asked.subject).collect::<Vec<Uuid>>()),
            writes.bind("text[]", answers.iter().map(|(n, _)| n.method).collect::<Vec<&str>>()),
            writes.bind("text[]", answers.iter().map(|(n, _)| n.asked.request_id.as_str()).collect::<Vec<&str>>()),
            writes.bind("bytea[]", answers.iter().map(|(n, _)| n.asked.fingerprint.as_slice()).collect::<Vec<&[u8]>>()),
            writes.bind("bytea[]", answers.iter().map(|(_, response)| *response).collect::<Vec<&[u8]>>()),
        ];
        writes.push(format!(
            "insert into replay (provider_id, answered_at, seller_id, subject, method, request_id, fingerprint, response)
             select {provider}, {at}, {}
             on conflict on constraint replay_pk do nothing",
            unnested(&columns)
        ));
    }

    /// Why something that a request names is not there for it: its id may be
    /// that of another request.
    pub async fn absent(&mut self, named: &Named, kind: &'static str) -> Result<Fault, Failure> {
        let known = self.kept(&[named]).await?;
        Ok(if known.contains(&Claimed::Reused) { Fault::RequestIdReused } else { Fault::NotFound(kind) })
    }
}
