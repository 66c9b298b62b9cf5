//! The real kernel, in network namespaces of the tests' own, read back by `ip mptcp`.

mod changes;
mod concurrent;
mod costs;
mod endpoints;
mod failures;
mod links;
mod live;
mod ownership;
mod refusals;
mod seam;
mod selectors;
mod settings;
mod waiting;
mod without_mptcp;
