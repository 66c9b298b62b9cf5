//! Any bytes as configuration files, up to the plan.

#![no_main]

#[path = "../../it/host.rs"]
mod host;
#[path = "../../it/judge.rs"]
mod judge;

libfuzzer_sys::fuzz_target!(|input: &[u8]| judge::judge(input));
