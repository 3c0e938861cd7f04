//! The guard at the door, on every answer that a person of the provider sends.
//!
//! A seller's own people are not guarded: they know of no other seller, and the guard must not tell them
//! whom else the provider serves.

use aws_lc_rs::digest;
use kit::fault::Explain;
use kit::{Caller, Checks, Fault};
use proto::tickets::v1 as pb;
use tenantdb::TenantTx;
use tonic::Code;

use super::opened::{asked, now};
use super::{Api, fields};
use crate::domain::guard::{self, Finding, Kind, order_mark};
use crate::domain::ids::TicketId;
use crate::domain::ticket;
use crate::store;

/// Why an answer does not leave. What was found are the sender's own words.
#[derive(Debug, thiserror::Error)]
#[error("the answer names another seller; a supervisor can let it leave with a reason")]
pub struct Stopped {
    findings: Vec<Finding>,
}

impl Explain for Stopped {
    fn code(&self) -> Code {
        Code::FailedPrecondition
    }

    fn reason(&self) -> &'static str {
        "NAMES_ANOTHER_SELLER"
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        let places = self.findings.iter().map(|f| format!("{}:{}-{}", f.kind.name(), f.start, f.end));
        vec![("findings", places.collect::<Vec<_>>().join(","))]
    }
}

/// There is nothing to let leave.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the guard has nothing against this text")]
pub struct NothingStopped;

impl Explain for NothingStopped {
    fn code(&self) -> Code {
        Code::FailedPrecondition
    }

    fn reason(&self) -> &'static str {
        "NOTHING_TO_OVERRIDE"
    }
}

impl Api {
    /// Refuses a text that names another seller, unless a supervisor lets it leave.
    pub(super) async fn guarded(
        &self,
        tx: &mut TenantTx,
        caller: &Caller,
        ticket: TicketId,
        text: &str,
    ) -> Result<(), Fault> {
        if caller.is_seller_side() {
            return Ok(());
        }
        let findings = found(tx, ticket, text).await?;
        if findings.is_empty() || store::guard::overridden(tx, ticket, &sha256(text)).await? {
            return Ok(());
        }
        Err(Stopped { findings }.into())
    }

    pub(super) async fn check_reply(
        &self,
        caller: &Caller,
        request: pb::CheckReplyRequest,
    ) -> Result<pb::CheckReplyResponse, Fault> {
        let mut checks = Checks::new();
        let id: TicketId = checks.id("ticket_id", &request.ticket_id);
        let text = fields::text(&mut checks, "text".into(), &request.text, false);
        checks.finish()?;
        let mut tx = self.look_at(caller, &request.seller_id).await?;
        store::read::ticket(&mut tx, id).await?.ok_or(Fault::NotFound("ticket"))?;
        let findings = found(&mut tx, id, &text).await?;
        let overridden = !findings.is_empty() && store::guard::overridden(&mut tx, id, &sha256(&text)).await?;
        let letters: Vec<char> = text.chars().collect();
        let place = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
        let findings = findings
            .into_iter()
            .map(|finding| pb::GuardFinding {
                kind: finding.kind.name().into(),
                text: letters.get(finding.start..finding.end).unwrap_or_default().iter().collect(),
                start: place(finding.start),
                end: place(finding.end),
            })
            .collect();
        Ok(pb::CheckReplyResponse { findings, overridden })
    }

    pub(super) async fn override_guard(
        &self,
        caller: &Caller,
        request: pb::OverrideGuardRequest,
    ) -> Result<pb::OverrideGuardResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let text = fields::text(&mut checks, "text".into(), &request.text, true);
        let reason = checks.line("reason", &request.reason, 1..=300);
        let person = caller.person()?;
        let mut open = now!(self.open(checks, asked!(caller, "OverrideGuard", request, "")).await?);
        let ticket = open.case.dossier.ticket.id;
        if found(&mut open.tx, ticket, &text).await?.is_empty() {
            return Err(NothingStopped.into());
        }
        store::guard::let_leave(&mut open.tx, ticket, &sha256(&text), person, &reason).await?;
        open.case.dossier.mark(open.act, ticket::Kind::GuardOverridden, false, &reason)?;
        let ticket = self.write(caller, &mut open).await?;
        let response = pb::OverrideGuardResponse { ticket: Some(ticket) };
        open.tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn put_order_patterns(
        &self,
        caller: &Caller,
        request: pb::PutOrderPatternsRequest,
    ) -> Result<pb::PutOrderPatternsResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        checks.count("patterns", request.patterns.len(), 0..=20);
        let mut marks = std::collections::BTreeSet::new();
        for (index, pattern) in request.patterns.iter().enumerate().take(20) {
            match order_mark(pattern) {
                Some(mark) => {
                    marks.insert(mark);
                }
                None => checks.refuse(
                    format!("patterns[{index}]"),
                    "must have 4 to 40 characters: first those that stand for themselves, at least two letters among them, then # for digits and @ for letters",
                ),
            }
        }
        checks.finish()?;
        let (_, mut tx) = self.act_for(caller, &request.seller_id).await?;
        if let Some(answer) = tx.replayed(caller, "PutOrderPatterns", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let seller = tx.seller()?;
        let mut patterns = request.patterns.clone();
        patterns.sort();
        patterns.dedup();
        store::guard::keep_patterns(&mut tx, &patterns).await?;
        store::guard::replace(&mut tx, seller, &[Kind::OrderId], &marks).await?;
        let response = pb::PutOrderPatternsResponse { patterns };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn get_order_patterns(
        &self,
        caller: &Caller,
        request: pb::GetOrderPatternsRequest,
    ) -> Result<pb::GetOrderPatternsResponse, Fault> {
        let mut tx = self.look_at(caller, &request.seller_id).await?;
        let seller = tx.seller()?;
        Ok(pb::GetOrderPatternsResponse { patterns: store::guard::patterns(&mut tx, seller).await? })
    }
}

async fn found(tx: &mut TenantTx, ticket: TicketId, text: &str) -> Result<Vec<Finding>, Fault> {
    let seller = tx.seller()?;
    let grams = guard::grams(text);
    let hits = store::guard::hits(tx, seller, &grams).await?;
    if hits.iter().all(|(_, own)| *own) {
        return Ok(Vec::new());
    }
    let said = store::guard::said(tx, ticket).await?;
    Ok(guard::judge(&hits, &said))
}

fn sha256(text: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, text.as_bytes()).as_ref().to_vec()
}
