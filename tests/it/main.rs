//! All integration tests, in one binary. What each part shows:
//!
//! - `cases`: every file below `tests/cases` is judged as its folder says, with the exact words.
//! - `command_line`: options, exit codes, streams, a closed pipe.
//! - `schema`: the published JSON Schema agrees with the program.
//! - `hostile`: huge, deep and damaged input ends in an ordinary verdict, soon.
//! - `kernel`: the real kernel in network namespaces of the tests' own, read back by `ip mptcp`.
//! - `rehearsal`: `--rehearse` as an ordinary user and as root; the host stays as it is.
//! - `plan`: plans without a kernel, cases as files and laws.
//! - `transaction`: faults at every step, on a model of the kernel.
//! - `structure`: only the edges touch the outside.

mod cases;
mod command_line;
mod host;
mod hostile;
mod judge;
mod kernel;
mod peer;
mod plan;
mod rehearsal;
mod schema;
mod structure;
mod support;
mod transaction;
