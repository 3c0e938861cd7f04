//! What customers say of how they were served: asked once, by a link that takes one answer, and counted.

use std::collections::BTreeMap;

use manydesk::cli::Transport;
use proto::Role;
use proto::tickets::v1 as pb;
use proto::tickets::v1::privacy_service_client::PrivacyServiceClient;
use proto::tickets::v1::satisfaction_service_client::SatisfactionServiceClient;
use proto::tickets::v1::survey_forms_service_client::SurveyFormsServiceClient;
use proto::tickets::v1::surveys_service_client::SurveysServiceClient;
use reqwest::{Method, StatusCode};
use sqlx::{Connection, PgConnection};
use tests::{desk, eventually, reason, violated};
use tonic::Code;

use crate::support::http::Browser;
use crate::support::shop::{Hands, Shop, hands, shop};

fn text(language: &str, question: &str) -> pb::SurveyText {
    pb::SurveyText {
        language: language.into(),
        invitation: "{{customer.first_name}}, {{ticket.number}}:\n{{survey.links}}\n{{survey.link}}".into(),
        question: question.into(),
        low_label: "<low>".into(),
        high_label: "high".into(),
        comment_prompt: "?".into(),
        thanks: format!("Grazie & {language}"),
    }
}

fn survey(shop: &Shop) -> pb::PutSurveyRequest {
    pb::PutSurveyRequest {
        seller_id: shop.seller.clone(),
        key: "after".into(),
        name: "After".into(),
        kind: pb::SurveyKind::Csat.into(),
        quiet_days: 30,
        active: true,
        texts: vec![text("it", "Com'è andata?"), text("de", "Wie war es?")],
        ..Default::default()
    }
}

/// Somebody answers a ticket and solves it.
async fn serve(shop: &Shop, agent: &mut Hands, ticket: &pb::Ticket, id: &str) {
    let reply = pb::ReplyRequest {
        seller_id: shop.seller.clone(),
        request_id: format!("{id}-{}", ticket.number),
        ticket_id: ticket.id.clone(),
        text: "Arriva domani.".into(),
        solve: true,
        ..Default::default()
    };
    agent.tickets.reply(reply).await.expect("an answer");
}

/// What became of a ticket's survey, once it is decided.
async fn invited(surveys: &SurveysServiceClient<Transport>, ticket: &str) -> pb::SurveyInvitation {
    eventually("the survey about a ticket", || {
        let mut surveys = surveys.clone();
        let request = pb::ListSurveyInvitationsRequest { ticket_id: ticket.into(), ..Default::default() };
        async move { surveys.list_survey_invitations(request).await.ok()?.into_inner().invitations.into_iter().next() }
    })
    .await
}

async fn message(agent: &mut Hands, ticket: &str, id: &str) -> pb::Message {
    let request = pb::ListMessagesRequest { ticket_id: ticket.into(), ..Default::default() };
    let messages = agent.tickets.list_messages(request).await.expect("messages").into_inner().messages;
    messages.into_iter().find(|message| message.id == id).expect("the message that asks")
}

/// A page: its status and its text.
async fn page(browser: &Browser, method: Method, path: &str, form: &str) -> (StatusCode, String) {
    let mut request = browser.request(method, path).header("accept-language", "de");
    if !form.is_empty() {
        request = request.header("content-type", "application/x-www-form-urlencoded").body(form.to_owned());
    }
    let response = request.send().await.expect("the gateway answers");
    let headers = response.headers().clone();
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(headers["referrer-policy"], "no-referrer");
    let policy = headers["content-security-policy"].to_str().expect("text");
    assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    (response.status(), response.text().await.expect("a page"))
}

#[tokio::test]
async fn a_solved_ticket_asks_once_and_its_link_takes_one_answer() {
    let mut shop = shop("Surveys").await;
    let admin = shop.tenant.admin.transport().await.expect("a token");
    let mut surveys = SurveysServiceClient::new(admin.clone());
    let mut agent = hands(&mut shop.agent.session).await;
    let kept = surveys.put_survey(survey(&shop)).await.expect("a survey").into_inner().survey.expect("a survey");
    assert_eq!((kept.version, kept.valid_days, kept.texts.len()), (1, 30, 2));
    let stale = pb::PutSurveyRequest { etag: "v7".into(), ..survey(&shop) };
    assert_eq!(surveys.put_survey(stale).await.unwrap_err().code(), Code::Aborted);

    let ticket = shop.ticket("s1", "Pacco", "Buongiorno, dov'è il mio pacco? Lo aspetto da una settimana.").await;
    serve(&shop, &mut agent, &ticket, "a").await;
    let invitation = invited(&surveys, &ticket.id).await;
    assert!(invitation.asked, "{}", invitation.reason);
    assert_eq!((invitation.language.as_str(), invitation.version), ("it", 1));
    let asked = message(&mut agent, &ticket.id, &invitation.message_id).await;
    assert!(asked.automatic && asked.text.starts_with(&format!("Anna, {}:", ticket.number)), "{}", asked.text);
    assert_eq!(agent.ticket(&ticket.id).await.state(), pb::TicketState::Solved, "asking opens nothing");
    let line = asked.text.lines().find(|line| line.starts_with("5 (high): ")).expect("a link for the best score");
    let path = line.split("/s/").nth(1).map(|rest| format!("/s/{rest}")).expect("a link");
    let (form, _) = path.split_once('?').expect("a score");
    assert!(path.ends_with("?score=5") && !asked.text.contains("anna@"), "{path}");

    // A mail server looks at every link, again and again; nothing is answered by that.
    let browser = Browser::new(&desk().await.url, "");
    for score in 1..=5 {
        let (status, html) = page(&browser, Method::GET, &format!("{form}?score={score}"), "").await;
        assert_eq!(status, StatusCode::OK);
        assert!(html.contains(&format!("value=\"{score}\" required checked")), "{html}");
        assert!(html.contains("lang=\"it\"") && html.contains("Com&#39;è andata?") && html.contains("&lt;low&gt;"));
    }
    assert_eq!(page(&browser, Method::HEAD, &path, "").await.0, StatusCode::OK);
    let list = pb::ListSurveyAnswersRequest::default();
    assert!(surveys.list_survey_answers(list.clone()).await.expect("answers").into_inner().answers.is_empty());

    for bad in ["score=6", "score=0", "score=-1", "score=five", "comment=x", "score=99999999999999"] {
        let (status, html) = page(&browser, Method::POST, form, bad).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{bad}");
        assert!(html.contains("role=\"alert\"") && html.contains("<form"), "{bad}");
    }
    let long = format!("score=4&comment={}", "x".repeat(4_001));
    assert_eq!(page(&browser, Method::POST, form, &long).await.0, StatusCode::BAD_REQUEST);
    let endless = format!("score=4&comment={}", "x".repeat(100_000));
    assert_eq!(page(&browser, Method::POST, form, &endless).await.0, StatusCode::PAYLOAD_TOO_LARGE);

    let (status, html) = page(&browser, Method::POST, form, "score=5&comment=Molto+gentile%21").await;
    assert!(status == StatusCode::OK && html.contains("Grazie &amp; it"), "{status} {html}");
    let (status, html) = page(&browser, Method::GET, form, "").await;
    assert!(status == StatusCode::OK && html.contains("Ha già risposto"), "{status} {html}");
    let (status, _) = page(&browser, Method::POST, form, "score=2&comment=Anzi%2C+no").await;
    assert_eq!(status, StatusCode::OK, "an answer may be changed for an hour");
    let answers = surveys.list_survey_answers(list.clone()).await.expect("answers").into_inner().answers;
    let [answer] = answers.as_slice() else { panic!("{} answers", answers.len()) };
    assert_eq!((answer.score, answer.comment.as_str(), answer.negative), (2, "Anzi, no", true));
    assert_eq!((answer.ticket_id.as_str(), answer.language.as_str()), (ticket.id.as_str(), "it"));

    // Forged, of nobody, used, expired: each gets its page, in a language of the browser.
    let mut forged: Vec<char> = form.chars().collect();
    forged[40] = if forged[40] == 'A' { 'B' } else { 'A' };
    let forged: String = forged.into_iter().collect();
    for bad in [forged.as_str(), "/s/x", "/s/..%2f..", "/s/%00"] {
        for method in [Method::GET, Method::POST] {
            let (status, html) = page(&browser, method, bad, "score=5").await;
            assert_eq!(status, StatusCode::NOT_FOUND, "{bad}");
            assert!(html.contains("Dieser Link funktioniert nicht"), "{html}");
        }
    }
    let mut forms = SurveyFormsServiceClient::new(shop.tenant.channel().await);
    let token = form.trim_start_matches("/s/").to_owned();
    let refused = pb::AnswerSurveyRequest { token: "x".into(), score: 3, ..Default::default() };
    let refused = forms.answer_survey(refused).await.expect_err("no such link");
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::InvalidArgument, "SURVEY_LINK_INVALID"));
    let mut database = PgConnection::connect(&desk().await.database).await.expect("the database");
    let mut age = async |set: &str| {
        let statement = format!("update tickets.survey_invitation set {set} where ticket_id = $1");
        let id: uuid::Uuid = kit::ids::decode("ticket", &ticket.id).expect("an id");
        sqlx::query(sqlx::AssertSqlSafe(statement)).bind(id).execute(&mut database).await.expect("aged");
    };
    age("answered_at = answered_at - interval '61 minutes'").await;
    let (status, html) = page(&browser, Method::POST, form, "score=1").await;
    assert!(status == StatusCode::CONFLICT && html.contains("nicht mehr"), "{status} {html}");
    assert_eq!(page(&browser, Method::GET, form, "").await.0, StatusCode::CONFLICT);
    let used = forms.answer_survey(pb::AnswerSurveyRequest { token: token.clone(), score: 1, ..Default::default() });
    assert_eq!(reason(&used.await.unwrap_err()), "SURVEY_LINK_USED");
    age("expires_at = decided_at").await;
    let (status, html) = page(&browser, Method::POST, form, "score=1").await;
    assert!(status == StatusCode::GONE && html.contains("abgelaufen"), "{status} {html}");
    let expired = forms.get_survey_form(pb::GetSurveyFormRequest { token });
    assert_eq!(reason(&expired.await.unwrap_err()), "SURVEY_LINK_EXPIRED");
    let answers = surveys.list_survey_answers(list).await.expect("answers").into_inner().answers;
    assert_eq!(answers[0].score, 2, "nothing of this changed the answer");

    // The same customer is left in peace, and who cannot answer is not asked.
    let again = shop.ticket("s2", "Fattura", "Buongiorno, mi serve la fattura del mio ordine, grazie.").await;
    serve(&shop, &mut agent, &again, "b").await;
    assert_eq!(invited(&surveys, &again.id).await.reason, "quiet");
    let machine = shop.ticket_of("s3", "no-reply@example.it", "Avviso", "Il pacco è partito oggi.", "").await;
    serve(&shop, &mut agent, &machine, "c").await;
    assert_eq!(invited(&surveys, &machine.id).await.reason, "no_reply_address");
    let english = "Hello, I would like to know where my parcel is, please. I have been waiting for a week.";
    let english = shop.ticket_of("s4", "bob@example.org", "Parcel", english, "").await;
    serve(&shop, &mut agent, &english, "d").await;
    assert_eq!(invited(&surveys, &english.id).await.reason, "no_text");
}

#[tokio::test]
async fn a_chat_is_asked_in_its_conversation_and_who_was_erased_answers_nothing() {
    let mut shop = shop("Chat surveys").await;
    let admin = shop.tenant.admin.transport().await.expect("a token");
    let mut surveys = SurveysServiceClient::new(admin.clone());
    let mut agent = hands(&mut shop.agent.session).await;
    surveys.put_survey(survey(&shop)).await.expect("a survey");
    let seller = shop.seller.clone();
    let account = shop.tenant.account(&seller, "chat", "desk").await;
    let request = pb::ReceiveMessageRequest {
        seller_id: seller.clone(),
        channel_account_id: account,
        external_id: "c1".into(),
        external_thread_id: "c1".into(),
        author: Some(pb::Author { address: "visitor-1".into(), name: "Anna Rossi".into() }),
        text: "Buongiorno, dov'è il mio pacco? Lo aspetto da una settimana.".into(),
        ..Default::default()
    };
    let mut lead = hands(&mut shop.tenant.admin).await;
    let ticket = lead.tickets.receive_message(request).await.expect("a chat").into_inner().ticket.expect("a ticket");
    serve(&shop, &mut agent, &ticket, "a").await;
    let invitation = invited(&surveys, &ticket.id).await;
    assert!(invitation.asked, "{}", invitation.reason);
    let asked = message(&mut agent, &ticket.id, &invitation.message_id).await;
    let line = asked.text.lines().find(|line| line.starts_with("5 (high): ")).expect("a link");
    let form = line.split("/s/").nth(1).and_then(|rest| rest.split('?').next()).expect("a link");
    let form = format!("/s/{form}");
    let browser = Browser::new(&desk().await.url, "");
    let (status, _) = page(&browser, Method::POST, &form, "score=1&comment=Malvasia").await;
    assert_eq!(status, StatusCode::OK);

    let erase = pb::EraseCustomerRequest { seller_id: seller, customer_id: ticket.customer_id, ..Default::default() };
    PrivacyServiceClient::new(admin).erase_customer(erase).await.expect("erased");
    for (method, form_text) in [(Method::GET, ""), (Method::POST, "score=5&comment=Nebbiolo")] {
        let (status, html) = page(&browser, method, &form, form_text).await;
        assert!(status == StatusCode::GONE && html.contains("abgelaufen"), "{status} {html}");
    }
    let answers = surveys.list_survey_answers(pb::ListSurveyAnswersRequest::default()).await.expect("answers");
    let answers = answers.into_inner().answers;
    assert_eq!(answers.iter().map(|one| (one.score, one.comment.as_str())).collect::<Vec<_>>(), [(1, "")]);
}

#[tokio::test]
async fn germany_from_78_to_92_percent() {
    let mut shop = shop("Half-year").await;
    let admin = shop.tenant.admin.transport().await.expect("a token");
    let mut surveys = SurveysServiceClient::new(admin.clone());
    // Good answers of 200 in each month.
    let germany = [156, 160, 166, 172, 178, 184];
    let mut answers = Vec::new();
    let mut say = |kind: pb::SurveyKind, score: i32, at: &str, country: &str| {
        answers.push(pb::ImportedSurveyAnswer {
            external_id: format!("old-{}", answers.len()),
            kind: kind.into(),
            score,
            answered_at: Some(kit::wire::timestamp(at.parse().expect("an instant"))),
            country: country.into(),
            marketplace: "amazon".into(),
            language: country.to_lowercase(),
            channel: "marketplace".into(),
        });
    };
    for (month, good) in (1..).zip(germany) {
        for n in 0..200 {
            let at = format!("2025-{month:02}-{:02}T12:00:00Z", 1 + n % 28);
            say(pb::SurveyKind::Csat, if n < good { 4 + n % 2 } else { 1 + n % 3 }, &at, "DE");
        }
    }
    for n in 0..10 {
        say(pb::SurveyKind::Csat, if n < 5 { 5 } else { 1 }, "2025-06-30T12:00:00Z", "FR");
        say(
            pb::SurveyKind::Nps,
            if n < 6 {
                9
            } else if n < 8 {
                7
            } else {
                6
            },
            "2025-06-30T12:00:00Z",
            "FR",
        );
        say(pb::SurveyKind::Ces, 1 + n % 7, "2025-06-30T12:00:00Z", "FR");
    }
    for (place, part) in answers.chunks(500).enumerate() {
        let request = pb::ImportSurveyAnswersRequest {
            seller_id: shop.seller.clone(),
            request_id: format!("import-{place}"),
            answers: part.to_vec(),
        };
        let first = surveys.import_survey_answers(request.clone()).await.expect("stored").into_inner();
        assert_eq!((first.stored, first.duplicates), (i32::try_from(part.len()).unwrap(), 0));
        let twice = surveys.import_survey_answers(request.clone()).await.expect("answered").into_inner();
        assert_eq!(twice, first, "the same request is answered");
        let again = pb::ImportSurveyAnswersRequest { request_id: format!("again-{place}"), ..request };
        let again = surveys.import_survey_answers(again).await.expect("there already").into_inner();
        assert_eq!((again.stored, again.duplicates), (0, first.stored));
    }

    let mut reports = SatisfactionServiceClient::new(admin);
    let asked = pb::GetSatisfactionReportRequest {
        seller_id: shop.seller.clone(),
        from: "2025-01-01".into(),
        before: "2025-07-01".into(),
        country: "DE".into(),
        group_by: vec![pb::SatisfactionDimension::Month.into()],
        ..Default::default()
    };
    let rows = reports.get_satisfaction_report(asked.clone()).await.expect("a report").into_inner().rows;
    let shares: Vec<(String, f64)> =
        rows.iter().map(|row| (row.month.clone(), row.csat.as_ref().unwrap().share())).collect();
    let want = [78.0, 80.0, 83.0, 86.0, 89.0, 92.0];
    let want: Vec<(String, f64)> =
        (1..).zip(want).map(|(m, s): (i32, f64)| (format!("2025-{m:02}-01"), s / 100.0)).collect();
    assert_eq!(shares, want, "78 % at the beginning of the half-year, 92 % at its end");
    let (first, last) = (rows[0].csat.unwrap(), rows[5].csat.unwrap());
    assert!(first.high() < last.low() && !first.few, "more than chance: {first:?} {last:?}");
    let half = pb::GetSatisfactionReportRequest { group_by: Vec::new(), ..asked.clone() };
    let rows = reports.get_satisfaction_report(half).await.expect("a report").into_inner().rows;
    let whole = rows[0].csat.unwrap();
    assert_eq!((rows.len(), whole.hits, whole.n), (1, germany.iter().map(|n| i64::from(*n)).sum(), 1_200));

    let by_country = pb::GetSatisfactionReportRequest {
        country: String::new(),
        from: "2025-06-01".into(),
        group_by: vec![pb::SatisfactionDimension::Country.into()],
        ..asked.clone()
    };
    let rows = reports.get_satisfaction_report(by_country).await.expect("a report").into_inner().rows;
    let by: BTreeMap<&str, &pb::SatisfactionRow> = rows.iter().map(|row| (row.country.as_str(), row)).collect();
    assert_eq!(by.keys().copied().collect::<Vec<_>>(), ["DE", "FR"]);
    let france = by["FR"];
    assert_eq!(france.csat.as_ref().map(|csat| (csat.hits, csat.n, csat.few)), Some((5, 10, true)));
    assert_eq!((france.csat_average(), france.nps(), france.ces_answers), (3.0, 40.0, 10));
    assert!((france.ces_average() - 3.4).abs() < 1e-9);
    assert_eq!(by["DE"].nps, None, "nothing was asked, nothing is said");

    for (bad, field) in [
        (pb::GetSatisfactionReportRequest { from: "2025-13-01".into(), ..asked.clone() }, "from"),
        (pb::GetSatisfactionReportRequest { before: "2025-01-01".into(), ..asked.clone() }, "before"),
        (pb::GetSatisfactionReportRequest { before: "2029-01-01".into(), ..asked.clone() }, "before"),
        (pb::GetSatisfactionReportRequest { group_by: vec![99], ..asked.clone() }, "group_by[0]"),
    ] {
        let refused = reports.get_satisfaction_report(bad).await.unwrap_err();
        assert!(violated(&refused).contains(&field.to_owned()), "{field}: {refused:?}");
    }
    let mut bad = answers[0].clone();
    bad.score = 6;
    let request =
        pb::ImportSurveyAnswersRequest { seller_id: shop.seller.clone(), answers: vec![bad], ..Default::default() };
    assert_eq!(violated(&surveys.import_survey_answers(request).await.unwrap_err()), ["answers[0].score"]);
}

#[tokio::test]
async fn first_contact_reopened_and_complaints_are_counted() {
    let mut shop = shop("Outcomes").await;
    let mut agent = hands(&mut shop.agent.session).await;
    let say = "Buongiorno, dov'è il mio pacco? Lo aspetto da una settimana.";
    let once = shop.ticket_of("o1", "a@example.it", "Pacco", say, "").await;
    let twice = shop.ticket_of("o2", "b@example.it", "Pacco", say, "").await;
    let back = shop.ticket_of("o3", "c@example.it", "Pacco", say, "").await;
    let angry = shop.ticket_of("o4", "d@example.it", "Pacco", say, "").await;
    let open = shop.ticket_of("o5", "e@example.it", "Pacco", say, "").await;
    serve(&shop, &mut agent, &once, "1").await;
    let reply = pb::ReplyRequest {
        seller_id: shop.seller.clone(),
        request_id: "first".into(),
        ticket_id: twice.id.clone(),
        text: "Chiedo al corriere.".into(),
        ..Default::default()
    };
    agent.tickets.reply(reply).await.expect("an answer");
    serve(&shop, &mut agent, &twice, "2").await;
    serve(&shop, &mut agent, &back, "3").await;
    let reopen =
        pb::ReopenTicketRequest { seller_id: shop.seller.clone(), ticket_id: back.id.clone(), ..Default::default() };
    agent.tickets.reopen_ticket(reopen).await.expect("open again");
    serve(&shop, &mut agent, &back, "4").await;
    let tag = |add: &[&str], remove: &[&str]| pb::TagTicketRequest {
        seller_id: shop.seller.clone(),
        ticket_id: angry.id.clone(),
        add: add.iter().map(|tag| (*tag).to_owned()).collect(),
        remove: remove.iter().map(|tag| (*tag).to_owned()).collect(),
        ..Default::default()
    };
    agent.workflow.tag_ticket(tag(&["complaint-late"], &[])).await.expect("tagged");
    assert_ne!(open.id, angry.id);

    let admin = shop.tenant.admin.transport().await.expect("a token");
    let mut reports = SatisfactionServiceClient::new(admin);
    let today = jiff::tz::TimeZone::UTC.to_datetime(kit::Clock::System.now()).date();
    let asked = pb::GetSatisfactionReportRequest {
        from: (today - jiff::Span::new().days(2)).to_string(),
        before: (today + jiff::Span::new().days(2)).to_string(),
        ..Default::default()
    };
    let rows = reports.get_satisfaction_report(asked.clone()).await.expect("a report").into_inner().rows;
    let [row] = rows.as_slice() else { panic!("{rows:?}") };
    let pair = |share: &Option<pb::Share>| share.as_ref().map(|share| (share.hits, share.n));
    assert_eq!(pair(&row.first_contact), Some((1, 3)), "not with two answers, not when it came back");
    assert_eq!(row.first_contact_pending, 1);
    assert_eq!(pair(&row.reopened), Some((1, 3)));
    assert_eq!(pair(&row.complaints), Some((1, 5)));
    agent.workflow.tag_ticket(tag(&[], &["complaint-late"])).await.expect("untagged");
    let rows = reports.get_satisfaction_report(asked).await.expect("a report").into_inner().rows;
    assert_eq!(pair(&rows[0].complaints), Some((0, 5)));
}

#[tokio::test]
async fn surveys_are_set_up_by_the_provider_and_seen_by_the_seller() {
    let mut shop = shop("Survey roles").await;
    let own = shop.tenant.person("Olga", Role::SellerAdmin, &[&shop.seller.clone()]).await;
    let mut own = { own }.session;
    let mut of_seller = SurveysServiceClient::new(own.transport().await.expect("a token"));
    let denied = of_seller.put_survey(survey(&shop)).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    let mut surveys = SurveysServiceClient::new(shop.tenant.admin.transport().await.expect("a token"));
    let kept = surveys.put_survey(survey(&shop)).await.expect("kept").into_inner().survey.expect("a survey");
    let seen = of_seller.list_surveys(pb::ListSurveysRequest::default()).await.expect("seen").into_inner().surveys;
    assert_eq!(seen, std::slice::from_ref(&kept));

    let mut other = survey(&shop);
    other.texts[0].question = "Tutto bene?".into();
    let other = surveys.put_survey(other).await.expect("kept").into_inner().survey.expect("a survey");
    assert_eq!((other.survey_id.as_str(), other.version), (kept.survey_id.as_str(), 2));
    let before = pb::GetSurveyRequest { survey_id: kept.survey_id.clone(), version: 1, ..Default::default() };
    let before = of_seller.get_survey(before).await.expect("as it was").into_inner().survey.expect("a survey");
    assert_eq!(before.texts, kept.texts);

    let change = |with: fn(&mut pb::PutSurveyRequest)| {
        let mut request = survey(&shop);
        with(&mut request);
        request
    };
    for (bad, field) in [
        (change(|r| r.texts[1].invitation = "{{survey.link}} {{customer.shoe}}".into()), "texts[1].invitation"),
        (change(|r| r.texts[1].invitation = "no link".into()), "texts[1].invitation"),
        (change(|r| r.texts[1].language = "it".into()), "texts"),
        (change(|r| r.fallback_language = "fr".into()), "texts"),
        (change(|r| r.channels = vec!["pigeon".into()]), "channels[0]"),
        (change(|r| r.quiet_days = -1), "quiet_days"),
        (change(|r| r.kind = 0), "kind"),
        (change(|r| r.texts.clear()), "texts"),
    ] {
        let refused = surveys.put_survey(bad).await.unwrap_err();
        assert!(violated(&refused).contains(&field.to_owned()), "{field}: {refused:?}");
    }
    let kind = change(|r| r.kind = pb::SurveyKind::Nps.into());
    assert_eq!(reason(&surveys.put_survey(kind).await.unwrap_err()), "SURVEY_KIND");
}
