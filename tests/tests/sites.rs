//! Sites: contacts are kept for the seller's own, overflow to others, and the
//! hours that somebody enters decide at once.

use proto::routing::v1::agent_session_response::Frame as Down;
use proto::routing::v1::routing_service_client::RoutingServiceClient;
use proto::routing::v1::site_service_client::SiteServiceClient;
use proto::routing::v1::*;
use proto::tenants::v1::users_service_client::UsersServiceClient;
use proto::tenants::v1::{AgentProfile, UpdateAgentProfileRequest};
use proto::{Role, tenants::v1::LanguageLevel as Spoken, tenants::v1::LanguageProficiency};
use tests::{desk, eventually, reason, violated};
use tonic::Code;

use crate::routing::{Stream, enqueue, mail};

macro_rules! sites {
    ($session:expr) => {
        SiteServiceClient::new($session.transport().await.expect("a token"))
    };
}

fn site(name: &str, openings: &[(i32, &str, &str)], etag: &str) -> Site {
    let openings = openings.iter().map(|(weekday, start, end)| SiteOpening {
        weekday: *weekday,
        start: (*start).into(),
        end: (*end).into(),
    });
    Site {
        name: name.into(),
        time_zone: "Asia/Manila".into(),
        openings: openings.collect(),
        closed_days: Vec::new(),
        etag: etag.into(),
    }
}

fn save(site: Site, request_id: &str) -> SaveSiteRequest {
    SaveSiteRequest { site: Some(site), request_id: request_id.into() }
}

const ALWAYS: [(i32, &str, &str); 7] = [
    (1, "00:00", "24:00"),
    (2, "00:00", "24:00"),
    (3, "00:00", "24:00"),
    (4, "00:00", "24:00"),
    (5, "00:00", "24:00"),
    (6, "00:00", "24:00"),
    (7, "00:00", "24:00"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contact_is_kept_for_its_home_site_and_goes_to_others_when_that_closes() {
    let mut tenant = desk().await.provider("Sites").await;
    let seller = tenant.seller("masque").await;
    let mut boss = tenant.person("Boss", Role::Supervisor, &[&seller]).await;
    let mut lisbon = tenant.agent("Giulia", "it", &[&seller]).await;
    let manila = tenant.agent("Maria", "it", &[&seller]).await;
    let languages = vec![LanguageProficiency { language: "it".into(), level: Spoken::Native.into() }];
    UsersServiceClient::new(tenant.admin.transport().await.expect("a token"))
        .update_agent_profile(UpdateAgentProfileRequest {
            user_id: manila.user_id.clone(),
            agent_profile: Some(AgentProfile {
                languages,
                time_zone: "Asia/Manila".into(),
                site: "manila".into(),
                ..AgentProfile::default()
            }),
            etag: String::new(),
            request_id: String::new(),
        })
        .await
        .expect("the profile is kept");
    let mut plans = sites!(tenant.admin);
    let kept = plans.save_site(save(site("manila", &ALWAYS, ""), "manila")).await.expect("a site").into_inner();
    let kept = kept.site.expect("a site");

    // at home first; others only after an hour
    let mut routing = RoutingServiceClient::new(boss.session.transport().await.expect("a token"));
    let mut policy = routing
        .get_routing_policy(GetRoutingPolicyRequest { seller_id: seller.clone() })
        .await
        .expect("a policy")
        .into_inner()
        .policy
        .expect("a policy");
    policy.home_sites = vec!["manila".into()];
    policy.overflow_seconds = 3_600;
    let change = |policy: &RoutingPolicy, request_id: &str| UpdateRoutingPolicyRequest {
        seller_id: seller.clone(),
        request_id: request_id.into(),
        policy: Some(policy.clone()),
        base_version: 0,
        allow_unmatched: false,
    };
    let elsewhere = RoutingPolicy { home_sites: vec!["manila".into(), "atlantis".into()], ..policy.clone() };
    let refused = routing.update_routing_policy(change(&elsewhere, "elsewhere")).await.expect_err("no such site");
    assert_eq!(violated(&refused), ["policy.home_sites"], "{refused:?}");
    routing.update_routing_policy(change(&policy, "home")).await.expect("a policy");

    let (mut stream, welcome) = Stream::open(&mut lisbon.session).await;
    assert_eq!(welcome.offers, []);
    // until her profile has come, nobody is at home and nobody would be waited for
    eventually("Manila to be known", || {
        let mut routing = routing.clone();
        async move {
            let found = routing.list_agents(ListAgentsRequest::default()).await.ok()?.into_inner();
            found.agents.iter().any(|agent| agent.site == "manila").then_some(())
        }
    })
    .await;
    let contact = enqueue(&mut boss.session, mail(&seller, "first", "it")).await;
    let why = eventually("the contact to be kept for Manila", || {
        let (mut routing, seller, contact) = (routing.clone(), seller.clone(), contact.id.clone());
        let agent = lisbon.user_id.clone();
        async move {
            let ask = ExplainContactRequest { seller_id: seller, contact_id: contact, agent_id: agent };
            let why = routing.explain_contact(ask).await.ok()?.into_inner();
            why.agents.first().is_some_and(|a| a.obstacles == ["kept_for_site"]).then_some(why)
        }
    })
    .await;
    assert_eq!(why.eligible_agents, 1, "the one in Manila, who is not here");

    // Manila closes: the contact goes to Lisbon at once
    let closed = plans.save_site(save(site("manila", &[], &kept.etag), "closed")).await.expect("closed").into_inner();
    let offer = stream.hear(|frame| if let Down::Offer(offer) = frame { Some(offer) } else { None }).await;
    assert_eq!(offer.contact.expect("a contact").id, contact.id);
    let decided = eventually("the reason to be written", || {
        let (mut routing, seller, contact) = (routing.clone(), seller.clone(), contact.id.clone());
        async move {
            let ask = ExplainContactRequest { seller_id: seller, contact_id: contact, ..Default::default() };
            let found = routing.explain_contact(ask).await.ok()?.into_inner();
            found.decisions.into_iter().find(|d| d.kind == "relaxed")
        }
    })
    .await;
    assert!(decided.summary.contains("home sites are closed"), "{decided:?}");

    // whoever saw it before changes nothing now; a repeated request is answered again
    let stale = plans.save_site(save(site("manila", &ALWAYS, &kept.etag), "stale")).await.expect_err("stale");
    assert_eq!((stale.code(), reason(&stale).as_str()), (Code::Aborted, "ETAG_MISMATCH"));
    let again = plans.save_site(save(site("manila", &[], &kept.etag), "closed")).await.expect("again").into_inner();
    assert_eq!(again, closed);
    let taken = plans.save_site(save(site("manila", &[], ""), "taken")).await.expect_err("it is there");
    assert_eq!((taken.code(), reason(&taken).as_str()), (Code::AlreadyExists, "SITE_EXISTS"));
    let denied =
        sites!(boss.session).save_site(save(site("porto", &[], ""), "denied")).await.expect_err("a supervisor");
    assert_eq!(denied.code(), Code::PermissionDenied);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sites_are_listed_changed_and_deleted_and_what_cannot_be_is_refused_by_its_field() {
    let mut tenant = desk().await.provider("Site list").await;
    let mut other = desk().await.provider("Other site list").await;
    let mut plans = sites!(tenant.admin);
    let night = [(5, "22:00", "30:30")];
    for name in ["porto", "braga", "faro"] {
        plans.save_site(save(site(name, &night, ""), name)).await.expect("a site");
    }
    let first = ListSitesRequest { page_size: 2, page_token: String::new() };
    let first = plans.list_sites(first).await.expect("a page").into_inner();
    assert_eq!(first.sites.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["braga", "faro"]);
    let rest = ListSitesRequest { page_size: 2, page_token: first.next_page_token };
    let rest = plans.list_sites(rest).await.expect("a page").into_inner();
    assert_eq!((rest.sites.len(), rest.next_page_token.as_str()), (1, ""));
    assert_eq!(rest.sites[0].openings, site("porto", &night, "").openings, "as it was written");
    let theirs = sites!(other.admin).list_sites(ListSitesRequest::default()).await.expect("a page").into_inner();
    assert_eq!(theirs.sites, []);

    let mut wrong = site(" ", &[(8, "24:00", "25:00"), (1, "10:00", "10:00"), (1, "1:00", "48:01")], "");
    wrong.time_zone = "Lisbon".into();
    wrong.closed_days = vec!["2026-02-30".into()];
    let refused = plans.save_site(save(wrong, "wrong")).await.expect_err("all wrong");
    let fields = [
        "site.name",
        "site.time_zone",
        "site.openings[0].weekday",
        "site.openings[0].start",
        "site.openings[1].end",
        "site.openings[2].start",
        "site.openings[2].end",
        "site.closed_days[0]",
    ];
    assert_eq!(violated(&refused), fields, "{refused:?}");

    let delete =
        |etag: &str, id: &str| DeleteSiteRequest { name: "porto".into(), etag: etag.into(), request_id: id.into() };
    let stale = plans.delete_site(delete("v9", "stale")).await.expect_err("stale");
    assert_eq!(reason(&stale), "ETAG_MISMATCH");
    plans.delete_site(delete(&rest.sites[0].etag, "delete")).await.expect("deleted");
    plans.delete_site(delete(&rest.sites[0].etag, "delete")).await.expect("once");
    let gone = plans.delete_site(delete("", "again")).await.expect_err("it is gone");
    assert_eq!(gone.code(), Code::NotFound);
    let foreign = sites!(other.admin)
        .delete_site(DeleteSiteRequest { name: "faro".into(), etag: String::new(), request_id: "theirs".into() })
        .await
        .expect_err("not theirs");
    assert_eq!(foreign.code(), Code::NotFound);
}
