//! The real kernel, in network namespaces of the tests' own, read back by `ip mptcp`.

mod changes;
mod concurrent;
mod costs;
mod endpoints;
mod failures;
mod faults;
mod kills;
mod links;
mod live;
mod model;
mod ownership;
mod races;
mod refusals;
mod runtime_folder;
mod scene;
mod seam;
mod selectors;
mod settings;
mod show;
mod strace;
mod waiting;
mod watch;
mod watch_costs;
mod watch_files;
mod watcher;
mod without_mptcp;
