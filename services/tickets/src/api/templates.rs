//! Reply templates and macros.

use std::collections::BTreeMap;

use kit::{Caller, Checks, Fault};
use proto::tickets::v1 as pb;
use tenantdb::TenantTx;
use uuid::Uuid;

use super::actions::{self, By, is_template_key, refused};
use super::opened::{asked, now};
use super::{Api, fields, sees_all, wire};
use crate::domain::case::Hands;
use crate::domain::dossier::Ticket;
use crate::domain::ids::{MessageId, TemplateId, TicketId};
use crate::domain::intake::Direction;
use crate::domain::ours;
use crate::domain::settings::Settings;
use crate::domain::template::{self, TEXT_CHARS, Unresolved};
use crate::store;
use crate::store::rows::OfSeller;
use crate::store::templates::Template;
use crate::work::values::{Voices, language_of, near};

/// Templates suggested.
const SUGGESTED: i64 = 20;

/// A retired template is not used.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the template is retired")]
pub struct Retired;

impl Api {
    pub(super) async fn put_template(
        &self,
        caller: &Caller,
        request: pb::PutTemplateRequest,
    ) -> Result<pb::PutTemplateResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        checks.require(is_template_key(&request.key), "key", "must have 1 to 64 of a-z, 0-9, - and _");
        let language = checks.language("language", &request.language);
        let title = checks.line("title", &request.title, 1..=200);
        let body = checks.text("text", &request.text, 1..=TEXT_CHARS);
        if let Err(bad) = template::check(&body) {
            checks.refuse("text", bad.to_string());
        }
        checks.count("actions", request.actions.len(), 0..=10);
        let actions = actions::read(&mut checks, "actions", &request.actions, By::People);
        checks.finish()?;
        kit::wire::version(&request.etag)?;
        let (_, mut tx) = self.act_for(caller, &request.seller_id).await?;
        if let Some(answer) = tx.replayed(caller, "PutTemplate", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let before = store::templates::keyed(&mut tx, &request.key, &language).await?;
        fields::matches(&request.etag, before.as_ref().map_or(0, |before| before.revision))?;
        let template = Template {
            id: before.as_ref().map_or_else(|| self.desk.deps.clock.new_id(), |before| before.id),
            key: request.key.clone(),
            language,
            title,
            body,
            actions,
            version: before.as_ref().map_or(1, |before| before.version + 1),
            active: true,
            usage: before.as_ref().map_or(0, |before| before.usage),
            last_used_at: before.as_ref().and_then(|before| before.last_used_at),
            updated_at: tx.now(),
            updated_by: caller.user(),
            revision: before.as_ref().map_or(1, |before| before.revision + 1),
        };
        store::templates::keep(&mut tx, &template, true).await?;
        let of = OfSeller { seller: tx.seller()?, value: template };
        let response = pb::PutTemplateResponse { template: Some(shown(&of, caller)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn retire_template(
        &self,
        caller: &Caller,
        request: pb::RetireTemplateRequest,
    ) -> Result<pb::RetireTemplateResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        let id: TemplateId = checks.id("template_id", &request.template_id);
        checks.finish()?;
        kit::wire::version(&request.etag)?;
        let (_, mut tx) = self.act_for(caller, &request.seller_id).await?;
        if let Some(answer) = tx.replayed(caller, "RetireTemplate", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let mut of = self.template(&mut tx, id).await?;
        // Held against another change of the same one.
        if let Some(held) = store::templates::keyed(&mut tx, &of.value.key, &of.value.language).await? {
            of.value = held;
        }
        fields::matches(&request.etag, of.value.revision)?;
        if of.value.active {
            of.value.active = false;
            of.value.revision += 1;
            store::templates::keep(&mut tx, &of.value, false).await?;
        }
        let response = pb::RetireTemplateResponse { template: Some(shown(&of, caller)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    pub(super) async fn get_template(
        &self,
        caller: &Caller,
        request: pb::GetTemplateRequest,
    ) -> Result<pb::GetTemplateResponse, Fault> {
        let mut checks = Checks::new();
        let id: TemplateId = checks.id("template_id", &request.template_id);
        checks.finish()?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let of = self.template(&mut tx, id).await?;
        Ok(pb::GetTemplateResponse { template: Some(shown(&of, caller)) })
    }

    pub(super) async fn list_templates(
        &self,
        caller: &Caller,
        request: pb::ListTemplatesRequest,
    ) -> Result<pb::ListTemplatesResponse, Fault> {
        let shape = (&request.seller_id, &request.language, request.include_retired);
        let pager = &self.desk.deps.pager;
        let page = pager.read::<Uuid>(caller, "ListTemplates", &shape, request.page_size, &request.page_token)?;
        let mut tx = self.look_at(caller, &request.seller_id).await?;
        let seller = tx.seller()?.0;
        let mut found = store::templates::list(
            &mut tx,
            seller,
            &request.language,
            request.include_retired,
            page.after,
            page.size + 1,
        )
        .await?;
        let next_page_token = pager.cut(&page, &mut found, |of| of.value.id.0)?;
        let templates = found.iter().map(|of| shown(of, caller)).collect();
        Ok(pb::ListTemplatesResponse { templates, next_page_token })
    }

    pub(super) async fn list_template_versions(
        &self,
        caller: &Caller,
        request: pb::ListTemplateVersionsRequest,
    ) -> Result<pb::ListTemplateVersionsResponse, Fault> {
        let mut checks = Checks::new();
        let id: TemplateId = checks.id("template_id", &request.template_id);
        checks.finish()?;
        let shape = (&request.seller_id, &request.template_id);
        let pager = &self.desk.deps.pager;
        let page = pager.read::<i64>(caller, "ListTemplateVersions", &shape, request.page_size, &request.page_token)?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        self.template(&mut tx, id).await?;
        let mut found = store::templates::versions(&mut tx, id, page.after, page.size + 1).await?;
        let next_page_token = pager.cut(&page, &mut found, |version| version.version)?;
        let versions = found
            .into_iter()
            .map(|version| pb::TemplateVersion {
                version: version.version,
                title: version.title,
                text: version.body,
                actions: version.actions.iter().map(actions::shown).collect(),
                made_at: Some(kit::wire::timestamp(version.made_at)),
            })
            .collect();
        Ok(pb::ListTemplateVersionsResponse { versions, next_page_token })
    }

    pub(super) async fn render_template(
        &self,
        caller: &Caller,
        request: pb::RenderTemplateRequest,
    ) -> Result<pb::RenderTemplateResponse, Fault> {
        let mut checks = Checks::new();
        let ticket: TicketId = checks.id("ticket_id", &request.ticket_id);
        let id: TemplateId = checks.id("template_id", &request.template_id);
        checks.finish()?;
        let scope = caller.act_for(&request.seller_id)?;
        let settings = self.desk.settings(Some(caller), &scope).await?;
        let voices = self.desk.voices(&scope, Some(caller)).await;
        let mut tx = self.desk.deps.db.begin(&scope).await?;
        let ticket = store::read::ticket(&mut tx, ticket).await?.ok_or(Fault::NotFound("ticket"))?;
        let template = self.template(&mut tx, id).await?.value;
        let text = self.rendered(&mut tx, caller, &voices, &ticket.value, &settings, &template).await?;
        Ok(pb::RenderTemplateResponse { text, version: template.version, language: template.language })
    }

    pub(super) async fn suggest_templates(
        &self,
        caller: &Caller,
        request: pb::SuggestTemplatesRequest,
    ) -> Result<pb::SuggestTemplatesResponse, Fault> {
        let mut checks = Checks::new();
        let ticket: TicketId = checks.id("ticket_id", &request.ticket_id);
        checks.finish()?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        let ticket = store::read::ticket(&mut tx, ticket).await?.ok_or(Fault::NotFound("ticket"))?;
        drop(tx);
        let scope = caller.act_for(&ticket.seller.to_string())?;
        let settings = self.desk.settings(Some(caller), &scope).await?;
        let mut tx = self.desk.deps.db.begin(&scope).await?;
        let seller = ticket.seller.0;
        let wanted = near(&language_of(&ticket.value, &settings));
        let mut found = store::templates::most_used(&mut tx, seller, &wanted, SUGGESTED).await?;
        if found.is_empty() {
            let usual: Vec<String> = settings.languages.iter().take(1).cloned().collect();
            found = store::templates::most_used(&mut tx, seller, &usual, SUGGESTED).await?;
        }
        Ok(pb::SuggestTemplatesResponse { templates: found.iter().map(|of| shown(of, caller)).collect() })
    }

    pub(super) async fn apply_macro(
        &self,
        caller: &Caller,
        request: pb::ApplyMacroRequest,
    ) -> Result<pb::ApplyMacroResponse, Fault> {
        let mut checks = Checks::new();
        checks.request_id(&request.request_id);
        let id: TemplateId = checks.id("template_id", &request.template_id);
        let edited = fields::text(&mut checks, "text".into(), &request.text, false);
        let voices = match edited.trim().is_empty() {
            true => self.desk.voices(&caller.act_for(&request.seller_id)?, Some(caller)).await,
            false => Ok(Vec::new()),
        };
        let mut open = now!(self.open(checks, asked!(caller, "ApplyMacro", request)).await?);
        let template = self.template(&mut open.tx, id).await?.value;
        if !template.active {
            return Err(Retired.into());
        }
        let text = match edited.trim().is_empty() {
            true => {
                let ticket = &open.case.dossier.ticket;
                self.rendered(&mut open.tx, caller, &voices, ticket, &open.settings, &template).await?
            }
            false => edited,
        };
        self.guarded(&mut open.tx, caller, open.case.dossier.ticket.id, &text).await?;
        let clock = &self.desk.deps.clock;
        let message = MessageId(clock.new_uuid());
        let answer = ours::message(&open.case.dossier, open.act, &open.settings, message, Direction::Outbound, text);
        open.case.dossier.answered(answer, false, false)?;
        let seller = open.tx.seller()?;
        let definitions = store::extras::definitions(&mut open.tx, seller.0).await?;
        let mut hands = Hands {
            act: open.act,
            automatic: false,
            settings: &open.settings,
            definitions: &definitions,
            replies: &BTreeMap::new(),
            new_uuid: &mut || clock.new_uuid(),
        };
        for action in &template.actions {
            open.case.apply(&mut hands, action).map_err(refused)?;
        }
        store::templates::used(&mut open.tx, id).await?;
        if let Some(user) = caller.user() {
            store::writing::drop_draft(&mut open.tx, open.case.dossier.ticket.id, user).await?;
        }
        let ticket = self.write(caller, &mut open).await?;
        let extras = super::workflow::whole(&mut open).await?;
        let answer = open.case.dossier.new_messages.iter().find(|new| new.id == message);
        let response = pb::ApplyMacroResponse {
            message: answer.map(|message| wire::message(seller, message, sees_all(caller))),
            ticket: Some(ticket),
            extras: Some(extras),
        };
        open.tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn template(&self, tx: &mut TenantTx, id: TemplateId) -> Result<OfSeller<Template>, Fault> {
        store::templates::find(tx, id).await?.ok_or(Fault::NotFound("template"))
    }

    async fn rendered(
        &self,
        tx: &mut TenantTx,
        caller: &Caller,
        voices: &Voices,
        ticket: &Ticket,
        settings: &Settings,
        template: &Template,
    ) -> Result<String, Fault> {
        let broken = |bad: template::Bad| Fault::internal(format!("a stored template: {bad}"));
        let wanted = template::check(&template.body).map_err(broken)?;
        let values = self.desk.values(tx, Some(caller), voices, ticket, settings, &wanted).await?;
        let text = template::render(&template.body, &values).map_err(broken)?;
        text.map_err(|unresolved: Unresolved| unresolved.into())
    }
}

fn shown(of: &OfSeller<Template>, caller: &Caller) -> pb::Template {
    let template = &of.value;
    pb::Template {
        id: template.id.to_string(),
        seller_id: of.seller.to_string(),
        key: template.key.clone(),
        language: template.language.clone(),
        title: template.title.clone(),
        text: template.body.clone(),
        actions: template.actions.iter().map(actions::shown).collect(),
        version: template.version,
        active: template.active,
        usage_count: template.usage,
        last_used_at: template.last_used_at.map(kit::wire::timestamp),
        updated_at: Some(kit::wire::timestamp(template.updated_at)),
        updated_by_user_id: template
            .updated_by
            .filter(|_| sees_all(caller))
            .map(|user| user.to_string())
            .unwrap_or_default(),
        etag: kit::wire::etag(template.revision),
    }
}
