//! The checklist, and the isolation probe that it looks at.

use jiff::ToSpan;
use kit::{Caller, Checks, Fault};
use proto::tenants::v1 as pb;
use tenantdb::TenantTx;

use super::{Onboarding, Reach, given, keep, open, wire};
use crate::domain::onboarding::checklist::{self, Facts, PaperFact, TemplateFact};
use crate::domain::onboarding::questionnaire::State;
use crate::domain::onboarding::seller::Seller;
use crate::store::onboarding::evidence::{self, Probe};
use crate::store::onboarding::{channels, hours, papers, people, questionnaires, templates, voices};

/// Everything the checklist looks at, as it is in the transaction.
pub(super) async fn facts(tx: &mut TenantTx, seller: &Seller) -> Result<Facts, Fault> {
    let id = seller.id;
    let contacts = people::contacts(tx, id).await?;
    let matrix = people::matrix(tx, id).await?;
    let papers = papers::all(tx, id).await?;
    let record = papers::data_protection(tx, id).await?;
    let mut approved = Vec::new();
    for key in questionnaires::keys(tx, id).await? {
        let found = questionnaires::find(tx, id, &seller.profile.languages, &key).await?;
        if found.is_some_and(|q| q.questionnaire.state() == State::Approved) {
            approved.push(key);
        }
    }
    let paper = |p: papers::Stored| PaperFact {
        sha256: p.sha256,
        kind: p.paper.kind,
        signed: p.paper.signed_date,
        valid_until: p.paper.valid_until,
    };
    Ok(Facts {
        profile: seller.profile.clone(),
        accounts: channels::all(tx, id).await?.into_iter().map(|s| s.account).collect(),
        calendars: hours::current(tx, id).await?.into_iter().map(|c| c.calendar.name).collect(),
        policy: hours::policy(tx, id, 0).await?.map(|(_, policy)| policy),
        contact_roles: contacts.into_iter().map(|c| c.roles).collect(),
        escalated: matrix.into_iter().filter(|s| s.level == 1).map(|s| s.severity).collect(),
        papers: papers.into_iter().map(paper).collect(),
        agreement: record.map(|(_, record)| record.agreement_sha256),
        templates: templates::published_keys(tx)
            .await?
            .into_iter()
            .map(|(key, product_group)| TemplateFact { key, product_group })
            .collect(),
        approved,
        agents: evidence::agents(tx, id).await?,
        rate_plan: evidence::rate_plan(tx, id).await?,
        probe: evidence::latest_probe(tx, id).await?,
        voices: voices::voices(tx, id).await?.into_iter().map(|v| (v.brand, v.language)).collect(),
    })
}

impl Onboarding {
    pub(super) async fn checklist(
        &self,
        caller: &Caller,
        request: pb::GetChecklistRequest,
    ) -> Result<pb::GetChecklistResponse, Fault> {
        let (mut tx, seller) = self.look(caller, &request.seller_id).await?;
        let now = self.deps.clock.now();
        let list = checklist::derive(&facts(&mut tx, &seller).await?, now);
        Ok(pb::GetChecklistResponse {
            items: wire::checklist(&list),
            ready: list.ready(),
            derive_time: Some(kit::wire::timestamp(now)),
        })
    }

    pub(super) async fn record_probe(
        &self,
        caller: &Caller,
        request: pb::RecordIsolationProbeRequest,
    ) -> Result<pb::RecordIsolationProbeResponse, Fault> {
        let wanted = given("probe", request.probe.clone())?;
        let now = self.deps.clock.now();
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let probe = Probe {
            at: checks.instant("probe.time", wanted.time.as_ref()),
            green: wanted.green,
            tables: i32::try_from(checks.range("probe.tables", wanted.tables.into(), 1..=100_000)).unwrap_or(1),
            rpcs: i32::try_from(checks.range("probe.rpcs", wanted.rpcs.into(), 0..=100_000)).unwrap_or(0),
            detail: checks.text("probe.detail", &wanted.detail, 0..=2000),
        };
        let latest = now.checked_add(5.minutes()).unwrap_or(now);
        checks.require(probe.at <= latest, "probe.time", "must not lie in the future");
        checks.finish()?;
        let mut tx = self.act(caller, &request.seller_id, &request.request_id).await?;
        if let Some(answer) = tx.replayed(caller, "RecordIsolationProbe", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let mut seller = open(&mut tx).await?;
        evidence::insert_probe(&mut tx, self.deps.clock.new_uuid(), &probe, caller.subject()).await?;
        keep(&mut tx, &mut seller, Reach::Kept, now).await?;
        let response = pb::RecordIsolationProbeResponse {
            probe: Some(pb::IsolationProbe {
                time: Some(kit::wire::timestamp(probe.at)),
                green: probe.green,
                tables: probe.tables,
                rpcs: probe.rpcs,
                detail: probe.detail,
            }),
        };
        tx.commit_with(&response).await?;
        Ok(response)
    }
}
