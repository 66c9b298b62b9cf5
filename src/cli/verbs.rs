//! The options of each verb.

use std::num::NonZeroU8;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueHint};

use crate::connection::{self, FORMS, Misuse};
use crate::doctor::ProbeTarget;
use crate::init::HostRole;
use crate::linux::netns::Names;
use crate::model::{Operation, Token};

use super::seconds;

fn trial_seconds(text: &str) -> Result<u32, &'static str> {
    let seconds = seconds(text).ok().filter(|seconds| (1..=86_400).contains(seconds));
    seconds.ok_or("it must be a whole number of seconds from 1 to 86400")
}

/// The number of an endpoint or of a state, both of which start at 1.
fn ordinal(text: &str) -> Result<NonZeroU8, &'static str> {
    text.parse().map_err(|_| "it must be a number from 1 to 255")
}

/// A command line for `sh -c`. An empty one would do nothing, and succeed.
fn shell_command(text: &str) -> Result<String, &'static str> {
    let is_empty = text.trim().is_empty();
    if is_empty { Err("the command is empty") } else { Ok(text.to_owned()) }
}

/// Options of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Files and folders, `-` for standard input
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Treat warnings as errors
    #[arg(long)]
    pub strict: bool,
    /// Print the merged configuration
    ///
    /// It is YAML that means the same as all files together. A comment beside each value names the file and the line that
    /// set it.
    #[arg(long, conflicts_with = "each")]
    pub merged: bool,
    /// Judge each file by itself
    ///
    /// For files that are never merged, such as those of several hosts. One line a file says whether it is valid, and the
    /// worst exit code is that of all.
    #[arg(long)]
    pub each: bool,
}

/// The option that says where a command acts.
#[derive(Debug, Args)]
#[group(skip)]
pub struct Within {
    /// Use this named network namespace
    ///
    /// May be repeated, and takes globs.
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Other)]
    pub netns: Vec<Names>,
}

/// Options of `doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Files and folders, `-` for standard input
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Open a test connection, watch its subflows
    ///
    /// The doctor watches it for a few seconds and reports for each endpoint whether its subflow came up, or where it
    /// stopped. If the peer sends nothing for a second, an empty line is sent. `getent` looks up host names. A link-local
    /// address needs its interface, as in `[fe80::1%eth0]:443`.
    #[arg(long, value_name = "HOST:PORT", value_hint = ValueHint::Other)]
    pub probe: Option<ProbeTarget>,
    /// Print everything that a bug report needs
    ///
    /// Versions, what applying would change, the kernel's state, live connections, counters, interfaces, addresses,
    /// routes and the last runs follow the findings. Read it before you publish it: it has the addresses of this host and
    /// of its peers.
    #[arg(long)]
    pub report: bool,
    /// Where.
    #[command(flatten)]
    pub within: Within,
}

/// Options of `status`.
#[derive(Debug, Args)]
pub struct Status {
    /// Files and folders, `-` for standard input
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Exit with 2 when it is not in sync
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Where.
    #[command(flatten)]
    pub within: Within,
}

/// Options of `connection`.
#[derive(Debug, Args)]
#[command(override_usage = connection_usage())]
pub struct ConnectionArgs {
    /// The connection, as `ss -M` and `monitor` print it
    #[arg(value_name = "TOKEN", value_hint = ValueHint::Other, requires = "verb")]
    pub token: Option<Token>,
    /// What to do with it
    #[arg(value_name = "VERB", value_parser = PossibleValuesParser::new(FORMS.map(|(verb, _)| verb)), hide_possible_values = true)]
    pub verb: Option<String>,
    /// With which addresses
    #[arg(value_name = "WORD", value_hint = ValueHint::Other)]
    pub words: Vec<String>,
    /// Where.
    #[command(flatten)]
    pub within: Within,
}

impl ConnectionArgs {
    /// The operation and its connection; none when connections are to be listed.
    ///
    /// # Errors
    /// When the words are no operation.
    pub fn operation(&self) -> Result<Option<(Token, Operation)>, Misuse> {
        let Some((token, verb)) = self.token.zip(self.verb.as_deref()) else { return Ok(None) };
        connection::parse(verb, &self.words).map(|operation| Some((token, operation)))
    }
}

fn connection_usage() -> String {
    let forms = FORMS.map(|(verb, form)| format!("\n       mptcp-apply connection TOKEN {verb} {form}"));
    format!("mptcp-apply connection [OPTIONS]{}", forms.concat())
}

/// Options of `show`.
#[derive(Debug, Args)]
pub struct Show {
    /// Show live connections and subflows too
    ///
    /// They come from the kernel's socket diagnostics, each subflow with the endpoint that it uses.
    #[arg(long)]
    pub connections: bool,
    /// Show sysctls with their default values too
    ///
    /// JSON always has all of them. A YAML file that is to bring this state back needs all of them too.
    #[arg(long, conflicts_with = "id")]
    pub all: bool,
    /// Show only the endpoint with this id
    #[arg(long, value_name = "ID", value_hint = ValueHint::Other, conflicts_with = "connections", value_parser = ordinal)]
    pub id: Option<NonZeroU8>,
    /// Where.
    #[command(flatten)]
    pub within: Within,
}

/// Options of `renew`.
#[derive(Debug, Args)]
pub struct Renew {
    /// Names of declared endpoints, or addresses
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<String>,
    /// Print the plan and change nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Close subflows that may not come back
    ///
    /// An endpoint is removed and added again, which closes the subflows that it has. Without this option, the program
    /// refuses to close more than can come back.
    #[arg(long)]
    pub force: bool,
    /// Where.
    #[command(flatten)]
    pub within: Within,
}

/// Options of `history`.
#[derive(Debug, Args)]
pub struct History {
    /// Which state: 1 is the one before the last run
    #[arg(value_name = "N", value_hint = ValueHint::Other, value_parser = ordinal)]
    pub number: Option<NonZeroU8>,
    /// Where.
    #[command(flatten)]
    pub within: Within,
}

/// Options of `init`.
#[derive(Debug, Args)]
pub struct Init {
    /// This host opens connections
    ///
    /// Its endpoints open subflows (`subflow`). With `--server` too, they do both. Without either option, a host is a
    /// server if a program listens there for MPTCP connections of other hosts.
    #[arg(long)]
    pub client: bool,
    /// This host accepts connections
    ///
    /// Its endpoints are announced to clients (`signal`).
    #[arg(long)]
    pub server: bool,
    /// Where.
    #[command(flatten)]
    pub within: Within,
}

impl Init {
    /// What this host does, if the options say so.
    pub fn role(&self) -> Option<HostRole> {
        let roles = [
            (self.client && self.server, HostRole::Both),
            (self.client, HostRole::Client),
            (self.server, HostRole::Server),
        ];
        roles.into_iter().find(|(is_asked, _)| *is_asked).map(|(_, role)| role)
    }
}

/// Options of `try`.
#[derive(Debug, Args)]
pub struct Try {
    /// Files and folders, `-` for standard input
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Wait SECS for a confirmation [120]
    ///
    /// From 1 to 86400 seconds.
    #[arg(long, value_name = "SECS", value_hint = ValueHint::Other, default_value_t = 120, hide_default_value = true, value_parser = trial_seconds)]
    pub timeout: u32,
    /// Confirm if this shell command succeeds
    ///
    /// Its exit status decides. Its output goes to standard error.
    #[arg(long, value_name = "CMD", value_hint = ValueHint::CommandString, value_parser = shell_command)]
    pub confirm_with: Option<String>,
    /// Treat warnings as errors
    #[arg(long)]
    pub strict: bool,
    /// Use this named network namespace
    ///
    /// May be repeated, and takes globs: the namespaces are tried one after the other, and one that is taken back ends the
    /// run. The command of `--confirm-with` runs in the namespace.
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Other)]
    pub netns: Vec<Names>,
}
