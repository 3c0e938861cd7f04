//! `manydesk`: see the library of the same name.

use std::process::ExitCode;

use clap::Parser;

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
