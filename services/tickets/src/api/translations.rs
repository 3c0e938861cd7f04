//! Translations by a provider's machine: asked for, kept, looked at. Nothing of the database is held while the
//! machine is waited for.

use aws_lc_rs::digest;
use kit::wire::{etag, timestamp};
use kit::{Caller, Checks, Explain, Fault, Id, Scope, SellerId};
use proto::tickets::v1 as pb;
use proto::tickets::v1::translations_service_server::TranslationsService;
use tonic::{Code, Request, Response, Status};

use super::reads::{Key, place};
use super::{Api, fields};
use crate::domain::ids::{MessageId, QuestionId, TicketId, TranslationId, Uuid};
use crate::domain::translation::{Asked, Engine, Machine, NotTranslated, Part, TEXT_LIMIT, Translation};
use crate::store;
use crate::work::translate;

impl Explain for NotTranslated {
    fn code(&self) -> Code {
        match self {
            NotTranslated::Away => Code::Unavailable,
            _ => Code::FailedPrecondition,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            NotTranslated::Off => "TRANSLATION_OFF",
            NotTranslated::Nothing => "NOTHING_TO_TRANSLATE",
            NotTranslated::TooLong => "TEXT_TOO_LONG",
            NotTranslated::Key => "TRANSLATION_KEY_REFUSED",
            NotTranslated::Quota => "TRANSLATION_QUOTA",
            NotTranslated::Refused => "TRANSLATION_REFUSED",
            NotTranslated::Away => "TRANSLATION_AWAY",
        }
    }
}

/// Writes the two lines of each call: admit, and pass on to the method of the same name.
macro_rules! service {
    ($($name:ident, $request:ident, $response:ident;)*) => {
        #[tonic::async_trait]
        impl TranslationsService for Api {
            $(
                async fn $name(&self, request: Request<pb::$request>) -> Result<Response<pb::$response>, Status> {
                    let (caller, request) = kit::admitted(request)?;
                    Ok(Response::new(Api::$name(self, &caller, request).await?))
                }
            )*
        }
    };
}

service! {
    get_translation_engine, GetTranslationEngineRequest, GetTranslationEngineResponse;
    put_translation_engine, PutTranslationEngineRequest, PutTranslationEngineResponse;
    delete_translation_engine, DeleteTranslationEngineRequest, DeleteTranslationEngineResponse;
    translate_message, TranslateMessageRequest, TranslateMessageResponse;
    translate_question, TranslateQuestionRequest, TranslateQuestionResponse;
    review_translation, ReviewTranslationRequest, ReviewTranslationResponse;
    list_translations, ListTranslationsRequest, ListTranslationsResponse;
}

/// What is to be translated.
struct Source {
    ticket: TicketId,
    part: Part,
    id: Uuid,
    text: String,
    /// BCP 47; empty where it is not known.
    language: String,
}

impl Api {
    async fn get_translation_engine(
        &self,
        caller: &Caller,
        _: pb::GetTranslationEngineRequest,
    ) -> Result<pb::GetTranslationEngineResponse, Fault> {
        let mut tx = self.desk.deps.db.begin(&Scope::provider(caller.provider())).await?;
        let (machine, _) = store::translations::machine(&mut tx).await?.ok_or(Fault::NotFound("translation engine"))?;
        Ok(pb::GetTranslationEngineResponse { translation_engine: Some(engine(&machine)) })
    }

    async fn put_translation_engine(
        &self,
        caller: &Caller,
        mut request: pb::PutTranslationEngineRequest,
    ) -> Result<pb::PutTranslationEngineResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        checks.require(request.translation_engine.is_some(), "translation_engine", "must be given");
        // The request as it is kept for retries holds no key.
        let given = request.translation_engine.as_mut().map(|wanted| std::mem::take(&mut wanted.key));
        let (given, wanted) = (given.unwrap_or_default(), request.translation_engine.clone().unwrap_or_default());
        let kind = match wanted.kind() {
            pb::TranslationEngineKind::Deepl => Engine::DeepL,
            pb::TranslationEngineKind::LibreTranslate => Engine::LibreTranslate,
            pb::TranslationEngineKind::Unspecified => {
                checks.refuse("translation_engine.kind", "must be deepl or libre_translate");
                Engine::DeepL
            }
        };
        let address = checks.line("translation_engine.address", &wanted.address, 0..=300);
        let address = address.trim_end_matches('/').to_owned();
        let plain = self
            .desk
            .http
            .allowed(&address)
            .is_some_and(|url| url.path() == "/" && url.query().is_none() && url.fragment().is_none());
        let own = address.is_empty() && kind == Engine::DeepL;
        checks.require(
            own || plain,
            "translation_engine.address",
            "must be a public address such as https://mt.example",
        );
        let fits = given.len() <= 300 && given.bytes().all(|byte| byte.is_ascii_graphic());
        checks.require(fits, "translation_engine.key", "must have at most 300 printable characters");
        checks.count("translation_engine.seller_ids", wanted.seller_ids.len(), 0..=500);
        let parsed = wanted.seller_ids.iter().take(500).map(|id| SellerId::parse("seller_ids", id));
        let mut sellers: Vec<SellerId> = Vec::new();
        for seller in parsed {
            match seller {
                Ok(seller) => sellers.push(seller),
                Err(_) => checks.refuse("translation_engine.seller_ids", "must be ids of the form seller_..."),
            }
        }
        sellers.sort_unstable();
        sellers.dedup();
        checks.finish()?;
        let version = kit::wire::version(&wanted.etag)?;
        let provider = caller.provider();
        let new = match given.as_str() {
            "" => None,
            key => Some(self.desk.mail.seal()?.seal(&translate::place(provider), key.as_bytes())?),
        };
        let mut tx = self.desk.deps.db.begin(&Scope::provider(provider)).await?;
        if let Some(answer) = tx.replayed(caller, "PutTranslationEngine", &request.request_id, &request).await? {
            return Ok(answer);
        }
        store::translations::lock_machine(&mut tx).await?;
        let before = store::translations::machine(&mut tx).await?;
        match (version, before.as_ref().map(|(before, _)| before.version)) {
            (None, _) => {}
            (Some(read), Some(now)) if read == now => {}
            _ => return Err(Fault::Stale),
        }
        let mut machine = Machine {
            engine: kind,
            address,
            all_sellers: wanted.all_sellers,
            sellers,
            has_key: false,
            updated_at: tx.now(),
            version: before.as_ref().map_or(1, |(before, _)| before.version + 1),
        };
        let kept = before.filter(|(before, _)| machine.keeps_key_of(before)).and_then(|(_, sealed)| sealed);
        let sealed = new.or(kept);
        machine.has_key = sealed.is_some();
        if kind == Engine::DeepL && !machine.has_key {
            return Err(Fault::invalid("translation_engine.key", "must be given"));
        }
        store::translations::put_machine(&mut tx, &machine, sealed.as_deref()).await?;
        let response = pb::PutTranslationEngineResponse { translation_engine: Some(engine(&machine)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn delete_translation_engine(
        &self,
        caller: &Caller,
        request: pb::DeleteTranslationEngineRequest,
    ) -> Result<pb::DeleteTranslationEngineResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        checks.finish()?;
        let mut tx = self.desk.deps.db.begin(&Scope::provider(caller.provider())).await?;
        if let Some(answer) = tx.replayed(caller, "DeleteTranslationEngine", &request.request_id, &request).await? {
            return Ok(answer);
        }
        if !store::translations::delete_machine(&mut tx).await? {
            return Err(Fault::NotFound("translation engine"));
        }
        let response = pb::DeleteTranslationEngineResponse {};
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn translate_message(
        &self,
        caller: &Caller,
        request: pb::TranslateMessageRequest,
    ) -> Result<pb::TranslateMessageResponse, Fault> {
        let mut checks = Checks::new();
        let id: MessageId = checks.id("message_id", &request.message_id);
        let target = checks.language("target_language", &request.target_language);
        checks.finish()?;
        let scope = caller.act_for(&request.seller_id)?;
        let source = self.source(&scope, Part::Message, id.0).await?;
        let translation = self.translated(caller, &scope, source, target).await?;
        Ok(pb::TranslateMessageResponse { translation: Some(shown(scope.seller(), &translation)) })
    }

    async fn translate_question(
        &self,
        caller: &Caller,
        request: pb::TranslateQuestionRequest,
    ) -> Result<pb::TranslateQuestionResponse, Fault> {
        let mut checks = Checks::new();
        let id: QuestionId = checks.id("question_id", &request.question_id);
        let part = match request.part() {
            pb::TranslatedPart::Question => Part::Question,
            pb::TranslatedPart::Answer => Part::Answer,
            pb::TranslatedPart::Message | pb::TranslatedPart::Unspecified => {
                checks.refuse("part", "must be question or answer");
                Part::Question
            }
        };
        let named = !request.target_language.is_empty();
        if named {
            checks.language("target_language", &request.target_language);
        }
        checks.finish()?;
        let scope = caller.act_for(&request.seller_id)?;
        let source = self.source(&scope, part, id.0).await?;
        let target = match (named, part) {
            (true, _) => Some(request.target_language),
            (false, Part::Answer) => {
                let mut tx = self.desk.deps.db.begin(&scope).await?;
                store::read::ticket(&mut tx, source.ticket).await?.and_then(|of| of.value.language)
            }
            (false, _) => self.desk.settings(Some(caller), &scope).await?.languages.first().cloned(),
        };
        let target = target.ok_or_else(|| Fault::invalid("target_language", "must be given: none is known"))?;
        let translation = self.translated(caller, &scope, source, target).await?;
        Ok(pb::TranslateQuestionResponse { translation: Some(shown(scope.seller(), &translation)) })
    }

    async fn review_translation(
        &self,
        caller: &Caller,
        request: pb::ReviewTranslationRequest,
    ) -> Result<pb::ReviewTranslationResponse, Fault> {
        let mut checks = Checks::new();
        fields::optional_request_id(&mut checks, &request.request_id);
        let id: TranslationId = checks.id("translation_id", &request.translation_id);
        let text = checks.text("text", &request.text, 0..=TEXT_LIMIT);
        checks.finish()?;
        let by = caller.person()?;
        let scope = caller.act_for(&request.seller_id)?;
        let mut tx = self.desk.deps.db.begin(&scope).await?;
        if let Some(answer) = tx.replayed(caller, "ReviewTranslation", &request.request_id, &request).await? {
            return Ok(answer);
        }
        let missing = || Fault::NotFound("translation");
        let mut translation = store::translations::locked(&mut tx, id).await?.ok_or_else(missing)?;
        fields::matches(&request.etag, translation.version)?;
        let before = translation.text.clone();
        if !text.is_empty() {
            translation.text = text;
        }
        translation.reviewed_at = Some(tx.now());
        translation.reviewed_by = Some(by);
        translation.version += 1;
        store::translations::review(&mut tx, &translation).await?;
        if translation.part == Part::Question {
            let question = QuestionId(translation.source);
            let found = store::questions::find(&mut tx, question).await?.map(|of| of.value);
            let shows = |q: &crate::domain::question::Question| {
                (q.translation.as_str(), &q.translation_language) == (before.as_str(), &translation.target_language)
            };
            if found.is_some_and(|question| question.translated_by == "machine" && shows(&question)) {
                store::translations::show(&mut tx, question, &translation).await?;
            }
        }
        let response = pb::ReviewTranslationResponse { translation: Some(shown(scope.seller(), &translation)) };
        tx.commit_with(&response).await?;
        Ok(response)
    }

    async fn list_translations(
        &self,
        caller: &Caller,
        request: pb::ListTranslationsRequest,
    ) -> Result<pb::ListTranslationsResponse, Fault> {
        let mut checks = Checks::new();
        let ticket: TicketId = checks.id("ticket_id", &request.ticket_id);
        checks.finish()?;
        let shape = (&request.seller_id, &request.ticket_id);
        let pager = &self.desk.deps.pager;
        let page = pager.read::<Key>(caller, "ListTranslations", &shape, request.page_size, &request.page_token)?;
        let after = page.after.map(place).transpose()?;
        let mut tx = self.desk.deps.db.begin(&caller.view(&request.seller_id)?).await?;
        store::read::ticket(&mut tx, ticket).await?.ok_or(Fault::NotFound("ticket"))?;
        let mut found = store::translations::list(&mut tx, ticket, after, page.size + 1).await?;
        let key = |of: &store::rows::OfSeller<Translation>| -> Key {
            (of.value.translated_at.as_microsecond(), of.value.id.0)
        };
        let next_page_token = pager.cut(&page, &mut found, key)?;
        let translations = found.iter().map(|of| shown(Some(of.seller), &of.value)).collect();
        Ok(pb::ListTranslationsResponse { translations, next_page_token })
    }

    /// What is to be translated, as it is now.
    async fn source(&self, scope: &Scope, part: Part, id: Uuid) -> Result<Source, Fault> {
        let mut tx = self.desk.deps.db.begin(scope).await?;
        self.source_in(&mut tx, part, id).await
    }

    async fn source_in(&self, tx: &mut tenantdb::TenantTx, part: Part, id: Uuid) -> Result<Source, Fault> {
        if part == Part::Message {
            let of = store::read::message(tx, MessageId(id)).await?.ok_or(Fault::NotFound("message"))?;
            let message = of.value;
            let language = message.language.unwrap_or_default();
            return Ok(Source { ticket: message.ticket, part, id, text: message.text, language });
        }
        let of = store::questions::find(tx, QuestionId(id)).await?.ok_or(Fault::NotFound("question"))?;
        let question = of.value;
        let (text, language) = match part {
            Part::Answer => (question.answer, question.answer_language),
            _ => (question.original, question.original_language),
        };
        Ok(Source { ticket: question.ticket, part, id, text, language })
    }

    /// The translation that is kept of something, or a new one.
    async fn translated(
        &self,
        caller: &Caller,
        scope: &Scope,
        source: Source,
        target: String,
    ) -> Result<Translation, Fault> {
        let (clock, provider) = (&self.desk.deps.clock, scope.provider_id());
        let seller = scope.seller().ok_or(Fault::NotFound("seller"))?;
        let sha256 = sha256(&source.text);
        let mut tx = self.desk.deps.db.begin(scope).await?;
        if let Some(kept) = store::translations::of(&mut tx, source.part, source.id, &target).await? {
            return Ok(kept);
        }
        if source.text.trim().is_empty() {
            return Err(NotTranslated::Nothing.into());
        }
        if TEXT_LIMIT < source.text.len() {
            return Err(NotTranslated::TooLong.into());
        }
        let known = store::translations::of_text(&mut tx, &sha256, &target).await?;
        let found = store::translations::machine(&mut tx).await?.filter(|(machine, _)| machine.serves(seller));
        drop(tx);
        let (machine, sealed) = found.ok_or(NotTranslated::Off)?;
        let (text, from, engine) = match known {
            Some(known) => (known.text, known.source_language, known.engine),
            None => {
                let key = self.desk.machine_key(provider, sealed.as_deref())?;
                let asked = Asked { text: &source.text, from: &source.language, to: &target, key: &key };
                let translated = translate::ask(&self.desk.http, &machine, &asked).await?;
                let from = if source.language.is_empty() { translated.from } else { source.language.clone() };
                (translated.text, from, machine.engine)
            }
        };

        let mut tx = self.desk.deps.db.begin(scope).await?;
        // The ticket's lock first. What was said may have been erased meanwhile; then nothing is kept of it.
        store::load::dossier(&mut tx, source.ticket).await?.ok_or(Fault::NotFound("ticket"))?;
        let now = self.source_in(&mut tx, source.part, source.id).await?;
        if now.text != source.text {
            return Err(Fault::Stale);
        }
        let translation = Translation {
            id: clock.new_id(),
            ticket: source.ticket,
            part: source.part,
            source: source.id,
            source_sha256: sha256,
            source_language: from,
            target_language: target.clone(),
            engine,
            text,
            translated_at: tx.now(),
            translated_by: caller.user(),
            reviewed_at: None,
            reviewed_by: None,
            version: 1,
        };
        store::translations::add(&mut tx, &translation).await?;
        let kept = store::translations::of(&mut tx, source.part, source.id, &target).await?;
        let kept = kept.ok_or_else(|| Fault::internal("a translation that was kept is not there"))?;
        if source.part == Part::Question {
            let question = store::questions::find(&mut tx, QuestionId(source.id)).await?.map(|of| of.value);
            // What a person translated stays.
            if question.is_some_and(|question| question.translation.is_empty()) {
                store::translations::show(&mut tx, QuestionId(source.id), &kept).await?;
            }
        }
        tx.commit().await?;
        Ok(kept)
    }
}

fn sha256(text: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, text.as_bytes()).as_ref().to_vec()
}

fn kind(engine: Engine) -> pb::TranslationEngineKind {
    match engine {
        Engine::DeepL => pb::TranslationEngineKind::Deepl,
        Engine::LibreTranslate => pb::TranslationEngineKind::LibreTranslate,
    }
}

fn engine(machine: &Machine) -> pb::TranslationEngine {
    pb::TranslationEngine {
        kind: kind(machine.engine).into(),
        address: machine.address.clone(),
        key: String::new(),
        has_key: machine.has_key,
        all_sellers: machine.all_sellers,
        seller_ids: machine.sellers.iter().map(ToString::to_string).collect(),
        updated_at: Some(timestamp(machine.updated_at)),
        etag: etag(machine.version),
    }
}

fn shown(seller: Option<SellerId>, translation: &Translation) -> pb::Translation {
    let t = translation;
    let (part, message, question) = match t.part {
        Part::Message => (pb::TranslatedPart::Message, MessageId(t.source).to_string(), String::new()),
        Part::Question => (pb::TranslatedPart::Question, String::new(), QuestionId(t.source).to_string()),
        Part::Answer => (pb::TranslatedPart::Answer, String::new(), QuestionId(t.source).to_string()),
    };
    pb::Translation {
        id: t.id.to_string(),
        seller_id: seller.map(|seller| seller.to_string()).unwrap_or_default(),
        ticket_id: t.ticket.to_string(),
        part: part.into(),
        message_id: message,
        question_id: question,
        source_language: t.source_language.clone(),
        target_language: t.target_language.clone(),
        text: t.text.clone(),
        engine: kind(t.engine).into(),
        translated_at: Some(timestamp(t.translated_at)),
        translated_by_user_id: t.translated_by.map(|user| user.to_string()).unwrap_or_default(),
        reviewed: t.reviewed_at.is_some(),
        reviewed_by_user_id: t.reviewed_by.map(|user| user.to_string()).unwrap_or_default(),
        reviewed_at: t.reviewed_at.map(timestamp),
        etag: etag(t.version),
    }
}
