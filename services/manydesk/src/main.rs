//! `manydesk`: see the library of the same name.

use std::process::ExitCode;

use clap::Parser;

/// Gives memory back: the system's allocator keeps what every thread once held
/// in its hands, 19 MiB for each password that was checked.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() -> ExitCode {
    match manydesk::cli::Cli::parse().run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("manydesk: {error:#}");
            ExitCode::FAILURE
        }
    }
}
