//! The units of `packaging/systemd`, under a real systemd.

mod machine;
mod once;
mod units;
