//! Any bytes as what the kernel answers.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mptcp_apply::linux::netlink::fuzz::judge(input));
