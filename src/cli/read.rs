//! Reading the arguments: the short ways to parse them, `help VERB`, and errors without tips that lead nowhere.

use std::borrow::Cow;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser, Subcommand};

use super::{Apply, Cli, Command, Common, Format};

/// The command line without a subcommand, for [`Cli::read`].
#[derive(Parser)]
#[command(name = "mptcp-apply", disable_help_flag = true)]
struct MainJob {
    #[command(flatten)]
    apply: Apply,
    #[command(flatten)]
    common: Common,
}

impl Cli {
    /// Parses the arguments, the first of which is the program's own name.
    ///
    /// # Errors
    /// When they are wrong, and for help and version, which are errors to clap too.
    pub fn read(arguments: &[OsString]) -> Result<Cli, clap::Error> {
        let arguments = &help_as_option(arguments)[..];
        let cli = match Cli::main_job(arguments) {
            Some(cli) => cli,
            None => Cli::try_parse_from(arguments).map_err(without_misleading_tips)?,
        };
        if cli.command.is_some() && cli.apply != Apply::default() {
            let message = "a subcommand takes no options or paths of applying";
            return Err(Cli::command().error(ErrorKind::ArgumentConflict, message));
        }
        if cli.common.format() == Format::Yaml
            && !matches!(&cli.command, Some(Command::Init(_)))
            && !matches!(&cli.command, Some(Command::Show(show)) if show.id.is_none())
        {
            let message = "only `show` without `--id`, and `init`, write YAML";
            return Err(Cli::command().error(ErrorKind::ArgumentConflict, message));
        }
        if cli.common.format() == Format::Json && matches!(&cli.command, Some(Command::Init(_))) {
            return Err(Cli::command().error(ErrorKind::ArgumentConflict, "`init` writes YAML only"));
        }
        if cli.common.format() == Format::OpenMetrics && !matches!(&cli.command, Some(Command::Status(_))) {
            return Err(Cli::command().error(ErrorKind::ArgumentConflict, "only `status` writes OpenMetrics"));
        }
        Ok(cli)
    }

    /// The command line without a subcommand, if no word can be one and there is no error and no help to print. Setting
    /// up the options of all subcommands would take a third of a run without changes; those of applying take a sixth.
    pub(super) fn main_job(arguments: &[OsString]) -> Option<Cli> {
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

/// `help VERB` as `VERB --help`.
fn help_as_option(arguments: &[OsString]) -> Cow<'_, [OsString]> {
    match arguments {
        [program, help, verb @ ..] if help == "help" => {
            let words = std::iter::once(program).chain(verb).cloned();
            words.chain(["--help".into()]).collect()
        }
        _ => arguments.into(),
    }
}

/// Without the tips of clap that lead nowhere: `--` in front of an option makes it a file's name, and the formats are not
/// all for all verbs.
fn without_misleading_tips(mut error: clap::Error) -> clap::Error {
    error.remove(ContextKind::TrailingArg);
    if let Some(ContextValue::StyledStrs(mut tips)) = error.remove(ContextKind::Suggested) {
        tips.retain(|tip| !tip.to_string().contains("-- "));
        if !tips.is_empty() {
            error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
        }
    }
    let is_format = |found: &ContextValue| found.to_string().starts_with("--format");
    if error.get(ContextKind::InvalidArg).is_some_and(is_format) {
        error.remove(ContextKind::SuggestedValue);
    }
    error
}
