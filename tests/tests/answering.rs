//! Answering: in the seller's words, with nobody else's, within what somebody may grant, and not two at
//! once.

use proto::Role;
use proto::tenants::v1::onboarding_service_client::OnboardingServiceClient;
use proto::tenants::v1::sellers_service_client::SellersServiceClient;
use proto::tenants::v1::{
    BrandVoice, PlaybookEntry, PutBrandVoiceRequest, PutPlaybookEntryRequest, Seller, UpdateSellerRequest,
};
use proto::tickets::v1 as pb;
use proto::tickets::v1::customers_service_client::CustomersServiceClient;
use proto::tickets::v1::privacy_service_client::PrivacyServiceClient;
use proto::tickets::v1::timeline_entry::What;
use proto::types::v1::Money;
use tests::{eventually, reason};
use tonic::Code;

use crate::support::shop::{Hands, Shop, hands, shop};

async fn put(hands: &mut Hands, shop: &Shop, key: &str, language: &str, text: &str) -> pb::Template {
    let request = pb::PutTemplateRequest {
        seller_id: shop.seller.clone(),
        key: key.into(),
        language: language.into(),
        title: key.into(),
        text: text.into(),
        ..Default::default()
    };
    hands.answering.put_template(request).await.expect("a template").into_inner().template.expect("a template")
}

/// Makes the seller speak Italian as the brand Masque.
async fn voice(shop: &mut Shop) {
    let transport = shop.tenant.admin.transport().await.unwrap();
    SellersServiceClient::new(transport.clone())
        .update_seller(UpdateSellerRequest {
            seller_id: shop.seller.clone(),
            seller: Some(Seller {
                brands: vec!["Masque Noir".into()],
                languages: vec!["it".into()],
                countries: vec!["IT".into()],
                ..Seller::default()
            }),
            ..Default::default()
        })
        .await
        .expect("a profile");
    let mut onboarding = OnboardingServiceClient::new(transport);
    let spoken = BrandVoice {
        brand: "Masque Noir".into(),
        language: "it".into(),
        address_form: "formal".into(),
        greeting: "Gentile cliente,".into(),
        sign_off: "Cordiali saluti\nMasque Noir".into(),
        alias: "Chiara".into(),
        tone: "warm".into(),
        avoid: vec!["purtroppo".into()],
    };
    onboarding
        .put_brand_voice(PutBrandVoiceRequest {
            seller_id: shop.seller.clone(),
            brand_voice: Some(spoken),
            ..Default::default()
        })
        .await
        .expect("a voice");
    for situation in ["late_delivery", "return"] {
        let entry = PlaybookEntry {
            country: "IT".into(),
            situation: situation.into(),
            say: format!("say {situation}"),
            avoid: "guilt".into(),
        };
        onboarding
            .put_playbook_entry(PutPlaybookEntryRequest {
                seller_id: shop.seller.clone(),
                entry: Some(entry),
                ..Default::default()
            })
            .await
            .expect("an entry");
    }
}

#[tokio::test]
async fn a_template_is_filled_in_or_refused_and_keeps_its_versions() {
    let mut shop = shop("Templates").await;
    voice(&mut shop).await;
    let ticket = shop.ticket("t1", "Dov'è il mio pacco?", "Buongiorno, dov'è il mio pacco? Grazie mille").await;
    let mut lead = hands(&mut shop.tenant.admin).await;
    let mut agent = hands(&mut shop.agent.session).await;

    let unknown = pb::PutTemplateRequest {
        seller_id: shop.seller.clone(),
        key: "late".into(),
        language: "it".into(),
        title: "Late".into(),
        text: "Ciao {{customer.shoe}}".into(),
        ..Default::default()
    };
    let refused = lead.answering.put_template(unknown).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("does not exist") && !refused.message().contains("shoe"));

    let text = "{{brand.greeting}}\n{{customer.first_name}}, {{ticket.number}}.\n{{agent.alias}}\n{{agent.signature}}";
    let first = put(&mut lead, &shop, "late", "it", text).await;
    let order = put(&mut lead, &shop, "order", "it", "Ordine {{order.id}} di {{seller.name}}").await;
    let render = |id: &str| pb::RenderTemplateRequest {
        seller_id: shop.seller.clone(),
        ticket_id: ticket.id.clone(),
        template_id: id.into(),
    };
    let filled = agent.answering.render_template(render(&first.id)).await.expect("a text").into_inner();
    let want = format!("Gentile cliente,\nAnna, {}.\nChiara\nCordiali saluti\nMasque Noir", ticket.number);
    assert_eq!((filled.text, filled.version), (want, 1));
    let hole = agent.answering.render_template(render(&order.id)).await.unwrap_err();
    assert_eq!((hole.code(), reason(&hole).as_str()), (Code::FailedPrecondition, "TEMPLATE_UNRESOLVED"));
    assert!(hole.message().contains("order.id"), "{}", hole.message());

    // Her own name and signature go before the brand's.
    let own = pb::PutSignatureRequest {
        seller_id: shop.seller.clone(),
        alias: "Giulia M.".into(),
        signature: "Giulia".into(),
        ..Default::default()
    };
    agent.answering.put_signature(own.clone()).await.expect("a signature");
    let others = pb::PutSignatureRequest { user_id: "user_00000000000000000000000001".into(), ..own };
    assert_eq!(agent.answering.put_signature(others).await.unwrap_err().code(), Code::PermissionDenied);
    let filled = agent.answering.render_template(render(&first.id)).await.expect("a text").into_inner();
    assert!(filled.text.ends_with("Giulia M.\nGiulia"), "{}", filled.text);

    let second = put(&mut lead, &shop, "late", "it", "Altro {{customer.name}}").await;
    assert_eq!((second.id.as_str(), second.version), (first.id.as_str(), 2));
    let stale = pb::PutTemplateRequest {
        seller_id: shop.seller.clone(),
        etag: first.etag,
        key: "late".into(),
        language: "it".into(),
        title: "Late".into(),
        text: "x".into(),
        ..Default::default()
    };
    assert_eq!(lead.answering.put_template(stale).await.unwrap_err().code(), Code::Aborted);
    let list = pb::ListTemplateVersionsRequest {
        seller_id: shop.seller.clone(),
        template_id: first.id.clone(),
        page_size: 1,
        ..Default::default()
    };
    let newest = lead.answering.list_template_versions(list.clone()).await.unwrap().into_inner();
    let older = pb::ListTemplateVersionsRequest { page_token: newest.next_page_token, ..list };
    let older = lead.answering.list_template_versions(older).await.unwrap().into_inner().versions;
    assert_eq!((newest.versions[0].version, older[0].version, older[0].text.as_str()), (2, 1, text));

    let retire = pb::RetireTemplateRequest {
        seller_id: shop.seller.clone(),
        template_id: order.id.clone(),
        ..Default::default()
    };
    assert!(!lead.answering.retire_template(retire).await.unwrap().into_inner().template.unwrap().active);
    let suggest = pb::SuggestTemplatesRequest { ticket_id: ticket.id.clone(), ..Default::default() };
    let suggested = agent.answering.suggest_templates(suggest).await.unwrap().into_inner().templates;
    assert_eq!(suggested.iter().map(|t| t.key.as_str()).collect::<Vec<_>>(), ["late"], "nothing retired");

    let guidance = pb::GetGuidanceRequest {
        seller_id: shop.seller.clone(),
        ticket_id: ticket.id.clone(),
        situation: "return".into(),
    };
    let guidance = agent.answering.get_guidance(guidance).await.expect("guidance").into_inner();
    assert_eq!((guidance.language.as_str(), guidance.alias.as_str()), ("it", "Giulia M."));
    assert_eq!(guidance.voices[0].avoid, ["purtroppo"]);
    if guidance.country == "IT" {
        assert_eq!((guidance.playbook[0].situation.as_str(), guidance.playbook[0].fits), ("return", true));
    }
}

#[tokio::test]
async fn a_macro_answers_and_does_the_rest_all_or_nothing() {
    let mut shop = shop("Macros").await;
    let ticket = shop.ticket("m1", "Pacco", "Dov'è il mio pacco? Non è ancora arrivato").await;
    let mut lead = hands(&mut shop.tenant.admin).await;
    let mut agent = hands(&mut shop.agent.session).await;
    use pb::action::Action::{AddTag, SetField, SetPriority, Solve};
    let action = |action| pb::Action { action: Some(action) };
    let make = |key: &str, actions: Vec<pb::Action>| pb::PutTemplateRequest {
        seller_id: shop.seller.clone(),
        key: key.into(),
        language: "it".into(),
        title: key.into(),
        text: "Arriva domani, {{customer.first_name}}.".into(),
        actions,
        ..Default::default()
    };
    let done = make("done", vec![action(AddTag("late".into())), action(SetPriority(3)), action(Solve(true))]);
    let done = lead.answering.put_template(done).await.expect("a macro").into_inner().template.unwrap();
    let field = pb::FieldValue { key: "nowhere".into(), value: "1".into() };
    let broken = make("broken", vec![action(AddTag("never".into())), action(SetField(field))]);
    let broken = lead.answering.put_template(broken).await.expect("a macro").into_inner().template.unwrap();

    let apply = |id: &str, request_id: &str| pb::ApplyMacroRequest {
        seller_id: shop.seller.clone(),
        request_id: request_id.into(),
        ticket_id: ticket.id.clone(),
        template_id: id.into(),
        ..Default::default()
    };
    let refused = agent.answering.apply_macro(apply(&broken.id, "a1")).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::InvalidArgument, "NO_SUCH_FIELD"));
    assert_eq!(agent.ticket(&ticket.id).await.message_count, 1, "nothing of it was done");

    let draft = pb::PutDraftRequest {
        seller_id: shop.seller.clone(),
        ticket_id: ticket.id.clone(),
        text: "Gentile".into(),
        ..Default::default()
    };
    let kept = agent.answering.put_draft(draft.clone()).await.expect("a draft").into_inner().draft.unwrap();
    let again = pb::PutDraftRequest { text: "Gentile Anna".into(), etag: kept.etag.clone(), ..draft.clone() };
    agent.answering.put_draft(again.clone()).await.expect("kept again");
    assert_eq!(agent.answering.put_draft(again).await.unwrap_err().code(), Code::Aborted, "from another window");
    let get = pb::GetDraftRequest { seller_id: shop.seller.clone(), ticket_id: ticket.id.clone() };
    let mine = agent.answering.get_draft(get.clone()).await.expect("hers").into_inner().draft.unwrap();
    assert_eq!(mine.text, "Gentile Anna");
    assert_eq!(lead.answering.get_draft(get.clone()).await.unwrap_err().code(), Code::NotFound, "nobody else's");

    let first = agent.answering.apply_macro(apply(&done.id, "a2")).await.expect("an answer").into_inner();
    let twice = agent.answering.apply_macro(apply(&done.id, "a2")).await.expect("the same").into_inner();
    assert_eq!(first, twice);
    assert_eq!(first.message.unwrap().text, "Arriva domani, Anna.");
    assert_eq!(first.extras.unwrap().tags, ["late"]);
    let after = agent.ticket(&ticket.id).await;
    assert_eq!(
        (after.state(), after.priority(), after.message_count),
        (pb::TicketState::Solved, pb::Priority::High, 2)
    );
    let kinds: Vec<String> = agent.history(&ticket.id).await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["customer_wrote", "answered", "tagged", "prioritized", "solved"]);
    let used = pb::GetTemplateRequest { template_id: done.id.clone(), ..Default::default() };
    assert_eq!(agent.answering.get_template(used).await.unwrap().into_inner().template.unwrap().usage_count, 1);
    assert_eq!(agent.answering.get_draft(get).await.unwrap_err().code(), Code::NotFound, "answered");
}

#[tokio::test]
async fn another_sellers_words_do_not_leave_unless_a_supervisor_says_why() {
    let mut shop = shop("Guard").await;
    let other = shop.tenant.seller("bergkind").await;
    shop.tenant.account(&other, "email", "service@bergkind.example").await;
    let patterns = pb::PutOrderPatternsRequest {
        seller_id: other.clone(),
        patterns: vec!["BK-######".into()],
        ..Default::default()
    };
    let mut lead = hands(&mut shop.tenant.admin).await;
    lead.answering.put_order_patterns(patterns.clone()).await.expect("patterns");
    let bad = pb::PutOrderPatternsRequest { patterns: vec!["#######".into()], ..patterns };
    assert_eq!(lead.answering.put_order_patterns(bad).await.unwrap_err().code(), Code::InvalidArgument);
    let ticket = shop.ticket("g1", "Pacco", "Dov'è il mio pacco? Non è ancora arrivato").await;
    let mut agent = hands(&mut shop.agent.session).await;

    // The sellers' names reach this service a moment after they were made.
    let check = |text: &str| pb::CheckReplyRequest {
        seller_id: shop.seller.clone(),
        ticket_id: ticket.id.clone(),
        text: text.into(),
    };
    let text = "Scriva a service@bergkind.example per l'ordine BK-204511.";
    let answering = agent.answering.clone();
    let findings = eventually("the guard knows the other seller", || {
        let (mut answering, check) = (answering.clone(), check(text));
        async move {
            let found = answering.check_reply(check).await.expect("an answer").into_inner().findings;
            (found.len() == 2).then_some(found)
        }
    })
    .await;
    let found: Vec<_> = findings.iter().map(|f| (f.kind.as_str(), f.text.as_str())).collect();
    assert_eq!(found, [("address", "service@bergkind.example"), ("order_id", "BK-204511")]);
    let named = agent.answering.check_reply(check("Saluti dal team di Seller bergkind")).await.unwrap().into_inner();
    assert_eq!(named.findings[0].kind, "name");
    let own = agent.answering.check_reply(check("Scriva a help@masque.example, ordine XY-204511.")).await.unwrap();
    assert!(own.into_inner().findings.is_empty(), "its own words leave");

    let reply = |request_id: &str, text: &str| pb::ReplyRequest {
        seller_id: shop.seller.clone(),
        request_id: request_id.into(),
        ticket_id: ticket.id.clone(),
        text: text.into(),
        ..Default::default()
    };
    let stopped = agent.tickets.reply(reply("r1", text)).await.unwrap_err();
    assert_eq!((stopped.code(), reason(&stopped).as_str()), (Code::FailedPrecondition, "NAMES_ANOTHER_SELLER"));
    assert_eq!(agent.ticket(&ticket.id).await.message_count, 1);

    let release = pb::OverrideGuardRequest {
        seller_id: shop.seller.clone(),
        request_id: "o1".into(),
        ticket_id: ticket.id.clone(),
        text: text.into(),
        reason: "the customer bought there too".into(),
    };
    assert_eq!(agent.answering.override_guard(release.clone()).await.unwrap_err().code(), Code::PermissionDenied);
    let harmless = pb::OverrideGuardRequest { request_id: "o2".into(), text: "Ciao".into(), ..release.clone() };
    assert_eq!(reason(&lead.answering.override_guard(harmless).await.unwrap_err()), "NOTHING_TO_OVERRIDE");
    lead.answering.override_guard(release).await.expect("let leave");
    let other_text = format!("{text} E altro.");
    assert_eq!(reason(&agent.tickets.reply(reply("r2", &other_text)).await.unwrap_err()), "NAMES_ANOTHER_SELLER");
    agent.tickets.reply(reply("r3", text)).await.expect("this very text leaves");
    let history = agent.history(&ticket.id).await;
    assert!(history.contains(&("guard_overridden".into(), "the customer bought there too".into())), "{history:?}");

    // The seller's own people learn nothing of whom else the provider serves: neither by asking nor by writing.
    let seller = shop.seller.clone();
    let mut boss = shop.tenant.person("Bea", Role::SellerAdmin, &[&seller]).await;
    let mut hers = CustomersServiceClient::new(boss.session.transport().await.unwrap());
    let mut boss = hands(&mut boss.session).await;
    assert_eq!(boss.answering.check_reply(check(text)).await.unwrap_err().code(), Code::PermissionDenied);
    boss.tickets.reply(reply("r4", text)).await.expect("her own words leave");
    let list = pb::ListTicketEventsRequest { ticket_id: ticket.id.clone(), ..Default::default() };
    let events = boss.tickets.list_ticket_events(list).await.unwrap().into_inner().events;
    assert!(events.iter().all(|event| event.detail.is_empty()));
    let list = pb::ListCustomerTimelineRequest { customer_id: ticket.customer_id.clone(), ..Default::default() };
    let entries = hers.list_customer_timeline(list).await.unwrap().into_inner().entries;
    let events: Vec<_> = entries
        .into_iter()
        .filter_map(|entry| match entry.what {
            Some(What::TicketEvent(event)) => Some((event.kind, event.detail)),
            _ => None,
        })
        .collect();
    assert!(events.contains(&("guard_overridden".into(), String::new())), "{events:?}");
}

/// The same marketplace sells for both, so that how an order id looks says nothing of whose it is.
#[tokio::test]
async fn an_order_of_another_sellers_customer_does_not_leave_until_it_is_forgotten() {
    let mut shop = shop("Orders").await;
    let other = shop.tenant.seller("bergkind").await;
    let account = shop.tenant.account(&other, "email", "service@bergkind.example").await;
    let ticket = shop.ticket_of("mine", "anna@example.it", "Ordine", "Dov'è?", "302-1111111-1111111").await;
    let (mine, from) = (shop.seller.clone(), shop.account.clone());
    (shop.seller, shop.account) = (other.clone(), account);
    let theirs = shop.ticket_of("theirs", "max@example.de", "Paket", "Wo ist es?", "302-7654321-7654321").await;
    shop.ticket_of("shared", "eva@example.de", "Paket", "Wo ist es?", "302-1111111-1111111").await;
    (shop.seller, shop.account) = (mine.clone(), from);
    let mut agent = hands(&mut shop.agent.session).await;
    let reply = |id: &str, text: &str| pb::ReplyRequest {
        seller_id: mine.clone(),
        request_id: id.into(),
        ticket_id: ticket.id.clone(),
        text: text.into(),
        ..Default::default()
    };
    let text = "L'ordine #302-7654321-7654321 parte oggi.";
    let stopped = agent.tickets.reply(reply("r1", text)).await.unwrap_err();
    assert_eq!(reason(&stopped), "NAMES_ANOTHER_SELLER");
    let check = pb::CheckReplyRequest { seller_id: mine.clone(), ticket_id: ticket.id.clone(), text: text.into() };
    let found = agent.answering.check_reply(check).await.expect("findings").into_inner().findings;
    assert_eq!(
        found.iter().map(|f| (f.kind.as_str(), f.text.as_str())).collect::<Vec<_>>(),
        [("order", "302-7654321-7654321")]
    );
    agent.tickets.reply(reply("r2", "L'ordine 302-1111111-1111111 parte oggi.")).await.expect("her own order");
    let named = "Ho comprato anche con l'ordine 302-7654321-7654321";
    let hers = shop.ticket_of("named", "anna@example.it", "Altro ordine", named, "").await;
    let about = pb::ReplyRequest { ticket_id: hers.id, ..reply("r3", text) };
    agent.tickets.reply(about).await.expect("the customer named it first");

    let mut privacy = PrivacyServiceClient::new(shop.tenant.admin.transport().await.unwrap());
    let erase = pb::EraseCustomerRequest { seller_id: other, customer_id: theirs.customer_id, ..Default::default() };
    privacy.erase_customer(erase).await.expect("erased");
    agent.tickets.reply(reply("r4", text)).await.expect("nobody knows of it any more");
}

#[tokio::test]
async fn money_above_the_limit_needs_somebody_else() {
    let mut shop = shop("Money").await;
    let ticket = shop.ticket("c1", "Rotto", "La maschera è arrivata rotta, voglio un rimborso").await;
    let seller = shop.seller.clone();
    let mut supervisor = shop.tenant.person("Sofia", Role::Supervisor, &[&seller]).await;
    let mut supervisor = hands(&mut supervisor.session).await;
    let mut lead = hands(&mut shop.tenant.admin).await;
    let mut agent = hands(&mut shop.agent.session).await;
    let money = |amount: &str| Some(Money { currency: "EUR".into(), amount: amount.into() });
    for (role, amount) in [("agent", "20"), ("supervisor", "100.50")] {
        let limit = pb::AuthorityLimit { role: role.into(), kind: 1, amount: money(amount), ..Default::default() };
        let request =
            pb::PutAuthorityLimitRequest { seller_id: seller.clone(), limit: Some(limit), ..Default::default() };
        lead.concessions.put_authority_limit(request.clone()).await.expect("a limit");
        assert_eq!(agent.concessions.put_authority_limit(request).await.unwrap_err().code(), Code::PermissionDenied);
    }
    let ask = |request_id: &str, amount: &str| pb::RequestConcessionRequest {
        seller_id: seller.clone(),
        request_id: request_id.into(),
        ticket_id: ticket.id.clone(),
        kind: 1,
        amount: money(amount),
        reason: "broken".into(),
        ..Default::default()
    };
    let small = agent.concessions.request_concession(ask("q1", "15")).await.expect("granted").into_inner();
    let small = small.concession.unwrap();
    assert_eq!((small.state(), small.within_limit), (pb::ConcessionState::Approved, true));
    assert_eq!(small.amount.unwrap().amount, "15.00");
    // What was granted before counts: 15 and 10 are above 20.
    let more = agent.concessions.request_concession(ask("q2", "10")).await.expect("asked").into_inner().concession;
    let more = more.unwrap();
    assert_eq!((more.state(), more.within_limit), (pb::ConcessionState::Requested, false));
    let bad = agent.concessions.request_concession(ask("q3", "1.005")).await.unwrap_err();
    assert_eq!(bad.code(), Code::InvalidArgument);

    let decide = |id: &str, approve: bool| pb::DecideConcessionRequest {
        seller_id: seller.clone(),
        concession_id: id.into(),
        approve,
        ..Default::default()
    };
    assert_eq!(
        agent.concessions.decide_concession(decide(&more.id, true)).await.unwrap_err().code(),
        Code::PermissionDenied
    );
    let done = supervisor.concessions.decide_concession(decide(&more.id, true)).await.expect("decided").into_inner();
    assert_eq!(done.concession.unwrap().state(), pb::ConcessionState::Approved);
    let twice = supervisor.concessions.decide_concession(decide(&more.id, false)).await.unwrap_err();
    assert_eq!((twice.code(), reason(&twice).as_str()), (Code::FailedPrecondition, "DECIDED"));

    let large = agent.concessions.request_concession(ask("q4", "80")).await.unwrap().into_inner().concession.unwrap();
    let above = supervisor.concessions.decide_concession(decide(&large.id, true)).await.unwrap_err();
    assert_eq!((above.code(), reason(&above).as_str()), (Code::PermissionDenied, "ABOVE_AUTHORITY"));
    let hers = supervisor.concessions.request_concession(ask("q5", "90")).await.unwrap().into_inner();
    let own = supervisor.concessions.decide_concession(decide(&hers.concession.unwrap().id, true)).await.unwrap_err();
    assert_eq!(reason(&own), "OWN_REQUEST");
    lead.concessions.decide_concession(decide(&large.id, true)).await.expect("an administrator may");

    let open = pb::ListConcessionsRequest { state: 1, ..Default::default() };
    assert_eq!(agent.concessions.list_concessions(open).await.unwrap().into_inner().concessions.len(), 1);
    let page = pb::ListConcessionsRequest { ticket_id: ticket.id.clone(), page_size: 2, ..Default::default() };
    let first = agent.concessions.list_concessions(page.clone()).await.unwrap().into_inner();
    let rest = pb::ListConcessionsRequest { page_token: first.next_page_token, ..page };
    let rest = agent.concessions.list_concessions(rest).await.unwrap().into_inner().concessions;
    assert_eq!((first.concessions.len(), rest.len(), rest[1].id.as_str()), (2, 2, small.id.as_str()));
    let history = agent.history(&ticket.id).await;
    let of_money: Vec<_> = history.iter().filter(|(_, detail)| detail.contains("EUR")).cloned().collect();
    let entry = |kind: &str, detail: &str| (kind.to_owned(), detail.to_owned());
    assert_eq!(
        of_money,
        [
            entry("approved", "refund 15.00 EUR"),
            entry("approval_requested", "refund 10.00 EUR"),
            entry("approved", "refund 10.00 EUR"),
            entry("approval_requested", "refund 80.00 EUR"),
            entry("approval_requested", "refund 90.00 EUR"),
            entry("approved", "refund 80.00 EUR"),
        ]
    );
}

#[tokio::test]
async fn two_at_one_ticket_see_one_another() {
    let mut shop = shop("Presence").await;
    let ticket = shop.ticket("p1", "Pacco", "Dov'è il mio pacco?").await;
    let mut agent = hands(&mut shop.agent.session).await;
    let mut lead = hands(&mut shop.tenant.admin).await;
    let touch = |doing: pb::Doing| pb::TouchTicketRequest {
        seller_id: shop.seller.clone(),
        ticket_id: ticket.id.clone(),
        doing: doing.into(),
    };
    let watch = pb::WatchTicketRequest { seller_id: shop.seller.clone(), ticket_id: ticket.id.clone() };
    let mut stream = lead.presence.watch_ticket(watch.clone()).await.expect("a stream").into_inner();
    let mut seen = async || stream.message().await.expect("the stream goes on").expect("a message").viewers;
    assert!(seen().await.is_empty());
    let others = agent.presence.touch_ticket(touch(pb::Doing::Viewing)).await.expect("told").into_inner().others;
    assert!(others.is_empty(), "she is not her own other");
    let now = seen().await;
    assert_eq!((now[0].user_id.as_str(), now[0].doing()), (shop.agent.user_id.as_str(), pb::Doing::Viewing));
    agent.presence.touch_ticket(touch(pb::Doing::Typing)).await.expect("told");
    assert_eq!(seen().await[0].doing(), pb::Doing::Typing);
    let others = lead.presence.touch_ticket(touch(pb::Doing::Viewing)).await.expect("told").into_inner().others;
    assert_eq!(others.len(), 1);
    assert_eq!(seen().await.len(), 2);
    agent.presence.touch_ticket(touch(pb::Doing::Gone)).await.expect("told");
    assert_eq!(seen().await.len(), 1);

    let seller = shop.seller.clone();
    let mut viewer = shop.tenant.person("Vera", Role::SellerViewer, &[&seller]).await;
    let mut viewer = hands(&mut viewer.session).await;
    assert_eq!(viewer.presence.watch_ticket(watch).await.unwrap_err().code(), Code::PermissionDenied);
}
