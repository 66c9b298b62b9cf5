//! `mptcp-apply` brings the MPTCP path manager of a Linux host to the state that YAML files declare.
//!
//! ```text
//!  source      config        desired            plan            reconcile            report
//!  files  -->  Config  -->   State  ----+-->    Vec<Step>  -->  transaction  -->     text | json | diff
//!         spans + origins               |                          |
//!               System::observe --> State (current) <--------------+  read back and compare
//! ```

pub mod cli;
pub mod command;

pub mod config;
pub mod source;

pub mod model;
pub mod system;

pub mod desired;
pub mod plan;

pub mod reconcile;

pub mod linux;
pub mod log;
pub mod rundir;
pub mod trial;
pub mod watch;

pub mod doctor;
pub mod report;
