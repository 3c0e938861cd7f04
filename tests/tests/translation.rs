//! Translations by machines that the tests start: both kinds, as they answer and as they fail.

use std::time::Duration;

use manydesk::cli::Transport;
use proto::Role;
use proto::tickets::v1 as pb;
use proto::tickets::v1::customers_service_client::CustomersServiceClient;
use proto::tickets::v1::privacy_service_client::PrivacyServiceClient;
use proto::tickets::v1::questions_service_client::QuestionsServiceClient;
use proto::tickets::v1::translations_service_client::TranslationsServiceClient;
use serde_json::{Value, json};
use tests::{reason, violated};
use tokio::net::TcpListener;
use tonic::{Code, Status};

use crate::support::rows::superuser;
use crate::support::server::{Asked, Reply, Server};
use crate::support::shop::{Shop, hands, shop};

/// A machine of both kinds. What a text begins with says how it answers.
struct Machine {
    server: Server,
    address: String,
}

impl Machine {
    async fn start() -> Machine {
        let server = Server::start(answer).await;
        Machine { address: server.address.clone(), server }
    }

    /// How often it was asked for a text.
    fn asked(&self, text: &str) -> usize {
        self.server.heard().iter().filter(|asked| text_of(asked) == text).count()
    }
}

fn text_of(asked: &Asked) -> String {
    let body = asked.json();
    body.pointer("/text/0").or(body.get("q")).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn answer(asked: &Asked, before: &[Asked]) -> Reply {
    let (text, body) = (text_of(asked), asked.json());
    let before = before.iter().filter(|asked| text_of(asked) == text).count();
    let always = usize::MAX;
    let troubles = [
        ("busy", 429, 2),
        ("broken", 503, 1),
        ("always busy", 429, always),
        ("quota", 456, always),
        ("odd", 400, always),
        ("moved", 302, always),
    ];
    let trouble = troubles.iter().find(|(word, _, times)| text.starts_with(word) && before < *times);
    if let Some((_, status, _)) = trouble {
        let headers = vec![("retry-after", "1".to_owned()), ("location", "http://127.0.0.1:1/".to_owned())];
        return Reply { headers, ..Reply::json(*status, &json!({"message": "no", "error": "no"})) };
    }
    if text.starts_with("garbled") {
        return Reply::json(200, &json!({"hello": "world"}));
    }
    if asked.path == "/v2/translate" {
        if asked.header("authorization") != "DeepL-Auth-Key good:fx" {
            return Reply::json(403, &json!({"message": "Authorization failure"}));
        }
        let text = format!("{}: {text}", body["target_lang"].as_str().unwrap_or_default());
        return Reply::json(200, &json!({"translations": [{"detected_source_language": "IT", "text": text}]}));
    }
    if body["api_key"] == "wrong" {
        return Reply::json(403, &json!({"error": "Invalid API key"}));
    }
    let text = format!("{}: {text}", body["target"].as_str().unwrap_or_default());
    Reply::json(200, &json!({"translatedText": text, "detectedLanguage": {"confidence": 92, "language": "it"}}))
}

fn deepl(address: &str) -> pb::TranslationEngine {
    pb::TranslationEngine {
        kind: pb::TranslationEngineKind::Deepl.into(),
        address: address.into(),
        key: "good:fx".into(),
        all_sellers: true,
        ..Default::default()
    }
}

fn libre(address: &str) -> pb::TranslationEngine {
    pb::TranslationEngine {
        kind: pb::TranslationEngineKind::LibreTranslate.into(),
        key: String::new(),
        ..deepl(address)
    }
}

/// The clients of one who may.
struct Desk {
    shop: Shop,
    admin: TranslationsServiceClient<Transport>,
    agent: TranslationsServiceClient<Transport>,
}

async fn with(name: &str, engine: Option<pb::TranslationEngine>) -> Desk {
    let mut shop = shop(name).await;
    let admin = TranslationsServiceClient::new(shop.tenant.admin.transport().await.expect("a token"));
    let agent = TranslationsServiceClient::new(shop.agent.session.transport().await.expect("a token"));
    let mut desk = Desk { shop, admin, agent };
    if let Some(engine) = engine {
        desk.put(engine).await.expect("a machine");
    }
    desk
}

impl Desk {
    async fn put(&mut self, engine: pb::TranslationEngine) -> Result<pb::TranslationEngine, Status> {
        let request = pb::PutTranslationEngineRequest { translation_engine: Some(engine), ..Default::default() };
        let answer = self.admin.put_translation_engine(request).await?.into_inner();
        Ok(answer.translation_engine.expect("a machine"))
    }

    /// The first message of a new ticket.
    async fn said(&mut self, id: &str, text: &str) -> pb::Message {
        let ticket = self.shop.ticket_of(id, &format!("{id}@casa.example"), "Domanda", text, "").await;
        let mut hands = hands(&mut self.shop.agent.session).await;
        let request = pb::ListMessagesRequest { ticket_id: ticket.id, ..Default::default() };
        hands.tickets.list_messages(request).await.expect("messages").into_inner().messages.remove(0)
    }

    async fn translate(&mut self, message: &str, target: &str) -> Result<pb::Translation, Status> {
        let request = pb::TranslateMessageRequest {
            seller_id: self.shop.seller.clone(),
            message_id: message.into(),
            target_language: target.into(),
        };
        Ok(self.agent.translate_message(request).await?.into_inner().translation.expect("a translation"))
    }

    async fn review(&mut self, translation: &pb::Translation, text: &str) -> Result<pb::Translation, Status> {
        let request = pb::ReviewTranslationRequest {
            seller_id: self.shop.seller.clone(),
            translation_id: translation.id.clone(),
            etag: translation.etag.clone(),
            text: text.into(),
            ..Default::default()
        };
        Ok(self.agent.review_translation(request).await?.into_inner().translation.expect("a translation"))
    }

    async fn translate_part(
        &mut self,
        question: &str,
        part: pb::TranslatedPart,
        target: &str,
    ) -> Result<pb::Translation, Status> {
        let request = pb::TranslateQuestionRequest {
            seller_id: self.shop.seller.clone(),
            question_id: question.into(),
            part: part.into(),
            target_language: target.into(),
        };
        Ok(self.agent.translate_question(request).await?.into_inner().translation.expect("a translation"))
    }
}

#[tokio::test]
async fn a_message_is_translated_once_and_by_a_machine_until_somebody_looks_at_it() {
    let machine = Machine::start().await;
    let mut desk = with("Translated", None).await;
    let text = "Buongiorno, la maschera contiene nichel?";
    let message = desk.said("m1", text).await;
    let off = desk.translate(&message.id, "de").await.unwrap_err();
    assert_eq!((off.code(), reason(&off).as_str()), (Code::FailedPrecondition, "TRANSLATION_OFF"));
    desk.put(deepl(&machine.address)).await.expect("a machine");

    let first = desk.translate(&message.id, "de").await.expect("a translation");
    assert_eq!((first.text.as_str(), first.reviewed), ("DE: Buongiorno, la maschera contiene nichel?", false));
    assert_eq!((first.target_language.as_str(), first.source_language.as_str()), ("de", "it"));
    assert_eq!((first.part(), first.engine()), (pb::TranslatedPart::Message, pb::TranslationEngineKind::Deepl));
    assert_eq!((&first.message_id, &first.ticket_id), (&message.id, &message.ticket_id));
    assert!(first.translated_by_user_id.starts_with("user_") && first.translated_at.is_some());
    assert_eq!(desk.translate(&message.id, "de").await.expect("it"), first, "kept");
    assert_eq!(machine.asked(text), 1);
    let english = desk.translate(&message.id, "en-US").await.expect("another language");
    assert_eq!((english.text.split(':').next(), machine.asked(text)), (Some("EN-US"), 2));
    // The same words of another ticket are not sent again; what was said stays as it is.
    let again = desk.said("m2", text).await;
    let copied = desk.translate(&again.id, "de").await.expect("a translation");
    assert_eq!((&copied.text, machine.asked(text)), (&first.text, 2));
    assert_ne!((&copied.id, &copied.ticket_id), (&first.id, &first.ticket_id));
    let asked = machine.server.heard().remove(0);
    assert_eq!((asked.path.as_str(), asked.header("authorization")), ("/v2/translate", "DeepL-Auth-Key good:fx"));
    assert_eq!(asked.json(), json!({"text": [text], "source_lang": "IT", "target_lang": "DE"}));

    // Two at once are one.
    let both = desk.said("m3", "Buongiorno, quando arriva il mio ordine?").await;
    let request = pb::TranslateMessageRequest {
        seller_id: desk.shop.seller.clone(),
        message_id: both.id.clone(),
        target_language: "de".into(),
    };
    let (mut one, mut two) = (desk.agent.clone(), desk.admin.clone());
    let (one, two) = tokio::join!(one.translate_message(request.clone()), two.translate_message(request));
    assert_eq!(one.expect("one").into_inner().translation, two.expect("the other").into_inner().translation);

    // A person looks at it.
    let reviewed = desk.review(&first, "Guten Tag, enthält die Maske Nickel?").await.expect("reviewed");
    assert!(reviewed.reviewed && reviewed.reviewed_by_user_id.starts_with("user_") && reviewed.reviewed_at.is_some());
    assert_eq!(desk.translate(&message.id, "de").await.expect("it"), reviewed);
    assert_eq!(desk.review(&first, "").await.unwrap_err().code(), Code::Aborted, "an old etag");
    let third = desk.said("m4", text).await;
    let copied = desk.translate(&third.id, "de").await.expect("a translation");
    assert_eq!((copied.text.as_str(), copied.reviewed), ("Guten Tag, enthält die Maske Nickel?", false));
    let list = pb::ListTranslationsRequest { ticket_id: message.ticket_id.clone(), page_size: 1, ..Default::default() };
    let page = desk.agent.list_translations(list.clone()).await.expect("a page").into_inner();
    let next = pb::ListTranslationsRequest { page_token: page.next_page_token.clone(), ..list };
    let rest = desk.agent.list_translations(next).await.expect("a page").into_inner();
    assert_eq!((&page.translations[0].id, &rest.translations[0].id), (&english.id, &reviewed.id));
    assert!(rest.next_page_token.is_empty());

    for bad in ["", "German", "DE", "d"] {
        assert_eq!(violated(&desk.translate(&message.id, bad).await.unwrap_err()), ["target_language"], "{bad}");
    }
    let nobody = desk.translate("message_01h455vb4pex5vsknk084sn02q", "de").await.unwrap_err();
    assert_eq!(nobody.code(), Code::NotFound);
}

#[tokio::test]
async fn a_machine_that_is_busy_is_asked_again_and_its_refusals_are_told_apart() {
    let machine = Machine::start().await;
    let mut desk = with("Busy", Some(deepl(&machine.address))).await;
    for (text, times) in [("busy for a moment", 3), ("broken for a moment", 2)] {
        let message = desk.said(&text[..5], text).await;
        assert_eq!(desk.translate(&message.id, "de").await.expect("in the end").text, format!("DE: {text}"));
        assert_eq!(machine.asked(text), times);
    }
    for (text, code, why, times) in [
        ("always busy, per favore", Code::Unavailable, "TRANSLATION_AWAY", 4),
        ("garbled, per favore", Code::Unavailable, "TRANSLATION_AWAY", 4),
        ("quota, per favore", Code::FailedPrecondition, "TRANSLATION_QUOTA", 1),
        ("odd, per favore", Code::FailedPrecondition, "TRANSLATION_REFUSED", 1),
        ("moved, per favore", Code::FailedPrecondition, "TRANSLATION_REFUSED", 1),
    ] {
        let message = desk.said(&text.replace([' ', ','], "-"), text).await;
        let refused = desk.translate(&message.id, "de").await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str(), machine.asked(text)), (code, why, times), "{text}");
        assert!(!refused.message().contains(text), "what was said is not in errors");
    }
    let long = desk.said("long", &"parola ".repeat(10_000)).await;
    assert_eq!(reason(&desk.translate(&long.id, "de").await.unwrap_err()), "TEXT_TOO_LONG");

    let hello = desk.said("hello", "Buongiorno a tutti").await;
    desk.put(pb::TranslationEngine { key: "bad".into(), ..deepl(&machine.address) }).await.expect("a machine");
    assert_eq!(reason(&desk.translate(&hello.id, "de").await.unwrap_err()), "TRANSLATION_KEY_REFUSED");
    let nobody = format!("http://127.0.0.1:{}", tests::free_port());
    desk.put(libre(&nobody)).await.expect("a machine");
    assert_eq!(reason(&desk.translate(&hello.id, "de").await.unwrap_err()), "TRANSLATION_AWAY");
    desk.put(libre(&machine.address)).await.expect("a machine");
    let translated = desk.translate(&hello.id, "de-AT").await.expect("a translation");
    assert_eq!(
        (translated.text.as_str(), translated.engine()),
        ("de: Buongiorno a tutti", pb::TranslationEngineKind::LibreTranslate)
    );
    let asked = machine.server.heard().pop().expect("it was asked");
    assert_eq!((asked.path.as_str(), asked.header("authorization")), ("/translate", ""));
    let body = asked.json();
    assert!(body.get("api_key").is_none() && body["source"] == "it", "{body}");
    desk.put(pb::TranslationEngine { key: "wrong".into(), ..libre(&machine.address) }).await.expect("a machine");
    assert_eq!(reason(&desk.translate(&hello.id, "fr").await.unwrap_err()), "TRANSLATION_KEY_REFUSED");
}

#[tokio::test]
async fn the_seller_reads_the_question_in_her_language_and_the_agent_the_answer_in_hers() {
    let machine = Machine::start().await;
    let mut desk = with("Asked", Some(libre(&machine.address))).await;
    let seller = desk.shop.seller.clone();
    let message = desk.said("q1", "Buongiorno, la maschera contiene nichel? Sono allergica").await;
    let mut agent = hands(&mut desk.shop.agent.session).await;
    let ask = |ticket: &str, id: &str, text: &str| pb::AskSellerRequest {
        seller_id: seller.clone(),
        request_id: id.into(),
        ticket_id: ticket.into(),
        original: text.into(),
        original_language: "it".into(),
        ..Default::default()
    };
    let request = ask(&message.ticket_id, "ask-1", "La maschera contiene nichel?");
    let question = agent.questions.ask_seller(request).await.expect("asked").into_inner().question.expect("a question");
    let translated =
        desk.translate_part(&question.id, pb::TranslatedPart::Question, "de").await.expect("a translation");
    assert_eq!((translated.text.as_str(), &translated.question_id), ("de: La maschera contiene nichel?", &question.id));
    let mut boss = desk.shop.tenant.person("Bea", Role::SellerAdmin, &[&seller]).await;
    let mut boss = QuestionsServiceClient::new(boss.session.transport().await.expect("a token"));
    let get = pb::GetQuestionRequest { question_id: question.id.clone(), ..Default::default() };
    let seen = boss.get_question(get.clone()).await.expect("it").into_inner().question.expect("a question");
    assert_eq!((&seen.original, &seen.translation), (&question.original, &translated.text));
    assert_eq!((seen.translated_by(), seen.translation_reviewed), (pb::TranslatedBy::Machine, false));
    assert_ne!(seen.etag, question.etag);
    desk.review(&translated, "Enthält die Maske Nickel?").await.expect("reviewed");
    let seen = boss.get_question(get.clone()).await.expect("it").into_inner().question.expect("a question");
    assert_eq!((seen.translation.as_str(), seen.translation_reviewed), ("Enthält die Maske Nickel?", true));

    // The answer, into the language of the ticket.
    let early = desk.translate_part(&question.id, pb::TranslatedPart::Answer, "").await.unwrap_err();
    assert_eq!(reason(&early), "NOTHING_TO_TRANSLATE");
    let answer = pb::AnswerQuestionRequest {
        seller_id: seller.clone(),
        request_id: "answer-1".into(),
        question_id: question.id.clone(),
        answer: "Nein, sie ist frei von Nickel.".into(),
        language: "de".into(),
    };
    boss.answer_question(answer).await.expect("answered");
    let back = desk.translate_part(&question.id, pb::TranslatedPart::Answer, "").await.expect("a translation");
    assert_eq!((back.text.as_str(), back.target_language.as_str()), ("it: Nein, sie ist frei von Nickel.", "it"));
    assert_eq!(back.source_language, "de");
    let seen = boss.get_question(get).await.expect("it").into_inner().question.expect("a question");
    assert_eq!(seen.answer, "Nein, sie ist frei von Nickel.", "what was said stays");

    // What a person translated is not replaced by a machine's words.
    let other = desk.said("q2", "Buongiorno, avete la maschera in nero?").await;
    let request = pb::AskSellerRequest {
        translation: "Gibt es die Maske in Schwarz?".into(),
        translation_language: "de".into(),
        translated_by: pb::TranslatedBy::Person.into(),
        ..ask(&other.ticket_id, "ask-2", "Avete la maschera in nero?")
    };
    let question = agent.questions.ask_seller(request).await.expect("asked").into_inner().question.expect("a question");
    let machines = desk.translate_part(&question.id, pb::TranslatedPart::Question, "de").await.expect("a translation");
    desk.review(&machines, "Schwarz?").await.expect("reviewed");
    let get = pb::GetQuestionRequest { question_id: question.id, ..Default::default() };
    let seen = boss.get_question(get).await.expect("it").into_inner().question.expect("a question");
    assert_eq!(
        (seen.translation.as_str(), seen.translated_by()),
        ("Gibt es die Maske in Schwarz?", pb::TranslatedBy::Person)
    );
}

#[tokio::test]
async fn a_machine_is_named_by_the_provider_and_its_key_is_never_told() {
    let machine = Machine::start().await;
    let mut desk = with("Keys", None).await;
    let get = || pb::GetTranslationEngineRequest {};
    assert_eq!(desk.admin.get_translation_engine(get()).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(desk.agent.get_translation_engine(get()).await.unwrap_err().code(), Code::PermissionDenied);
    for (wrong, field) in [
        (pb::TranslationEngine { kind: 0, ..deepl("") }, "translation_engine.kind"),
        (pb::TranslationEngine { key: String::new(), ..deepl("") }, "translation_engine.key"),
        (pb::TranslationEngine { key: "a\nb".into(), ..deepl("") }, "translation_engine.key"),
        (libre(""), "translation_engine.address"),
        (libre("ftp://mt.example"), "translation_engine.address"),
        (libre("https://mt.example/path"), "translation_engine.address"),
        (libre("https://user:pass@mt.example"), "translation_engine.address"),
        (pb::TranslationEngine { seller_ids: vec!["x".into()], ..deepl("") }, "translation_engine.seller_ids"),
    ] {
        assert_eq!(violated(&desk.put(wrong).await.unwrap_err()), [field]);
    }
    let key = "very-secret-key-8431:fx";
    let named =
        desk.put(pb::TranslationEngine { key: key.into(), ..deepl(&machine.address) }).await.expect("a machine");
    assert_eq!((named.key.as_str(), named.has_key), ("", true));
    // It stays with its machine and goes nowhere else.
    let kept = pb::TranslationEngine { key: String::new(), all_sellers: false, ..deepl(&machine.address) };
    let named = desk.put(pb::TranslationEngine { etag: named.etag, ..kept.clone() }).await.expect("kept");
    assert!(named.has_key && !named.all_sellers);
    let elsewhere = pb::TranslationEngine { address: "http://127.0.0.1:9".into(), ..kept.clone() };
    assert_eq!(violated(&desk.put(elsewhere).await.unwrap_err()), ["translation_engine.key"]);
    let stale = pb::TranslationEngine { etag: "v1".into(), ..kept.clone() };
    assert_eq!(desk.put(stale).await.unwrap_err().code(), Code::Aborted);
    let mut conn = superuser(tests::desk().await).await;
    let hex: String = key.bytes().map(|byte| format!("{byte:02x}")).collect();
    let seen: i64 = sqlx::query_scalar(
        "select (select count(*) from tickets.translation_engine t
                  where t::text like '%' || $1 || '%' or t::text like '%' || $2 || '%')
              + (select count(*) from tickets.replay r where r::text like '%' || $2 || '%')",
    )
    .bind(key)
    .bind(&hex)
    .fetch_one(&mut conn)
    .await
    .expect("the rows");
    assert_eq!(seen, 0);

    // Only for the sellers that are named.
    let message = desk.said("m1", "Buongiorno, dov'è il mio pacco?").await;
    assert_eq!(reason(&desk.translate(&message.id, "de").await.unwrap_err()), "TRANSLATION_OFF");
    let seller = desk.shop.seller.clone();
    desk.put(pb::TranslationEngine { seller_ids: vec![seller], key: "good:fx".into(), ..kept }).await.expect("named");
    assert!(desk.translate(&message.id, "de").await.is_ok());

    // What is translated goes with its customer, and what is kept is given without a machine.
    let delete = pb::DeleteTranslationEngineRequest::default();
    desk.admin.delete_translation_engine(delete.clone()).await.expect("gone");
    assert_eq!(desk.admin.delete_translation_engine(delete).await.unwrap_err().code(), Code::NotFound);
    assert!(desk.translate(&message.id, "de").await.is_ok());
    assert_eq!(reason(&desk.translate(&message.id, "fr").await.unwrap_err()), "TRANSLATION_OFF");
    let transport = desk.shop.tenant.admin.transport().await.expect("a token");
    let list = pb::ListCustomersRequest { seller_id: desk.shop.seller.clone(), ..Default::default() };
    let found = CustomersServiceClient::new(transport.clone()).list_customers(list).await.expect("a list").into_inner();
    let erase = pb::EraseCustomerRequest {
        seller_id: desk.shop.seller.clone(),
        customer_id: found.customers[0].id.clone(),
        ..Default::default()
    };
    PrivacyServiceClient::new(transport).erase_customer(erase).await.expect("erased");
    let list = pb::ListTranslationsRequest { ticket_id: message.ticket_id, ..Default::default() };
    assert!(desk.agent.list_translations(list).await.expect("a list").into_inner().translations.is_empty());
}

#[tokio::test]
async fn a_machine_that_says_nothing_is_not_waited_for_without_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let mut desk = with("Silent", Some(libre(&address))).await;
    let message = desk.said("m1", "Buongiorno, dov'è il mio pacco?").await;
    let begun = std::time::Instant::now();
    let refused = desk.translate(&message.id, "de").await.unwrap_err();
    assert_eq!(reason(&refused), "TRANSLATION_AWAY");
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    drop(listener);
}
