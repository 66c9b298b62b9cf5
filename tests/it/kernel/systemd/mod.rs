//! The units of `packaging/systemd`, under a real systemd.

mod cloud_init;
mod elsewhere;
mod machine;
mod managers;
mod once;
mod sandbox;
mod units;
mod watch;

/// The configuration of the machines.
const CONFIG: &str = "etc/mptcp-apply/10-test.yaml";
