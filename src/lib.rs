//! `mptcp-apply` brings the MPTCP path manager of a Linux host to the state that YAML files declare.
//!
//! ```text
//!  source      config        desired            plan            reconcile            report
//!  files  -->  Config  -->   State  ----+-->    Vec<Step>  -->  transaction  -->     text | json | diff
//!         spans + origins               |                          |
//!               System::observe --> State (current) <--------------+  read back and compare
//! ```
//!
//! The modules below are in the order of the flow; `src/README.md` walks one file through them.

/// The version of this program with the commit, except in a build for development or from a tarball, and the target:
/// `0.1.0 (abc1234 2026-11-28, x86_64-unknown-linux-musl)`.
pub const VERSION: &str = env!("MPTCP_APPLY_VERSION");

// The command line, and one file a verb.
pub mod cli;
pub mod command;

// Files to a judged configuration.
pub mod config;
pub mod source;

// The vocabulary, and the seam to the system: types and traits without I/O.
pub mod model;
pub mod system;

// Pure: what the configuration means on this host, and the steps that lead there.
pub mod desired;
pub mod plan;

// One pass over one network namespace; operations on one connection.
pub mod connection;
pub mod reconcile;

// The edge: the kernel, the runtime folder, the second process of a trial, what a watch waits for.
pub mod linux;
pub mod log;
pub mod rundir;
pub mod trial;
pub mod watch;

// What people and programs read.
pub mod doctor;
pub mod init;
pub mod report;
