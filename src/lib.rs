//! `mptcp-apply` brings the MPTCP path manager of a Linux host to the state that YAML files declare.
//!
//! ```text
//!  source      config        desired            plan            apply          report
//!  files  -->  Config  -->   State  ----+-->    Vec<Step>  -->  Outcome  -->   text | json | diff
//!         spans + origins               |                          |
//!                      kernel::read --> State (current) <----------+  read back and compare
//! ```
//!
//! The stations in the middle are pure. Only [`source`], [`kernel`], [`runtime`], [`trial`], [`watch`], [`log`] and `main.rs` touch the
//! outside, and [`command`], which asks who runs it and writes the results; the test `only_the_edges_touch_the_outside`
//! keeps that true.

pub mod cli;
pub mod command;

pub mod config;
pub mod source;

pub mod desired;
pub mod diagnostic;
pub mod model;

pub mod kernel;
pub mod plan;

pub mod apply;
pub mod doctor;
pub mod explain;

pub mod log;
pub mod runtime;
pub mod trial;
pub mod watch;

pub mod report;
