//! The demo: loaded at the first start, told at every start.

use std::time::Duration;

use crate::platform::Platform;

/// Loads the demo data.
pub async fn load(_platform: &mut Platform) -> anyhow::Result<()> {
    Ok(())
}

/// Says where the platform is and what to try.
pub fn greet(platform: &Platform, started: Duration) {
    println!("\n  Manydesk is ready at {} ({} ms)\n", platform.url, started.as_millis());
}
