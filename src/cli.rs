//! The command line: what may be said, not what it does.
//!
//! The first paragraph of an option's comment is what `--help` prints. The others are for the manual page alone, which a
//! test generates from here; what stands in backticks is bold there.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum, ValueHint};

use crate::doctor::ProbeTarget;
use crate::linux::netns::Names;
use crate::model::Exit;

/// Bring this host's MPTCP endpoints and limits to what YAML files declare
#[derive(Debug, Parser)]
#[command(
    name = "mptcp-apply",
    version,
    disable_help_flag = true,
    disable_help_subcommand = true,
    override_usage = "mptcp-apply [OPTIONS] [PATH]...\n       mptcp-apply check [OPTIONS] [PATH]...\n       mptcp-apply show [OPTIONS]\n       mptcp-apply try [OPTIONS] [PATH]...\n       mptcp-apply doctor [OPTIONS] [PATH]...\n       mptcp-apply monitor [OPTIONS]\n       mptcp-apply schema",
    after_help = after_help()
)]
pub struct Cli {
    /// Another job than applying.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The main job.
    #[command(flatten)]
    pub apply: Apply,
    /// What goes with every job.
    #[command(flatten)]
    pub common: Common,
}

/// The command line of the main job, for [`Cli::read`].
#[derive(Parser)]
#[command(name = "mptcp-apply", disable_help_flag = true)]
struct MainJob {
    #[command(flatten)]
    apply: Apply,
    #[command(flatten)]
    common: Common,
}

fn after_help() -> String {
    let mut text = "\
Without PATH, reads *.yaml in /usr/lib/mptcp-apply, /etc/mptcp-apply and
/run/mptcp-apply; a file hides those of the same name in the folders before
its own. Later files win, in the order of their names.

Exit codes:"
        .to_owned();
    for exit in Exit::ALL {
        text += &format!("\n  {:2}  {}", exit.code(), exit.meaning().replace('`', ""));
    }
    text
}

impl Cli {
    /// What the arguments mean, the first of which is the program's own name.
    ///
    /// # Errors
    /// When they mean nothing, and for help and version, which clap has for errors too.
    pub fn read(arguments: &[OsString]) -> Result<Cli, clap::Error> {
        let cli = match Cli::main_job(arguments) {
            Some(cli) => cli,
            None => Cli::try_parse_from(arguments)?,
        };
        if cli.command.is_some() && cli.apply != Apply::default() {
            let message = "options and paths of the main job do not go with another one";
            return Err(Cli::command().error(ErrorKind::ArgumentConflict, message));
        }
        if cli.common.format() == Format::Yaml
            && !matches!(&cli.command, Some(Command::Show(show)) if show.id.is_none())
        {
            let message = "only `show` writes YAML, and only of all that there is";
            return Err(Cli::command().error(ErrorKind::ArgumentConflict, message));
        }
        Ok(cli)
    }

    /// The main job, where no word can mean another one and nothing is wrong or to be explained. To set up the options of
    /// all jobs would take a third of a run without changes, and those of this one a sixth.
    fn main_job(arguments: &[OsString]) -> Option<Cli> {
        let words = arguments.get(1..).unwrap_or_default();
        if words.iter().any(|word| word.to_str().is_some_and(Command::has_subcommand)) {
            return None;
        }
        if words.iter().all(|word| !word.is_empty() && !word.as_encoded_bytes().starts_with(b"-")) {
            let apply = Apply { paths: words.iter().map(PathBuf::from).collect(), ..Apply::default() };
            return Some(Cli { command: None, apply, common: Common::default() });
        }
        let MainJob { apply, common } = MainJob::try_parse_from(arguments).ok()?;
        Some(Cli { command: None, apply, common })
    }
}

/// The jobs other than applying.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Judge the files alone; needs no kernel and no privilege
    Check {
        /// Files and folders, `-` for standard input
        #[arg(value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// Let a warning be an error
        #[arg(long)]
        strict: bool,
    },
    /// Show the kernel's state now
    Show(Show),
    /// Apply, and take it back unless confirmed
    Try(Try),
    /// Explain why subflows are not made, with remedies
    Doctor {
        /// Files and folders, `-` for standard input
        #[arg(value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// Open a connection, watch its subflows
        ///
        /// It is watched for a few seconds, and of each endpoint is said whether its subflow came up, and where it stopped
        /// otherwise. When the peer says nothing for a second, an empty line is sent. Names are looked up by `getent`.
        #[arg(long, value_name = "HOST:PORT", value_hint = ValueHint::Other)]
        probe: Option<ProbeTarget>,
    },
    /// The second process of `try`, which takes back
    #[command(hide = true)]
    Guard,
    /// Tell what happens to connections and subflows
    Monitor {
        /// A named namespace, or several
        ///
        /// May be repeated, and takes globs.
        #[arg(long, value_name = "NAME", value_hint = ValueHint::Other)]
        netns: Vec<Names>,
    },
    /// Print the JSON Schema of the configuration
    Schema,
}

/// Options of `show`.
#[derive(Debug, Args)]
pub struct Show {
    /// Show live connections and their subflows too
    ///
    /// They come from the kernel's socket diagnostics, each subflow with the endpoint behind it.
    #[arg(long)]
    pub connections: bool,
    /// Show the endpoint with this id only
    #[arg(long, value_name = "ID", value_hint = ValueHint::Other, conflicts_with = "connections")]
    pub id: Option<u8>,
    /// A named namespace, or several
    ///
    /// May be repeated, and takes globs.
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Other)]
    pub netns: Vec<Names>,
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
    #[arg(long, value_name = "SECS", value_hint = ValueHint::Other, default_value_t = 120, hide_default_value = true, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub timeout: u32,
    /// Keep it if this shell command succeeds
    ///
    /// It decides by its exit status. What it prints goes to standard error.
    #[arg(long, value_name = "CMD", value_hint = ValueHint::CommandString)]
    pub confirm_with: Option<String>,
    /// Let a warning be an error
    #[arg(long)]
    pub strict: bool,
}

/// Options of the main job.
#[derive(Debug, Default, PartialEq, Eq, Args)]
#[group(skip)]
pub struct Apply {
    /// Files and folders, `-` for standard input
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Print the plan and change nothing
    ///
    /// Needs no privilege on most kernels; from Linux 6.7 to 6.11 most releases let only CAP_NET_ADMIN read endpoints.
    #[arg(short = 'n', long, conflicts_with = "rehearse")]
    pub dry_run: bool,
    /// Try the plan out in a copy of this host
    ///
    /// The copy is a new user and network namespace with the interface names, addresses, sysctls, limits and endpoints of
    /// this one. The real kernel accepts or refuses each step there, and nothing of the host changes. Interfaces that only
    /// the configuration names are made too, with a warning. Needs no root where the kernel lets users make namespaces.
    #[arg(long)]
    pub rehearse: bool,
    /// Print the unified diff as YAML too
    ///
    /// It leads from the current to the desired state.
    #[arg(long)]
    pub diff: bool,
    /// Exit with 2 when the plan is not empty
    ///
    /// With `--dry-run` and `--rehearse` that says that there is something to do, otherwise that it was done.
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Wait up to SECS for what is not there yet
    ///
    /// That is: interfaces, addresses that cannot be used yet, and ports that something holds or that are closing. What
    /// is not there in time is a warning. A rehearsal does not wait.
    #[arg(long, value_name = "SECS", value_hint = ValueHint::Other)]
    pub wait: Option<u32>,
    /// Let a warning be an error
    #[arg(long)]
    pub strict: bool,
    /// Stay, and keep it so
    ///
    /// Looks again when files, folders, links or addresses change, on SIGHUP, and every `--resync` seconds.
    #[arg(short, long, conflicts_with_all = ["dry_run", "rehearse", "wait", "detailed_exitcode"])]
    pub watch: bool,
    /// With --watch: look every SECS [30]
    ///
    /// The kernel tells nobody that endpoints, limits or sysctls changed, so only looking shows it. 0 is never.
    #[arg(long, value_name = "SECS", value_hint = ValueHint::Other, requires = "watch")]
    pub resync: Option<u32>,
    /// A named namespace, or several
    ///
    /// As `ip netns` lists them, instead of the one in which the program is started. May be repeated, and takes globs. A
    /// run in each is a transaction of its own. Needs CAP_SYS_ADMIN.
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Other, conflicts_with = "rehearse")]
    pub netns: Vec<Names>,
}

impl Apply {
    /// Whether the kernel is changed.
    pub fn applies(&self) -> bool {
        !self.dry_run && !self.rehearse
    }
}

/// Options that go with every job.
#[derive(Debug, Default, Args)]
#[group(skip)]
pub struct Common {
    /// text, json; show: yaml too
    ///
    /// For people (the default), one JSON document a line, or a configuration that changes nothing when it is applied.
    #[arg(long, global = true, value_enum, value_name = "FORMAT", hide_possible_values = true)]
    format: Option<Format>,
    /// Colours; NO_COLOR is honoured
    ///
    /// With `auto`, the default, when the output is a terminal.
    #[arg(long, global = true, value_enum, value_name = "auto|always|never", hide_possible_values = true)]
    color: Option<Color>,
    /// Print errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Tell each step; -vv: each netlink message
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Put DIR before the three standard folders
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    root_dir: Option<PathBuf>,
    /// Print this help
    #[arg(short, long, global = true, action = clap::ArgAction::HelpShort)]
    help: Option<bool>,
}

impl Common {
    /// How results are to be written.
    pub fn format(&self) -> Format {
        self.format.unwrap_or(Format::Text)
    }

    /// When to use colours.
    pub fn color(&self) -> Color {
        self.color.unwrap_or(Color::Auto)
    }

    /// What stands before the three standard folders.
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
}

impl Color {
    /// As the command line has it.
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

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    /// The short ways to the main job lead where the long one does.
    #[test]
    fn short_ways_mean_the_same() {
        let lines = [
            "",
            "a.yaml",
            "a.yaml dir ./show",
            "-",
            "a.yaml -",
            "-n a.yaml",
            "a.yaml --dry-run --format json",
            "--format=yaml",
            "-qn -- -odd check.yaml",
            "-vv --root-dir /x --color never --netns web-* --netns db",
            "--watch --resync 0",
            "--wait 3 --diff --strict --detailed-exitcode",
        ];
        let mut lines: Vec<Vec<OsString>> =
            lines.map(|line| line.split_whitespace().map(OsString::from).collect()).into();
        lines.push(vec![OsString::from_vec(b"\xff.yaml".to_vec())]);
        for line in lines {
            let arguments: Vec<OsString> = ["mptcp-apply".into()].into_iter().chain(line).collect();
            let short = Cli::main_job(&arguments).map(|cli| format!("{cli:?}"));
            let long = Cli::try_parse_from(&arguments).map(|cli| format!("{cli:?}"));
            assert_eq!(short, Some(long.expect("a command line")), "{arguments:?}");
        }
    }

    /// Other jobs, and what is wrong or to be explained, take the long way, which has the words for it.
    #[test]
    fn the_long_way_has_the_rest() {
        for line in [
            "check",
            "show a",
            "a check",
            "--root-dir show",
            "-- schema",
            "--help",
            "-h a",
            "--version",
            "--odd",
            "a --wait",
            "--wait x",
            "-n --rehearse",
            "--resync 3",
            "-q -v",
        ] {
            let words = line.split_whitespace().map(OsString::from);
            let arguments: Vec<OsString> = ["mptcp-apply".into()].into_iter().chain(words).collect();
            assert!(Cli::main_job(&arguments).is_none(), "{line}");
        }
        assert!(Cli::main_job(&["mptcp-apply".into(), OsString::new()]).is_none());
    }
}
