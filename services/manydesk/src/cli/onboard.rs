//! Applies an onboarding file.

use super::client::Session;

/// Applies a file.
pub async fn apply(_session: Session, _text: &str) -> anyhow::Result<()> {
    Ok(())
}
