//! Hands whatever libFuzzer thinks of to the mail intake.
#![no_main]

#[path = "../take.rs"]
mod take;

// A panic that the intake catches - the parser's, on mails that it cannot read - is none. libFuzzer would end at
// it all the same, so its hook is replaced; what nobody catches still ends the run.
libfuzzer_sys::fuzz_target!(
    init: std::panic::set_hook(Box::new(|panic| eprintln!("{panic}"))),
    |raw: &[u8]| take::take(raw)
);
