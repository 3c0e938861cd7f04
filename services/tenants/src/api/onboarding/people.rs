//! Contact persons and the escalation matrix.

use kit::{Caller, Fault};
use proto::tenants::v1 as pb;

use super::{Onboarding, Reach, explain, given, keep, open, settle, wire};
use crate::domain::onboarding::check::Problems;
use crate::domain::onboarding::people as rules;
use crate::store::onboarding::people;

/// The most contacts of a seller.
const MOST: usize = 100;

impl Onboarding {
    pub(super) async fn put_contact_of(
        &self,
        caller: &Caller,
        request: pb::PutContactRequest,
    ) -> Result<pb::PutContactResponse, Fault> {
        let mut problems = Problems::new();
        let contact = wire::read_contact(given("contact", request.contact.clone())?).checked("contact", &mut problems);
        settle(problems)?;
        let mut tx = self.act(caller, &request.seller_id, &request.request_id).await?;
        if let Some(answer) = tx.replayed(caller, "PutContact", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let mut seller = open(&mut tx).await?;
        let all = people::contacts(&mut tx, seller.id).await?;
        let before = all.iter().find(|c| c.key == contact.key);
        if before.is_none() {
            explain::room("contact", all.len(), MOST)?;
        }
        if before != Some(&contact) {
            people::put_contact(&mut tx, &contact).await?;
            keep(&mut tx, &mut seller, Reach::Kept, self.deps.clock.now()).await?;
        }
        let response = pb::PutContactResponse { contact: Some(wire::contact(&contact)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn list_contacts_of(
        &self,
        caller: &Caller,
        request: pb::ListContactsRequest,
    ) -> Result<pb::ListContactsResponse, Fault> {
        let (mut tx, seller) = self.look(caller, &request.seller_id).await?;
        let all = people::contacts(&mut tx, seller.id).await?;
        Ok(pb::ListContactsResponse { contacts: all.iter().map(wire::contact).collect() })
    }

    pub(super) async fn delete_contact_of(
        &self,
        caller: &Caller,
        request: pb::DeleteContactRequest,
    ) -> Result<pb::DeleteContactResponse, Fault> {
        let mut tx = self.act(caller, &request.seller_id, &request.request_id).await?;
        if let Some(answer) = tx.replayed(caller, "DeleteContact", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let mut seller = open(&mut tx).await?;
        let there =
            people::delete_contact(&mut tx, &request.key).await.map_err(|failure| match failure.constraint() {
                Some("escalation_step_contact") => explain::InUse::Contact.into(),
                _ => Fault::from(failure),
            })?;
        if !there {
            return Err(Fault::NotFound("contact"));
        }
        keep(&mut tx, &mut seller, Reach::Kept, self.deps.clock.now()).await?;
        let response = pb::DeleteContactResponse {};
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn put_matrix(
        &self,
        caller: &Caller,
        request: pb::PutEscalationMatrixRequest,
    ) -> Result<pb::PutEscalationMatrixResponse, Fault> {
        let mut tx = self.act(caller, &request.seller_id, &request.request_id).await?;
        if let Some(answer) = tx.replayed(caller, "PutEscalationMatrix", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let mut seller = open(&mut tx).await?;
        let contacts = people::contacts(&mut tx, seller.id).await?;
        let mut problems = Problems::new();
        let steps = request.steps.iter().cloned().map(wire::read_step).collect();
        let steps = rules::checked_matrix(steps, &contacts, "steps", &mut problems);
        settle(problems)?;
        if people::matrix(&mut tx, seller.id).await? != steps {
            people::put_matrix(&mut tx, &steps).await?;
            keep(&mut tx, &mut seller, Reach::Kept, self.deps.clock.now()).await?;
        }
        let response = pb::PutEscalationMatrixResponse { steps: steps.iter().map(wire::step).collect() };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn matrix(
        &self,
        caller: &Caller,
        request: pb::GetEscalationMatrixRequest,
    ) -> Result<pb::GetEscalationMatrixResponse, Fault> {
        let (mut tx, seller) = self.look(caller, &request.seller_id).await?;
        let steps = people::matrix(&mut tx, seller.id).await?;
        Ok(pb::GetEscalationMatrixResponse { steps: steps.iter().map(wire::step).collect() })
    }
}
