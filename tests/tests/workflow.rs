//! Workflow: what is done with tickets beside answering them, each change in the history.

use std::collections::BTreeSet;

use proto::tickets::v1 as pb;
use tests::reason;
use tonic::Code;

use crate::support::shop::{hands, shop};

#[tokio::test]
async fn tags_fields_and_priority_are_kept_and_told() {
    let mut shop = shop("Marks").await;
    let ticket = shop.ticket("w1", "Pacco", "Dov'è il mio pacco?").await;
    let mut lead = hands(&mut shop.tenant.admin).await;
    let mut agent = hands(&mut shop.agent.session).await;
    let tag = |add: &[&str], remove: &[&str]| pb::TagTicketRequest {
        seller_id: shop.seller.clone(),
        ticket_id: ticket.id.clone(),
        add: add.iter().map(|tag| (*tag).to_owned()).collect(),
        remove: remove.iter().map(|tag| (*tag).to_owned()).collect(),
        ..Default::default()
    };
    agent.workflow.tag_ticket(tag(&["late", "vip"], &[])).await.expect("tagged");
    let after = agent.workflow.tag_ticket(tag(&["late", "lost"], &["vip", "never"])).await.unwrap().into_inner();
    assert_eq!(after.extras.unwrap().tags, ["late", "lost"]);
    let bad = agent.workflow.tag_ticket(tag(&["Not A Tag"], &[])).await.unwrap_err();
    assert_eq!(bad.code(), Code::InvalidArgument);
    let list = pb::ListTagsRequest { seller_id: shop.seller.clone(), prefix: "l".into(), ..Default::default() };
    let tags = agent.workflow.list_tags(list).await.unwrap().into_inner().tags;
    let tags: Vec<_> = tags.iter().map(|tag| (tag.name.as_str(), tag.tickets)).collect();
    assert_eq!(tags, [("late", 1), ("lost", 1)]);
    let tagged =
        pb::ListTaggedTicketsRequest { seller_id: shop.seller.clone(), tag: "late".into(), ..Default::default() };
    let tagged = agent.workflow.list_tagged_tickets(tagged).await.unwrap().into_inner().tickets;
    assert_eq!(tagged.iter().map(|t| &t.id).collect::<Vec<_>>(), [&ticket.id]);

    let define = |key: &str, kind: pb::FieldType, choices: &[&str]| pb::PutFieldDefinitionRequest {
        seller_id: shop.seller.clone(),
        definition: Some(pb::FieldDefinition {
            key: key.into(),
            name: key.into(),
            r#type: kind.into(),
            choices: choices.iter().map(|choice| (*choice).to_owned()).collect(),
            active: true,
            ..Default::default()
        }),
        ..Default::default()
    };
    lead.workflow.put_field_definition(define("size", pb::FieldType::Integer, &[])).await.expect("a field");
    lead.workflow.put_field_definition(define("carrier", pb::FieldType::Choice, &["dhl", "ups"])).await.expect("one");
    let other = lead.workflow.put_field_definition(define("size", pb::FieldType::Text, &[])).await.unwrap_err();
    assert_eq!((other.code(), reason(&other).as_str()), (Code::FailedPrecondition, "FIELD_TYPE"));
    let set = |pairs: &[(&str, &str)]| pb::SetTicketFieldsRequest {
        seller_id: shop.seller.clone(),
        ticket_id: ticket.id.clone(),
        fields: pairs
            .iter()
            .map(|(key, value)| pb::FieldValue { key: (*key).into(), value: (*value).into() })
            .collect(),
        ..Default::default()
    };
    let refused = agent.workflow.set_ticket_fields(set(&[("size", "3"), ("carrier", "gls")])).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::InvalidArgument, "FIELD_VALUE"));
    let kept = agent.workflow.set_ticket_fields(set(&[("size", "042"), ("carrier", "ups")])).await.unwrap();
    let fields = kept.into_inner().extras.unwrap().fields;
    let fields: Vec<_> = fields.iter().map(|f| (f.key.as_str(), f.value.as_str())).collect();
    assert_eq!(fields, [("carrier", "ups"), ("size", "42")]);

    let urgent = pb::SetTicketPriorityRequest {
        seller_id: shop.seller.clone(),
        ticket_id: ticket.id.clone(),
        etag: ticket.etag.clone(),
        priority: pb::Priority::Urgent.into(),
        ..Default::default()
    };
    assert_eq!(agent.workflow.set_ticket_priority(urgent.clone()).await.unwrap_err().code(), Code::Aborted);
    let urgent = pb::SetTicketPriorityRequest { etag: String::new(), ..urgent };
    let after = agent.workflow.set_ticket_priority(urgent).await.unwrap().into_inner().ticket.unwrap();
    assert_eq!(after.priority(), pb::Priority::Urgent);
    let want = [
        ("customer_wrote", ""),
        ("tagged", "late"),
        ("tagged", "vip"),
        ("untagged", "vip"),
        ("tagged", "lost"),
        ("field_set", "size=42"),
        ("field_set", "carrier=ups"),
        ("prioritized", "urgent"),
    ];
    assert_eq!(agent.history(&ticket.id).await, want.map(|(kind, detail)| (kind.to_owned(), detail.to_owned())));
}

#[tokio::test]
async fn a_snoozed_ticket_wakes_once_and_asks_for_work() {
    let mut shop = shop("Snooze").await;
    let ticket = shop.ticket("s1", "Pacco", "Dov'è il mio pacco?").await;
    let mut agent = hands(&mut shop.agent.session).await;
    let reply = pb::ReplyRequest {
        seller_id: shop.seller.clone(),
        request_id: "r".into(),
        ticket_id: ticket.id.clone(),
        text: "Chiedo al corriere.".into(),
        ..Default::default()
    };
    agent.tickets.reply(reply).await.expect("an answer");
    let now = kit::Clock::System.now();
    let snooze = |seconds: i64| pb::SnoozeTicketRequest {
        seller_id: shop.seller.clone(),
        ticket_id: ticket.id.clone(),
        until: Some(kit::wire::timestamp(now + jiff::SignedDuration::from_secs(seconds))),
        ..Default::default()
    };
    let past = agent.workflow.snooze_ticket(snooze(-60)).await.unwrap_err();
    assert_eq!((past.code(), reason(&past).as_str()), (Code::InvalidArgument, "BAD_MOMENT"));
    let asleep = agent.workflow.snooze_ticket(snooze(3)).await.expect("asleep").into_inner();
    assert_eq!(asleep.ticket.unwrap().state(), pb::TicketState::OnHold);
    assert!(asleep.extras.unwrap().wakes_at.is_some());
    agent.until_state(&ticket.id, pb::TicketState::Open).await;
    let kinds: Vec<String> = agent.history(&ticket.id).await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["customer_wrote", "answered", "snoozed", "woken"]);
    let extras = pb::GetTicketExtrasRequest { ticket_id: ticket.id.clone(), ..Default::default() };
    let extras = agent.workflow.get_ticket_extras(extras).await.unwrap().into_inner().extras.unwrap();
    assert_eq!(extras.wakes_at, None);
}

#[tokio::test]
async fn links_duplicates_and_many_at_once() {
    let mut shop = shop("Many").await;
    let one = shop.ticket_of("l1", "anna@example.it", "Pacco perso ordine", "Dov'è il mio pacco?", "A-77").await;
    let two = shop.ticket_of("l2", "bruno@example.it", "Rimborso", "Voglio un rimborso", "A-77").await;
    let three = shop.ticket_of("l3", "anna@example.it", "Fattura", "Serve la fattura", "").await;
    let four = shop.ticket_of("l4", "carla@example.it", "Pacco perso, ordine?", "Dove?", "").await;
    let five = shop.ticket_of("l5", "dino@example.it", "Buono regalo", "Come funziona?", "").await;
    let mut agent = hands(&mut shop.agent.session).await;
    let suggest = pb::SuggestDuplicatesRequest { ticket_id: one.id.clone(), ..Default::default() };
    let likely = agent.workflow.suggest_duplicates(suggest).await.unwrap().into_inner().duplicates;
    let likely: Vec<_> = likely.iter().map(|d| (d.ticket.as_ref().unwrap().id.as_str(), d.reasons.join(","))).collect();
    let want = [
        (two.id.as_str(), "same_order".to_owned()),
        (four.id.as_str(), "similar_subject".to_owned()),
        (three.id.as_str(), "same_customer".to_owned()),
    ];
    assert_eq!(likely, want, "and not {}", five.id);

    let link = |from: &str, to: &str, kind: pb::LinkKind| pb::LinkTicketsRequest {
        seller_id: shop.seller.clone(),
        ticket_id: from.into(),
        target_ticket_id: to.into(),
        kind: kind.into(),
        ..Default::default()
    };
    use pb::LinkKind::{IncidentOf, ProblemOf, Related};
    agent.workflow.link_tickets(link(&two.id, &one.id, IncidentOf)).await.expect("linked");
    let problem = agent.workflow.link_tickets(link(&one.id, &four.id, ProblemOf)).await.unwrap().into_inner().links;
    assert_eq!(problem.iter().map(pb::TicketLink::kind).collect::<Vec<_>>(), [ProblemOf, ProblemOf]);
    let second = agent.workflow.link_tickets(link(&two.id, &three.id, IncidentOf)).await.unwrap_err();
    assert_eq!((second.code(), reason(&second).as_str()), (Code::FailedPrecondition, "HAS_PROBLEM"));
    let again = agent.workflow.link_tickets(link(&one.id, &two.id, Related)).await.unwrap_err();
    assert_eq!(again.code(), Code::AlreadyExists);
    let unlink = pb::UnlinkTicketsRequest {
        seller_id: shop.seller.clone(),
        ticket_id: one.id.clone(),
        target_ticket_id: two.id.clone(),
        ..Default::default()
    };
    assert_eq!(agent.workflow.unlink_tickets(unlink).await.unwrap().into_inner().links.len(), 1);
    let history = agent.history(&two.id).await;
    assert_eq!(
        history[1..],
        [("linked".to_owned(), format!("incident of {}", one.number)), ("unlinked".to_owned(), one.number.clone())]
    );

    let mut lead = hands(&mut shop.tenant.admin).await;
    let solve = |id: &str| pb::SolveTicketRequest {
        seller_id: shop.seller.clone(),
        ticket_id: id.into(),
        ..Default::default()
    };
    lead.tickets.solve_ticket(solve(&five.id)).await.expect("solved");
    let close =
        pb::CloseTicketRequest { seller_id: shop.seller.clone(), ticket_id: five.id.clone(), ..Default::default() };
    lead.tickets.close_ticket(close).await.expect("closed");
    use pb::action::Action::{AddTag, SetPriority};
    let bulk = pb::BulkEditTicketsRequest {
        seller_id: shop.seller.clone(),
        request_id: "bulk-1".into(),
        ticket_ids: vec![three.id.clone(), five.id.clone(), "ticket_00000000000000000000000009".into(), one.id.clone()],
        actions: vec![
            pb::Action { action: Some(AddTag("bulk".into())) },
            pb::Action { action: Some(SetPriority(pb::Priority::Low.into())) },
        ],
    };
    let first = agent.workflow.bulk_edit_tickets(bulk.clone()).await.expect("done").into_inner();
    let twice = agent.workflow.bulk_edit_tickets(bulk.clone()).await.expect("answered").into_inner();
    assert_eq!(first, twice);
    let results: Vec<_> = first.results.iter().map(|r| (r.done, r.reason.as_str())).collect();
    assert_eq!(results, [(true, ""), (false, "TICKET_CLOSED"), (false, "NOT_FOUND"), (true, "")]);
    assert_eq!(agent.ticket(&three.id).await.priority(), pb::Priority::Low);
    let many = pb::BulkEditTicketsRequest { ticket_ids: vec![three.id.clone(); 101], ..bulk };
    assert_eq!(agent.workflow.bulk_edit_tickets(many).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn the_transition_table_is_published_whole() {
    let mut shop = shop("Table").await;
    let mut agent = hands(&mut shop.agent.session).await;
    let table = agent.workflow.get_transition_table(pb::GetTransitionTableRequest::default()).await;
    let table = table.expect("a table").into_inner().transitions;
    let cells: BTreeSet<_> = table.iter().map(|t| (t.from, t.step.clone())).collect();
    assert_eq!((table.len(), cells.len()), (7 * 14, 7 * 14));
    let to = |from: pb::TicketState, step: &str| {
        table.iter().find(|t| t.from() == from && t.step == step).expect("a cell").to()
    };
    assert_eq!(to(pb::TicketState::Open, "hold_pending_seller"), pb::TicketState::PendingSeller);
    assert_eq!(to(pb::TicketState::Closed, "reopen"), pb::TicketState::Unspecified);
}

#[tokio::test]
async fn triggers_act_once_answer_no_machine_and_can_be_tried_on_the_past() {
    let mut shop = shop("Triggers").await;
    let before = shop.ticket("past", "Pacco perso", "Dov'è il mio pacco? È perso").await;
    let mut lead = hands(&mut shop.tenant.admin).await;
    let mut agent = hands(&mut shop.agent.session).await;
    let text = pb::PutTemplateRequest {
        seller_id: shop.seller.clone(),
        key: "welcome".into(),
        language: "it".into(),
        title: "Welcome".into(),
        text: "Gentile {{customer.first_name}}, abbiamo ricevuto il Suo messaggio: {{ticket.number}}.".into(),
        ..Default::default()
    };
    lead.answering.put_template(text).await.expect("a template");
    use pb::action::Action::{AddTag, ReplyTemplateKey, SetPriority};
    use pb::condition::Test::{SubjectHas, Tag};
    let action = |action| pb::Action { action: Some(action) };
    let has = |words: &[&str]| pb::Words { values: words.iter().map(|word| (*word).to_owned()).collect() };
    let condition = |test| pb::Condition { test: Some(test) };
    let put = |key: &str, when: &str, all: Vec<pb::Condition>, then: Vec<pb::Action>| pb::PutTriggerRequest {
        seller_id: shop.seller.clone(),
        key: key.into(),
        name: key.into(),
        rule: Some(pb::TriggerRule { when: vec![when.into()], all, then, ..Default::default() }),
        ..Default::default()
    };
    let lost = put(
        "lost",
        "opened",
        vec![condition(SubjectHas(has(&["PERSO", "lost"])))],
        vec![action(AddTag("lost".into())), action(ReplyTemplateKey("welcome".into()))],
    );
    let urgent = put(
        "urgent",
        "tagged",
        vec![condition(Tag(has(&["lost"])))],
        vec![action(SetPriority(pb::Priority::Urgent.into()))],
    );
    let blank = put("blank", "opened", vec![], vec![action(AddTag("never".into()))]);
    let empty = put("empty", "opened", vec![condition(SubjectHas(has(&[])))], vec![action(AddTag("never".into()))]);
    assert_eq!(lead.triggers.put_trigger(empty).await.unwrap_err().code(), Code::InvalidArgument);

    let at = |second: i64| {
        let now = kit::Clock::System.now() + jiff::SignedDuration::from_secs(second);
        Some(kit::wire::timestamp(now))
    };
    let dry = pb::DryRunTriggerRequest {
        seller_id: shop.seller.clone(),
        rule: lost.rule.clone(),
        since: at(-3_600),
        until: at(60),
    };
    let tried = lead.triggers.dry_run_trigger(dry).await.expect("a trial").into_inner();
    assert_eq!((tried.looked_at, tried.matched, tried.tickets[0].id.as_str()), (1, 1, before.id.as_str()));
    for request in [lost.clone(), urgent, blank] {
        lead.triggers.put_trigger(request).await.expect("a trigger");
    }
    assert_eq!(agent.triggers.put_trigger(lost).await.unwrap_err().code(), Code::PermissionDenied);

    // Whether a seller has triggers is remembered for a moment.
    let mut serial = 0;
    let found = loop {
        serial += 1;
        let ticket = shop.ticket(&format!("new{serial}"), "Pacco perso", "Dov'è il mio pacco? È perso").await;
        let workflow = agent.workflow.clone();
        let tagged = tests::eventually("triggers looked at the ticket, or did not know of any", || {
            let mut workflow = workflow.clone();
            let request = pb::GetTicketExtrasRequest { ticket_id: ticket.id.clone(), ..Default::default() };
            let old =
                ticket.created_at.as_ref().is_some_and(|at| at.seconds + 8 < kit::Clock::System.now().as_second());
            async move {
                let tags = workflow.get_ticket_extras(request).await.ok()?.into_inner().extras?.tags;
                (!tags.is_empty() || old).then_some(!tags.is_empty())
            }
        })
        .await;
        if tagged {
            break ticket;
        }
        assert!(serial < 3, "no trigger fired");
    };
    let want = [
        ("customer_wrote", ""),
        ("triggered", "lost v1"),
        ("tagged", "lost"),
        ("answered", ""),
        ("triggered", "urgent v1"),
        ("prioritized", "urgent"),
    ];
    assert_eq!(agent.history(&found.id).await, want.map(|(kind, detail)| (kind.to_owned(), detail.to_owned())));
    let list = pb::ListMessagesRequest { ticket_id: found.id.clone(), ..Default::default() };
    let messages = agent.tickets.list_messages(list).await.unwrap().into_inner().messages;
    assert!(messages[1].automatic && messages[1].text.contains(&found.number), "{}", messages[1].text);
    let after = agent.ticket(&found.id).await;
    assert_eq!((after.state(), after.first_response_at), (pb::TicketState::New, None), "no person answered");

    // A machine's mail is tagged by nobody and answered by nobody.
    let mail = "From: robot@example.it\r\nTo: help@masque.example\r\nMessage-ID: <auto@example.it>\r\n\
        Auto-Submitted: auto-replied\r\nSubject: Pacco perso\r\n\r\nSono in vacanza.\r\n";
    let mail = pb::ReceiveEmailRequest {
        seller_id: shop.seller.clone(),
        raw: mail.as_bytes().to_vec().into(),
        ..Default::default()
    };
    let robot = lead.tickets.receive_email(mail).await.expect("taken in").into_inner().ticket.expect("a ticket");
    let later = shop.ticket("later", "Pacco perso di nuovo", "Dov'è il mio pacco? È perso").await;
    let extras = pb::GetTicketExtrasRequest { ticket_id: later.id, ..Default::default() };
    let workflow = agent.workflow.clone();
    tests::eventually("what came after it was looked at", || {
        let (mut workflow, extras) = (workflow.clone(), extras.clone());
        async move {
            let extras = workflow.get_ticket_extras(extras).await.ok()?.into_inner().extras?;
            (!extras.tags.is_empty()).then_some(())
        }
    })
    .await;
    assert_eq!(agent.ticket(&robot.id).await.message_count, 1);

    let list = pb::ListTriggersRequest { seller_id: shop.seller.clone(), ..Default::default() };
    let all = agent.triggers.list_triggers(list).await.unwrap().into_inner().triggers;
    let fired: Vec<_> = all.iter().map(|trigger| (trigger.key.as_str(), trigger.fired_count > 0)).collect();
    assert_eq!(fired, [("blank", false), ("lost", true), ("urgent", true)]);
}
