//! All integration tests, in one binary. What each part shows:
//!
//! - `cases`: every file below `tests/cases` is judged as its folder says, with the exact words.
//! - `check`: the merged configuration, and verdicts on single files.
//! - `command_line`: options, exit codes, streams, a closed pipe.
//! - `schema`: the published JSON Schema agrees with the program.
//! - `generated`: manual pages and completions do too.
//! - `hostile`: huge, deep and damaged input ends in an ordinary verdict, soon.
//! - `kernel`: the real kernel in network namespaces of the tests' own, read back by `ip mptcp`; system calls that fail,
//!   answers that lie, kills, races, and runtime folders that are of no use.
//! - `fleet`: what is for many hosts agrees with the program and its README.
//! - `kernel::connection`: operations on one connection; `kernel::recipes`: those that the manual page has.
//! - `kernel::providers`: uplinks with live connections.
//! - `kernel::elsewhere`: what the README says to those who come from `ip mptcp`, NetworkManager and mptcpd.
//! - `kernel::readme`: the README's first command, first file and way back; `kernel::json_page`: each field has its words.
//! - `kernel::openwrt`: the init script for procd, with what procd would start.
//! - `kernel::systemd`: cloud-init, and the units under a real systemd, which is booted in a container.
//! - `rehearsal`: `--rehearse` as an ordinary user and as root; the host stays as it is.
//! - `plan`: plans without a kernel, cases as files.
//! - `laws`: what holds for every plan, on a model of every kernel; `shortest`: no operations are fewer.
//! - `uplink_laws`: what uplinks mean, and laws of their plans, on the model.
//! - `transaction`: faults at every step, refused undos, other writers, on the model.
//! - `paths`: live connections on the model: what waits for what, and what is tried again.
//! - `kernel::model`: the model itself, judged by the real kernel.
//! - `structure`: only the edges touch the outside.

mod cases;
mod check;
mod command_line;
mod desired;
mod fleet;
mod generated;
mod host;
mod hostile;
mod judge;
mod kernel;
mod laws;
mod model;
mod paths;
mod peer;
mod plan;
mod rehearsal;
mod schema;
mod shortest;
mod structure;
mod support;
mod transaction;
mod uplink_laws;
mod world;
