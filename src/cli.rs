//! The command line: its grammar and its help texts, not what the commands do.
//!
//! `-h` prints the first paragraph of an option's comment, and leaves out what few people need. `--help` and the manual
//! page, which a test generates from here, have all of it; the page prints in bold what is in backticks.

mod read;
#[cfg(test)]
mod tests;

use std::num::NonZeroU8;
use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

use crate::connection::{self, FORMS, Misuse};
use crate::doctor::ProbeTarget;
use crate::init::HostRole;
use crate::linux::netns::Names;
use crate::model::{Exit, Operation, Token};

/// Bring this host's MPTCP endpoints, limits and uplinks to what YAML declares
#[derive(Debug, Parser)]
#[command(
    name = "mptcp-apply",
    version = crate::VERSION,
    disable_help_flag = true,
    disable_help_subcommand = true,
    override_usage = "mptcp-apply [OPTIONS] [PATH]...\n       mptcp-apply COMMAND [OPTIONS] [ARGUMENT]...",
    after_help = EXAMPLES,
    after_long_help = after_long_help()
)]
pub struct Cli {
    /// The subcommand; without one, the configuration is applied.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Options of applying.
    #[command(flatten)]
    pub apply: Apply,
    /// Options of every command.
    #[command(flatten)]
    pub common: Common,
}

const EXAMPLES: &str = "\
Examples:
  mptcp-apply --dry-run      Print what applying /etc/mptcp-apply/*.yaml changes
  mptcp-apply try edge.yaml  Apply, and take it back unless it is confirmed";

fn after_long_help() -> String {
    let mut text = EXAMPLES.to_owned()
        + "

Without PATH, reads *.yaml in /usr/lib/mptcp-apply, /etc/mptcp-apply and
/run/mptcp-apply. A file hides files of the same name in the folders listed
before its own. Files are merged in the order of their names; later ones win.

Exit codes:";
    for exit in Exit::ALL {
        text += &format!("\n  {:2}  {}", exit.code(), exit.meaning().replace('`', ""));
    }
    text
}

fn seconds(text: &str) -> Result<u32, &'static str> {
    text.parse().map_err(|_| "it must be a whole number of seconds, such as 30")
}

fn trial_seconds(text: &str) -> Result<u32, &'static str> {
    let seconds = seconds(text)?;
    if (1..=86_400).contains(&seconds) { Ok(seconds) } else { Err("it must be from 1 to 86400 seconds") }
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check the files alone; needs no kernel and no privilege
    Check(CheckArgs),
    /// Show whether the kernel is as declared, and what endpoints carry
    Status(Status),
    /// Show the kernel's current state
    Show(Show),
    /// Apply, and take the change back unless it is confirmed
    Try(Try),
    /// Explain why subflows are missing, with remedies
    Doctor(Doctor),
    /// The second process of `try`, which takes the change back
    #[command(hide = true)]
    Guard,
    /// Print events of connections and subflows
    Monitor {
        /// Use this named network namespace
        ///
        /// May be repeated, and takes globs.
        #[arg(long, value_name = "NAME", value_hint = ValueHint::Other)]
        netns: Vec<Names>,
    },
    /// List live connections, or change one by hand
    Connection(ConnectionArgs),
    /// Ask for the subflows of an endpoint again
    Renew(Renew),
    /// List the states before the last runs, or print one
    History(History),
    /// Print a first configuration, made from this host
    Init(Init),
    /// Print the JSON Schema of the configuration
    Schema,
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

/// Options of `doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Files and folders, `-` for standard input
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Open a test connection, watch its subflows
    ///
    /// The doctor watches it for a few seconds and reports for each endpoint whether its subflow came up, or where it
    /// stopped. If the peer sends nothing for a second, an empty line is sent. `getent` looks up host names.
    #[arg(long, value_name = "HOST:PORT", value_hint = ValueHint::Other)]
    pub probe: Option<ProbeTarget>,
    /// Print everything that a bug report needs
    ///
    /// Versions, what applying would change, the kernel's state, live connections, counters, interfaces, addresses,
    /// routes and the last runs follow the findings. Read it before you publish it: it has the addresses of this host and
    /// of its peers.
    #[arg(long)]
    pub report: bool,
    /// Use this named network namespace
    ///
    /// May be repeated, and takes globs.
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Other)]
    pub netns: Vec<Names>,
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
    /// Use this named network namespace
    ///
    /// May be repeated, and takes globs.
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Other)]
    pub netns: Vec<Names>,
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
    /// Use this named network namespace
    ///
    /// May be repeated, and takes globs.
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Other)]
    pub netns: Vec<Names>,
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
    #[arg(long, value_name = "ID", value_hint = ValueHint::Other, conflicts_with = "connections")]
    pub id: Option<u8>,
    /// Use this named network namespace
    ///
    /// May be repeated, and takes globs.
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Other)]
    pub netns: Vec<Names>,
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
    /// Use this named network namespace
    ///
    /// May be repeated, and takes globs.
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Other)]
    pub netns: Vec<Names>,
}

/// Options of `history`.
#[derive(Debug, Args)]
pub struct History {
    /// Which state: 1 is the one before the last run
    #[arg(value_name = "N", value_hint = ValueHint::Other)]
    pub number: Option<NonZeroU8>,
    /// Use this named network namespace
    ///
    /// May be repeated, and takes globs.
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Other)]
    pub netns: Vec<Names>,
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
    /// Use this named network namespace
    ///
    /// May be repeated, and takes globs.
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Other)]
    pub netns: Vec<Names>,
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
    #[arg(long, value_name = "CMD", value_hint = ValueHint::CommandString)]
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

/// Options of applying.
#[derive(Debug, Default, PartialEq, Eq, Args)]
#[group(skip)]
pub struct Apply {
    /// Files and folders, `-` for standard input
    #[arg(hide_short_help = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Print the plan and change nothing
    ///
    /// Needs no privilege on most kernels; most releases of Linux 6.7 to 6.11 let only CAP_NET_ADMIN read endpoints.
    #[arg(short = 'n', long, conflicts_with = "rehearse")]
    pub dry_run: bool,
    /// Carry out the plan in a copy of this host
    ///
    /// The copy is a new user and network namespace with the interface names, addresses, sysctls, limits and endpoints of
    /// this one. The kernel accepts or refuses each step there, and nothing on the host changes. Interfaces that only the
    /// configuration names are created too, with a warning. Needs no root where the kernel lets users create namespaces.
    #[arg(hide_short_help = true, long)]
    pub rehearse: bool,
    /// Print a unified diff of YAML too
    ///
    /// It shows the change from the current to the desired state.
    #[arg(hide_short_help = true, long)]
    pub diff: bool,
    /// Exit with 2 when the plan is not empty
    ///
    /// With `--dry-run` and `--rehearse`, 2 means that changes are pending; otherwise, that changes were made.
    #[arg(hide_short_help = true, long)]
    pub detailed_exitcode: bool,
    /// Wait up to SECS for what is missing
    ///
    /// This covers interfaces, addresses that are not usable yet, and ports that are taken or still closing. What is
    /// missing after that time is a warning. A rehearsal does not wait.
    #[arg(hide_short_help = true, long, value_name = "SECS", value_hint = ValueHint::Other, value_parser = seconds)]
    pub wait: Option<u32>,
    /// Treat warnings as errors
    #[arg(hide_short_help = true, long)]
    pub strict: bool,
    /// Keep running, and re-apply after changes
    ///
    /// Applies again when files, folders, links, addresses, routes or rules change, on SIGHUP, and every `--resync` seconds.
    #[arg(short, long, conflicts_with_all = ["dry_run", "rehearse", "wait", "detailed_exitcode", "diff"])]
    pub watch: bool,
    /// With --watch: re-apply every SECS [30]
    ///
    /// The kernel sends no event when endpoints, limits or sysctls change, so they are read again. 0 means never.
    #[arg(hide_short_help = true, long, value_name = "SECS", value_hint = ValueHint::Other, requires = "watch", value_parser = seconds)]
    pub resync: Option<u32>,
    /// With --watch: write metrics to FILE
    ///
    /// It has what `status --format openmetrics` prints, and what the watch counts. It is replaced as a whole after each
    /// pass that changes something, and every `--resync` seconds.
    #[arg(hide_short_help = true, long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "watch")]
    pub metrics: Option<PathBuf>,
    /// Use this named network namespace
    ///
    /// `ip netns` lists them. Without this option, the program uses the namespace in which it is started. May be
    /// repeated, and takes globs. Each namespace is a transaction of its own. Needs CAP_SYS_ADMIN.
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Other, conflicts_with = "rehearse")]
    pub netns: Vec<Names>,
}

impl Apply {
    /// Whether the run may change the kernel's state.
    pub fn applies(&self) -> bool {
        !self.dry_run && !self.rehearse
    }
}

/// Options of every command.
#[derive(Debug, Default, Args)]
#[group(skip)]
pub struct Common {
    /// text, json, yaml (show), openmetrics
    ///
    /// `text`, the default, is for people. `json` is one document a line. `yaml`, which only `show`, `history` and `init`
    /// write, is a configuration that, applied, leads to the state that is shown; `init` writes no other format.
    /// `openmetrics`, which only `status` writes, is for the textfile
    /// collector of node_exporter.
    #[arg(long, global = true, value_enum, value_name = "FORMAT", hide_possible_values = true)]
    format: Option<Format>,
    /// Use colours; NO_COLOR is honoured
    ///
    /// `auto`, the default, uses them when the output is a terminal.
    #[arg(
        hide_short_help = true,
        long,
        global = true,
        value_enum,
        value_name = "auto|always|never",
        hide_possible_values = true
    )]
    color: Option<Color>,
    /// Print errors only
    #[arg(hide_short_help = true, short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Log files and steps; -vv: netlink messages
    #[arg(hide_short_help = true, short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Find the standard folders below DIR
    #[arg(hide_short_help = true, long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    root_dir: Option<PathBuf>,
    /// Print a summary; `--help` prints everything
    #[arg(short, long, global = true, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

impl Common {
    /// The format of results.
    pub fn format(&self) -> Format {
        self.format.unwrap_or(Format::Text)
    }

    /// When to use colours.
    pub fn color(&self) -> Color {
        self.color.unwrap_or(Color::Auto)
    }

    /// The folder below which the standard folders are.
    pub fn root_dir(&self) -> &Path {
        self.root_dir.as_deref().unwrap_or(Path::new("/"))
    }
}

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For programs, one document a line
    Json,
    /// As a configuration
    Yaml,
    /// As metrics for Prometheus
    #[value(name = "openmetrics")]
    OpenMetrics,
}

impl Format {
    /// The commands that write it; none for what all of them write.
    pub fn commands(self) -> &'static [&'static str] {
        match self {
            Format::Text | Format::Json => &[],
            Format::Yaml => &["show", "history", "init"],
            Format::OpenMetrics => &["status"],
        }
    }
}

impl Color {
    /// The word of the command line.
    pub fn word(self) -> &'static str {
        match self {
            Color::Auto => "auto",
            Color::Always => "always",
            Color::Never => "never",
        }
    }
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// When the output is a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}
