//! Simulating routing through the gateway: how far it is, what comes of it, and
//! what is refused.

use proto::Role;
use proto::routing::v1::simulate_routing_response::Told;
use proto::routing::v1::simulation_service_client::SimulationServiceClient;
use proto::routing::v1::*;
use tests::{desk, eventually, reason, violated};
use tonic::{Code, Streaming};

/// Four agents, three calls a minute of a minute each: Erlang's P(wait) is 0.5094.
const SCENARIO: &str = r#"
name = "four agents"
replications = 6
confidence = 0.99
[horizon]
length = "1100 min"
warm_up = "100 min"
[[contact]]
name = "calls"
arrivals.rate = "3/min"
handling = { exponential = "1 min" }
[[group]]
name = "agents"
agents = 4
"#;

macro_rules! simulations {
    ($session:expr) => {
        SimulationServiceClient::new($session.transport().await.expect("a token"))
    };
}

fn ask(scenario: &str) -> SimulateRoutingRequest {
    SimulateRoutingRequest { scenario: scenario.to_owned(), ..SimulateRoutingRequest::default() }
}

/// Everything that is told, the outcome apart.
async fn heard(mut stream: Streaming<SimulateRoutingResponse>) -> (Vec<SimulationProgress>, SimulationOutcome) {
    let (mut progress, mut outcome) = (Vec::new(), None);
    while let Some(response) = stream.message().await.expect("the stream lives") {
        assert!(outcome.is_none(), "the outcome is the last");
        match response.told.expect("something is told") {
            Told::Progress(told) => progress.push(told),
            Told::Outcome(told) => outcome = Some(told),
        }
    }
    (progress, outcome.expect("an outcome"))
}

fn figure(outcome: &SimulationOutcome, of: &str, name: &str) -> SimulationFigure {
    let figures = outcome.stretches[0].figures.iter().find(|figures| figures.of == of).expect("figures");
    figures.figures.iter().find(|figure| figure.name == name).expect("a figure").clone()
}

#[tokio::test]
async fn a_planner_simulates_a_scenario_and_a_caller_who_leaves_stops_it() {
    let mut tenant = desk().await.provider("Simulated").await;
    let mut planner = tenant.person("Paul Planner", Role::Planner, &[]).await;
    let mut client = simulations!(planner.session);

    let answer = client.simulate_routing(ask(SCENARIO)).await.expect("it runs").into_inner();
    let (progress, outcome) = heard(answer).await;
    assert!(progress.iter().all(|told| told.replications == 6 && (0..=6).contains(&told.done)), "{progress:?}");
    assert_eq!((outcome.name.as_str(), outcome.replications, outcome.stretches.len()), ("four agents", 6, 1));
    let waits = figure(&outcome, "type", "p_wait");
    assert!(waits.low() < 0.5094 && 0.5094 < waits.high(), "{waits:?}");
    let busy = figure(&outcome, "agents", "occupancy");
    assert!(busy.low() < 0.75 && 0.75 < busy.high(), "{busy:?}");

    // The same seed is the same outcome, another is another.
    let mut other = ask(SCENARIO);
    (other.replications, other.seed) = (2, Some(7));
    let first = heard(client.simulate_routing(other.clone()).await.expect("it runs").into_inner()).await.1;
    let second = heard(client.simulate_routing(other).await.expect("it runs").into_inner()).await.1;
    assert_eq!(first, second);
    assert_ne!(figure(&first, "all", "asa").value, figure(&outcome, "all", "asa").value);

    // What is wrong is told with its place.
    for (from, to, told) in [
        ("agents = 4", "agent = 4", "unknown field `agent`"),
        ("{ exponential = \"1 min\" }", "{ exponential = \"0 s\" }", "contact \"calls\".handling"),
        ("length = \"1100 min\"", "length = \"900 d\"", "1000000 contacts"),
    ] {
        let refused = client.simulate_routing(ask(&SCENARIO.replace(from, to))).await.expect_err(to);
        assert_eq!((refused.code(), violated(&refused)), (Code::InvalidArgument, vec!["scenario".to_owned()]));
        let details = format!("{:?}", tonic_types::StatusExt::get_error_details(&refused));
        assert!(details.replace('\\', "").contains(told), "{details}");
    }
    let long = client.simulate_routing(ask(&" ".repeat(262_145))).await.expect_err("too long");
    assert_eq!(long.code(), Code::InvalidArgument);
    let agent = tenant.person("Anna Agent", Role::Agent, &[]).await.session.transport().await.expect("a token");
    let refused = SimulationServiceClient::new(agent).simulate_routing(ask(SCENARIO)).await.expect_err("an agent");
    assert_eq!(refused.code(), Code::PermissionDenied);

    // One at a time; and one that nobody listens to any more makes way.
    let mut endless = SCENARIO.replace("length = \"1100 min\"", "length = \"150000 min\"");
    endless = endless.replace("replications = 6", "replications = 2");
    let mut running = client.simulate_routing(ask(&endless)).await.expect("it runs").into_inner();
    let told = running.message().await.expect("the stream lives").and_then(|response| response.told);
    assert!(matches!(told, Some(Told::Progress(SimulationProgress { done: 0, replications: 2 }))), "{told:?}");
    let refused = client.simulate_routing(ask(SCENARIO)).await.expect_err("another runs");
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::ResourceExhausted, "SIMULATIONS_RUNNING"));
    drop(running);
    eventually("the simulation to stop", || {
        let mut client = client.clone();
        async move { client.simulate_routing(ask(SCENARIO)).await.ok() }
    })
    .await;
}
