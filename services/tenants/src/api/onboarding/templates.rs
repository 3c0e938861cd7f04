//! Questionnaire templates, the provider's own.

use kit::{Caller, Fault};
use proto::tenants::v1 as pb;
use tenantdb::TenantTx;

use super::{Onboarding, given, settle, wire};
use crate::domain::onboarding::check::Problems;
use crate::store::onboarding::templates::{self, Stored};

impl Onboarding {
    /// A transaction of the provider's own rows; an optional request id is checked.
    async fn provide(&self, caller: &Caller, request_id: &str) -> Result<TenantTx, Fault> {
        if !request_id.is_empty() {
            let mut checks = kit::Checks::new();
            checks.request_id(request_id);
            checks.finish()?;
        }
        Ok(self.deps.db.begin(&caller.of_provider()).await?)
    }

    pub(super) async fn put_template_of(
        &self,
        caller: &Caller,
        request: pb::PutTemplateRequest,
    ) -> Result<pb::PutTemplateResponse, Fault> {
        let mut problems = Problems::new();
        let template = wire::read_template(given("template", request.template.clone())?, &mut problems);
        let template = template.checked("template", &mut problems);
        settle(problems)?;
        let mut tx = self.provide(caller, &request.request_id).await?;
        if let Some(answer) = tx.replayed(caller, "PutTemplate", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let before = templates::find(&mut tx, &template.key, 0).await?;
        let stored = match before {
            Some(same) if same.template == template => same,
            Some(draft) if !draft.published => Stored { template, ..draft },
            Some(published) => Stored { template, version: published.version + 1, published: false },
            None => Stored { template, version: 1, published: false },
        };
        if !stored.published {
            put(&mut tx, &stored, caller, self).await?;
        }
        let response = pb::PutTemplateResponse { template: Some(shown(&stored, true)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn publish_template_of(
        &self,
        caller: &Caller,
        request: pb::PublishTemplateRequest,
    ) -> Result<pb::PublishTemplateResponse, Fault> {
        let mut tx = self.provide(caller, &request.request_id).await?;
        if let Some(answer) = tx.replayed(caller, "PublishTemplate", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let latest = templates::find(&mut tx, &request.template_key, 0).await?.ok_or(Fault::NotFound("template"))?;
        let stored = if latest.published {
            latest
        } else {
            latest.template.complete()?;
            let stored = Stored { published: true, ..latest };
            put(&mut tx, &stored, caller, self).await?;
            stored
        };
        let response = pb::PublishTemplateResponse { template: Some(shown(&stored, true)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn template(
        &self,
        caller: &Caller,
        request: pb::GetTemplateRequest,
    ) -> Result<pb::GetTemplateResponse, Fault> {
        if request.version < 0 {
            return Err(Fault::invalid("version", "must not be negative"));
        }
        let mut tx = self.provide(caller, "").await?;
        let found = templates::find(&mut tx, &request.template_key, request.version).await?;
        let stored = found.ok_or(Fault::NotFound("template"))?;
        Ok(pb::GetTemplateResponse { template: Some(shown(&stored, true)) })
    }

    pub(super) async fn templates(
        &self,
        caller: &Caller,
        request: pb::ListTemplatesRequest,
    ) -> Result<pb::ListTemplatesResponse, Fault> {
        let page = self.deps.pager.read::<String>(
            caller,
            "ListTemplates",
            &request.product_group,
            request.page_size,
            &request.page_token,
        )?;
        let mut tx = self.provide(caller, "").await?;
        let after = page.after.as_deref().unwrap_or_default();
        let mut rows = templates::list(&mut tx, &request.product_group, after, page.size + 1).await?;
        let next_page_token = self.deps.pager.cut(&page, &mut rows, |stored| stored.template.key.clone())?;
        Ok(pb::ListTemplatesResponse { templates: rows.iter().map(|s| shown(s, false)).collect(), next_page_token })
    }
}

/// Keeps a version; one that was published in the meantime is not overwritten.
async fn put(tx: &mut TenantTx, stored: &Stored, caller: &Caller, api: &Onboarding) -> Result<(), Fault> {
    let kept = templates::put(tx, stored, caller.subject(), api.deps.clock.now()).await;
    match kept {
        Ok(true) => Ok(()),
        Ok(false) => Err(Fault::Stale),
        Err(failure) if failure.constraint() == Some("questionnaire_template_one_draft") => Err(Fault::Stale),
        Err(failure) => Err(failure.into()),
    }
}

fn shown(stored: &Stored, with_questions: bool) -> pb::Template {
    pb::Template {
        version: stored.version,
        state: if stored.published { "published" } else { "draft" }.to_owned(),
        ..wire::template(&stored.template, with_questions)
    }
}
