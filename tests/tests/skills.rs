//! What agents must know for a ticket, by the seller's policy, and how much of which channels each of them is given.

use proto::Role;
use proto::routing::v1::agent_session_request::Frame as Up;
use proto::routing::v1::agent_session_response::Frame as Down;
use proto::routing::v1::routing_service_client::RoutingServiceClient;
use proto::routing::v1::*;
use proto::tenants::v1::users_service_client::UsersServiceClient;
use proto::tenants::v1::{AgentProfile, LanguageLevel as Spoken, LanguageProficiency, UpdateAgentProfileRequest};
use proto::tickets::v1::action::Action as Do;
use proto::tickets::v1::tickets_service_client::TicketsServiceClient;
use proto::tickets::v1::workflow_service_client::WorkflowServiceClient;
use proto::tickets::v1::{
    Action as TicketAction, Author, BulkEditTicketsRequest, GetTicketRequest, ReceiveMessageRequest,
};
use tests::{Person, Tenant, desk, eventually, reason, violated};
use tonic::{Code, Status};

use crate::routing::{Stream, enqueue, mail};

/// Changes what an agent can do, besides Italian as mother tongue.
async fn equip(tenant: &mut Tenant, agent: &Person, profile: AgentProfile) -> Result<(), Status> {
    let languages = vec![LanguageProficiency { language: "it".into(), level: Spoken::Native.into() }];
    let request = UpdateAgentProfileRequest {
        user_id: agent.user_id.clone(),
        agent_profile: Some(AgentProfile { languages, time_zone: "Europe/Rome".into(), ..profile }),
        ..UpdateAgentProfileRequest::default()
    };
    let transport = tenant.admin.transport().await.expect("a token");
    UsersServiceClient::new(transport).update_agent_profile(request).await.map(|_| ())
}

type Routing = RoutingServiceClient<manydesk::cli::Transport>;

async fn set_rules(routing: &mut Routing, seller: &str, rules: &[SkillRule], id: &str) -> Result<(), Status> {
    let asked = GetRoutingPolicyRequest { seller_id: seller.into() };
    let policy = routing.get_routing_policy(asked).await?.into_inner().policy.expect("a policy");
    let base_version = policy.version;
    let request = UpdateRoutingPolicyRequest {
        seller_id: seller.into(),
        request_id: id.into(),
        policy: Some(RoutingPolicy { skill_rules: rules.to_vec(), ..policy }),
        base_version,
        allow_unmatched: false,
    };
    routing.update_routing_policy(request).await.map(|_| ())
}

fn rule(channel: &str, skill: &str) -> SkillRule {
    SkillRule { channels: vec![channel.into()], required_skills: vec![skill.into()], ..SkillRule::default() }
}

/// A message to an account, from a customer of its own.
async fn write(tenant: &mut Tenant, seller: &str, account: &str, id: &str) {
    let message = ReceiveMessageRequest {
        seller_id: seller.into(),
        channel_account_id: account.into(),
        external_id: id.into(),
        author: Some(Author { address: format!("{id}@customer.example"), name: "Anna".into() }),
        subject: "Vorrei restituire il pacco".into(),
        text: "Buongiorno, vorrei restituire il pacco che ho ricevuto ieri. Come devo fare? Grazie mille.".into(),
        ..ReceiveMessageRequest::default()
    };
    let mut tickets = TicketsServiceClient::new(tenant.admin.transport().await.expect("a token"));
    tickets.receive_message(message).await.expect("a message");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_goes_to_who_has_the_skills_that_the_policy_requires() {
    let mut tenant = desk().await.provider("Skills").await;
    let seller = tenant.seller("masque").await;
    let account = tenant.account(&seller, "web_form", "returns").await;
    let mut boss = tenant.person("Boss", Role::Supervisor, &[&seller]).await;
    let mut paula = tenant.agent("Paula", "it", &[&seller]).await;
    let mut hans = tenant.agent("Hans", "it", &[&seller]).await;
    let mut routing = RoutingServiceClient::new(boss.session.transport().await.expect("a token"));

    // Hans is at work and certified, but nobody has the skill: the policy would keep contacts from everybody
    let (mut hans_stream, welcome) = Stream::open(&mut hans.session).await;
    enqueue(&mut boss.session, mail(&seller, "anything", "it")).await;
    let offer = hans_stream.offer(welcome).await;
    hans_stream.say(Up::Accept(Accept { offer_id: offer.id })).await;
    hans_stream.done().await;
    let rules = [rule("web_form", "returns")];
    let refused = set_rules(&mut routing, &seller, &rules, "early").await.expect_err("nobody has it");
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "POLICY_UNMATCHED"));

    let skills = vec!["returns".to_owned()];
    equip(&mut tenant, &paula, AgentProfile { skills, ..AgentProfile::default() }).await.expect("a profile");
    eventually("the rule to be kept", || {
        let (mut routing, seller, rules) = (routing.clone(), seller.clone(), rules.clone());
        async move { set_rules(&mut routing, &seller, &rules, "kept").await.ok() }
    })
    .await;
    write(&mut tenant, &seller, &account, "first").await;

    let (mut stream, welcome) = Stream::open(&mut paula.session).await;
    let contact = stream.offer(welcome).await.contact.expect("a contact");
    assert_eq!(contact.needs.as_ref().map(|needs| needs.required_skills.clone()), Some(vec!["returns".to_owned()]));
    let asked =
        ExplainContactRequest { seller_id: seller.clone(), contact_id: contact.id, agent_id: hans.user_id.clone() };
    let why = routing.explain_contact(asked).await.expect("an explanation").into_inner();
    let obstacles = why.agents.first().map(|agent| agent.obstacles.clone()).unwrap_or_default();
    // it is offered to Paula as well
    assert_eq!(obstacles.first().map(String::as_str), Some("skill_missing"), "{obstacles:?}");

    let wrong = SkillRule { countries: vec!["Italy".into()], kinds: vec!["mood".into()], ..rule("fax", "Returns!") };
    let empty = SkillRule { channels: vec!["chat".into()], ..SkillRule::default() };
    let refused = set_rules(&mut routing, &seller, &[wrong, empty], "wrong").await.expect_err("all wrong");
    let fields = [
        "policy.skill_rules[0].channels[0]",
        "policy.skill_rules[0].countries",
        "policy.skill_rules[0].kinds",
        "policy.skill_rules[0].required_skills",
        "policy.skill_rules[1].required_skills",
    ];
    assert_eq!(violated(&refused), fields, "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_is_given_no_more_than_her_capacity_and_only_her_channels() {
    let mut tenant = desk().await.provider("Capacity").await;
    let seller = tenant.seller("masque").await;
    let mut boss = tenant.person("Boss", Role::Supervisor, &[&seller]).await;
    let mut trainee = tenant.agent("Tina", "it", &[&seller]).await;
    let on = |channels: &[&str], capacity_units: i32| AgentProfile {
        channels: channels.iter().map(|channel| (*channel).to_owned()).collect(),
        capacity_units,
        ..AgentProfile::default()
    };
    let refused = equip(&mut tenant, &trainee, on(&["chat", "fax", "chat"], 61)).await.expect_err("all wrong");
    let fields = ["agent_profile.channels[1]", "agent_profile.channels[2]", "agent_profile.capacity_units"];
    assert_eq!(violated(&refused), fields, "{refused:?}");

    // two mails at once, and no chats
    equip(&mut tenant, &trainee, on(&["email", "phone"], 12)).await.expect("a profile");
    let (mut stream, welcome) = Stream::open(&mut trainee.session).await;
    let routing = RoutingServiceClient::new(boss.session.transport().await.expect("a token"));
    let known = eventually("her capacity to be known", || {
        let mut routing = routing.clone();
        async move {
            let agents = routing.list_agents(ListAgentsRequest::default()).await.ok()?.into_inner().agents;
            agents.into_iter().find(|agent| agent.capacity_units == 12)
        }
    })
    .await;
    assert_eq!(known.channels, ["email"], "no call fits, and no chat was granted");

    let mut welcome = Some(welcome);
    for id in ["one", "two"] {
        enqueue(&mut boss.session, mail(&seller, id, "it")).await;
        let offer = stream.offer(welcome.take().unwrap_or_default()).await;
        stream.say(Up::Accept(Accept { offer_id: offer.id })).await;
        stream.done().await;
    }
    let third = enqueue(&mut boss.session, mail(&seller, "three", "it")).await;
    let chat = Needs { channel: "chat".into(), language: "it".into(), ..Needs::default() };
    let chat = EnqueueContactRequest { needs: Some(chat), ..mail(&seller, "chat", "it") };
    let chat = enqueue(&mut boss.session, chat).await;
    for (contact, obstacle) in [(&third, "no_room"), (&chat, "channel_not_served")] {
        let asked = ExplainContactRequest {
            seller_id: seller.clone(),
            contact_id: contact.id.clone(),
            agent_id: trainee.user_id.clone(),
        };
        let why = routing.clone().explain_contact(asked).await.expect("an explanation").into_inner();
        let told = why.agents.first().map(|agent| agent.obstacles.clone()).unwrap_or_default();
        assert!(told.iter().any(|told| told == obstacle), "{obstacle}: {told:?}");
    }

    // promoted: the third mail comes at once
    equip(&mut tenant, &trainee, on(&[], 0)).await.expect("a profile");
    let offer = stream.hear(|frame| if let Down::Offer(offer) = frame { Some(offer) } else { None }).await;
    assert!([&third.id, &chat.id].contains(&&offer.contact.expect("a contact").id));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_skill_that_a_ticket_asks_for_withdraws_the_offer_from_who_lacks_it() {
    let mut tenant = desk().await.provider("Asked skills").await;
    let seller = tenant.seller("masque").await;
    let account = tenant.account(&seller, "web_form", "shop").await;
    let mut boss = tenant.person("Boss", Role::Supervisor, &[&seller]).await;
    let mut paula = tenant.agent("Paula", "it", &[&seller]).await;
    let mut hans = tenant.agent("Hans", "it", &[&seller]).await;
    let skills = vec!["jewellery".to_owned()];
    equip(&mut tenant, &paula, AgentProfile { skills, ..AgentProfile::default() }).await.expect("a profile");

    let (mut hans_stream, welcome) = Stream::open(&mut hans.session).await;
    write(&mut tenant, &seller, &account, "ring").await;
    let offer = hans_stream.offer(welcome).await;
    let ticket_id = offer.contact.as_ref().expect("a contact").ticket_id.clone();

    let mut workflow = WorkflowServiceClient::new(boss.session.transport().await.expect("a token"));
    let edit = |id: &str, action| BulkEditTicketsRequest {
        seller_id: seller.clone(),
        request_id: id.into(),
        ticket_ids: vec![ticket_id.clone()],
        actions: vec![TicketAction { action: Some(action) }],
    };
    let refused = workflow.bulk_edit_tickets(edit("bad", Do::RequireSkill("Gold!".into()))).await.expect_err("bad");
    assert_eq!(violated(&refused), ["actions[0]"]);
    let done = workflow.bulk_edit_tickets(edit("ask", Do::RequireSkill("jewellery".into()))).await.expect("done");
    assert!(done.into_inner().results[0].done);
    let ended = hans_stream.hear(|frame| if let Down::OfferEnded(ended) = frame { Some(ended) } else { None }).await;
    assert_eq!((ended.state(), ended.offer_id), (OfferState::Rescinded, offer.id));

    let (mut stream, welcome) = Stream::open(&mut paula.session).await;
    let contact = stream.offer(welcome).await.contact.expect("a contact");
    assert_eq!(contact.ticket_id, ticket_id);
    assert_eq!(contact.needs.map(|needs| needs.required_skills), Some(vec!["jewellery".to_owned()]));
    let mut tickets = TicketsServiceClient::new(boss.session.transport().await.expect("a token"));
    let asked = GetTicketRequest { ticket_id: ticket_id.clone(), ..GetTicketRequest::default() };
    let shown = tickets.get_ticket(asked).await.expect("a ticket").into_inner().ticket.expect("a ticket");
    assert_eq!(shown.required_skills, ["jewellery"]);

    // Paula goes, and it is asked for no more: anybody may have it again
    stream
        .say(Up::Presence(PresenceChange { state: PresenceState::Offline.into(), ..PresenceChange::default() }))
        .await;
    stream.done().await;
    workflow.bulk_edit_tickets(edit("drop", Do::DropSkill("jewellery".into()))).await.expect("done");
    let again = hans_stream.hear(|frame| if let Down::Offer(offer) = frame { Some(offer) } else { None }).await;
    assert_eq!(again.contact.expect("a contact").ticket_id, ticket_id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_that_waits_is_matched_by_the_rules_of_a_newer_policy() {
    let mut tenant = desk().await.provider("New rules").await;
    let seller = tenant.seller("masque").await;
    let account = tenant.account(&seller, "web_form", "returns").await;
    let mut boss = tenant.person("Boss", Role::Supervisor, &[&seller]).await;
    let mut paula = tenant.agent("Paula", "it", &[&seller]).await;
    let mut hans = tenant.agent("Hans", "it", &[&seller]).await;
    let skills = vec!["returns".to_owned()];
    equip(&mut tenant, &paula, AgentProfile { skills, ..AgentProfile::default() }).await.expect("a profile");
    let mut routing = RoutingServiceClient::new(boss.session.transport().await.expect("a token"));

    write(&mut tenant, &seller, &account, "before").await;
    let (mut hans_stream, welcome) = Stream::open(&mut hans.session).await;
    let offer = hans_stream.offer(welcome).await;
    eventually("the rule to be kept", || {
        let (mut routing, seller) = (routing.clone(), seller.clone());
        async move { set_rules(&mut routing, &seller, &[rule("web_form", "returns")], "kept").await.ok() }
    })
    .await;
    let ended = hans_stream.hear(|frame| if let Down::OfferEnded(ended) = frame { Some(ended) } else { None }).await;
    assert_eq!((ended.state(), ended.offer_id), (OfferState::Rescinded, offer.id));

    let (mut stream, welcome) = Stream::open(&mut paula.session).await;
    let contact = stream.offer(welcome).await.contact.expect("a contact");
    assert_eq!(contact.needs.map(|needs| needs.required_skills), Some(vec!["returns".to_owned()]));
    let agent_id = paula.user_id.clone();
    let asked = ExplainContactRequest { seller_id: seller.clone(), contact_id: contact.id, agent_id };
    let why = routing.explain_contact(asked).await.expect("an explanation").into_inner();
    let told = why.decisions.iter().filter(|decision| decision.summary.contains("the policy asks for other skills"));
    let told: Vec<_> = told.map(|d| (d.kind.as_str(), d.rule.as_str(), d.policy_version)).collect();
    assert_eq!(told, [("reprioritised", "needs", 1)], "once, and under which policy");
}
