//! The executable: any subset of the services in one process, and the commands
//! around them. Start reading at [`platform`] (everything in one process) and
//! [`serve`] (one service alone); `main.rs` is the command line.

pub mod cli;
pub mod config;
pub mod follow;
pub mod keys;
pub mod platform;
pub mod postgres;
pub mod probe;
pub mod secrets;
pub mod serve;

/// Makes the first operator of a platform, unless there is one.
pub async fn ensure_operator(platform: &platform::Platform, email: &str, password: &str) -> anyhow::Result<bool> {
    Ok(tenants::ensure_operator(&platform.tenants, email, password).await?)
}
