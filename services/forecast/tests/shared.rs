//! The promised accuracy on the public series, where they are at hand.

#[path = "../examples/accuracy.rs"]
#[allow(dead_code, reason = "the example's main is not a test's")]
mod accuracy;

use std::path::PathBuf;

fn folder() -> PathBuf {
    #[allow(clippy::disallowed_methods)] // a test may name its tables by a variable
    std::env::var_os("FORECAST_SERIES")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/forecast"), PathBuf::from)
}

#[test]
fn public_series_are_forecast_as_well_as_promised() {
    let folder = folder();
    if !folder.join("bank_calls_5min.csv").exists() {
        eprintln!("SKIPPED: no series at {} - nothing was compared", folder.display());
        return;
    }
    let cases = accuracy::cases(&folder).expect("the series can be read");
    let promised = [
        ("bank calls", 0.055),
        ("taylor", 0.0150),
        ("anonymous bank", 0.27),
        ("anonymous PS", 0.29),
        ("anonymous NE", 0.50),
        ("anonymous IN", 0.62),
        ("anonymous NW", 0.47),
    ];
    for (name, most) in promised {
        let case = cases.iter().find(|case| case.name == name).expect("a case");
        let (ours, naive, _) = accuracy::weeks(case, &mut String::new()).expect("forecasts");
        let (ours, naive) = (ours.wape().expect("calls"), naive.wape().expect("calls"));
        assert!(ours <= most && ours <= 0.9 * naive, "{name}: {ours} against {naive} of seasonal naive");
    }
    for (hour, none, again) in accuracy::mornings(&cases[0]).expect("forecasts") {
        assert!(again < none && again <= 0.052, "{hour}:00: {again} after {none}");
    }
}
