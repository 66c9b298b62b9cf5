//! Reading the arguments: the short ways to parse them, options before the verb, `help VERB`, and errors whose tips lead
//! somewhere.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::config::meant_verb;
use crate::report::wrap;

use super::{Apply, Cli, Command, Common, Format};

/// The column in which clap begins the text of an option in long help.
const LONG_HELP_INDENT: usize = 10;

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
        Cli::main_job(arguments).map_or_else(|| Cli::long_way(arguments), Ok)
    }

    /// The command line, with the messages and the help of the whole grammar.
    fn long_way(arguments: &[OsString]) -> Result<Cli, clap::Error> {
        let mut command = Cli::command();
        if let Some(message) = unknown_topic(arguments, &command) {
            return Err(command.error(ErrorKind::InvalidSubcommand, message));
        }
        let arguments = verb_first(arguments, &command);
        if arguments.iter().any(|word| word == "--help") {
            command = with_wrapped_help(command);
        }
        let parsed = command.try_get_matches_from_mut(&arguments);
        let parsed = parsed.and_then(|mut matches| {
            let verb = matches.subcommand_name().map(str::to_owned);
            Ok((Cli::from_arg_matches_mut(&mut matches)?, verb))
        });
        match parsed {
            Ok((cli, verb)) => match misuse(&cli, verb.as_deref()) {
                Some(message) => Err(command.error(ErrorKind::ArgumentConflict, message)),
                None => Ok(cli),
            },
            Err(error) => {
                let verb = arguments.get(1).map_or_else(Default::default, |verb| verb.to_string_lossy());
                let named = option_of_others(&error, &mut command, &verb);
                Err(named.unwrap_or_else(|| negated(without_misleading_tips(error), &command)))
            }
        }
    }

    /// The command line without a subcommand, if no word can be one and there is no error and no help to print. Setting
    /// up the options of all subcommands would take a third of a run without changes; those of applying take a sixth.
    pub(super) fn main_job(arguments: &[OsString]) -> Option<Cli> {
        let words = arguments.get(1..).unwrap_or_default();
        if words.iter().any(is_verb) {
            return None;
        }
        if words.iter().all(|word| !word.is_empty() && !word.as_encoded_bytes().starts_with(b"-")) {
            let apply = Apply { paths: words.iter().map(PathBuf::from).collect(), ..Apply::default() };
            return Some(Cli { command: None, apply, common: Common::default() });
        }
        let MainJob { apply, common } = MainJob::try_parse_from(arguments).ok()?;
        common.format().commands().is_empty().then_some(Cli { command: None, apply, common })
    }
}

/// What clap cannot judge.
fn misuse(cli: &Cli, verb: Option<&str>) -> Option<String> {
    let format = cli.common.format();
    let only = format.commands();
    match &cli.command {
        Some(Command::Show(show)) if show.id.is_some() && format == Format::Yaml => {
            Some("`show --id` writes no YAML".to_owned())
        }
        Some(Command::Show(show)) if show.connections && format == Format::Yaml => {
            Some("YAML is a configuration, which has no connections; `--format json` has them".to_owned())
        }
        Some(Command::History(history)) if history.number.is_none() && format == Format::Yaml => {
            Some("`history` writes YAML of one state: give its number".to_owned())
        }
        Some(Command::Init(_)) if cli.common.format.is_some_and(|format| format != Format::Yaml) => {
            Some("`init` writes YAML only".to_owned())
        }
        Some(Command::Schema) if cli.common.format == Some(Format::Text) => {
            Some("the schema is JSON".to_owned())
        }
        _ if !only.is_empty() && !verb.is_some_and(|verb| only.contains(&verb)) => {
            let format = format.to_possible_value()?;
            let verb = if only.len() == 1 { "takes" } else { "take" };
            let all: Vec<String> = only.iter().map(|verb| format!("`{verb}`")).collect();
            Some(format!("only {} {verb} `--format {}`", all.join(", "), format.get_name()))
        }
        _ => None,
    }
}

/// What `help VERB`, options before the verb, and `VERB --version` mean: the verb first, with everything behind it.
fn verb_first(arguments: &[OsString], command: &clap::Command) -> Vec<OsString> {
    let Some((program, words)) = arguments.split_first() else { return Vec::new() };
    let options = words.iter().take_while(|word| *word != "--");
    if options.into_iter().any(|word| word == "--version" || word == "-V") {
        return vec![program.clone(), "--version".into()];
    }
    let Some(verb) = verb_index(words, command) else { return arguments.to_vec() };
    let (before, behind) = words.split_at(verb);
    let is_help = behind.first().is_some_and(|verb| verb == "help");
    let (behind, help) = if is_help { (&behind[1..], Some("--help".into())) } else { (behind, None) };
    let (verb, behind) = behind.split_at(behind.len().min(1));
    [std::slice::from_ref(program), verb, before, behind].concat().into_iter().chain(help).collect()
}

fn is_verb(word: &OsString) -> bool {
    word.to_str().is_some_and(|word| word == "help" || Command::has_subcommand(word))
}

/// The error of `help WORD`, and of `-h WORD` where a verb is meant, for a word that is none: the general help would be no
/// answer.
fn unknown_topic(arguments: &[OsString], command: &clap::Command) -> Option<String> {
    let words = arguments.get(1..).unwrap_or_default();
    let first = word_index(words, command)?;
    let topics = &words[first..];
    let is_help = topics[0] == "help";
    let word = topics.get(usize::from(is_help)).filter(|word| !is_verb(word))?.to_str()?;
    let hint = meant_verb(word);
    let asks = |word: &OsString| word == "-h" || word == "--help";
    let is_topic = is_help || (hint.is_some() && words.iter().any(asks));
    if word.starts_with('-') || !is_topic {
        return None;
    }
    let hint = hint.map_or_else(String::new, |hint| format!("; {hint}"));
    Some(format!("there is no command `{word}`{hint}"))
}

/// Where the verb is, if only options stand before it.
fn verb_index(words: &[OsString], command: &clap::Command) -> Option<usize> {
    word_index(words, command).filter(|index| is_verb(&words[*index]))
}

/// Where the first word is that is no option, nor the value of one.
fn word_index(words: &[OsString], command: &clap::Command) -> Option<usize> {
    let mut index = 0;
    loop {
        let word = words.get(index)?.to_str()?;
        match word.strip_prefix("--") {
            Some("") => return None,
            Some(name) => index += if takes_value(name, command) { 2 } else { 1 },
            // No short option takes a value.
            None if word.len() > 1 && word.starts_with('-') => index += 1,
            None => return Some(index),
        }
    }
}

/// Whether the next word is the value of this option, of whichever verb it is one.
fn takes_value(name: &str, command: &clap::Command) -> bool {
    let verbs = std::iter::once(command).chain(command.get_subcommands());
    let mut options = verbs.flat_map(clap::Command::get_arguments);
    options.any(|arg| arg.get_long() == Some(name) && arg.get_action().takes_values())
}

/// With the long help of all options in lines that fit into a terminal of 80 columns.
fn with_wrapped_help(command: clap::Command) -> clap::Command {
    let wrapped = |arg: Arg| match arg.get_long_help() {
        Some(help) => {
            let help = help.to_string();
            let paragraphs = help.split("\n\n").map(|words| wrap(words, LONG_HELP_INDENT).join("\n"));
            let help = paragraphs.collect::<Vec<_>>().join("\n\n");
            arg.long_help(help)
        }
        None => arg,
    };
    command.mut_args(wrapped).mut_subcommands(with_wrapped_help)
}

/// The error of an option that other verbs have: it names them.
fn option_of_others(error: &clap::Error, command: &mut clap::Command, verb: &str) -> Option<clap::Error> {
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let option = error.get(ContextKind::InvalidArg)?.to_string();
    let is_it = |arg: &Arg| match option.strip_prefix("--") {
        Some(long) => arg.get_long() == Some(long),
        None => arg.get_short().is_some_and(|short| option == format!("-{short}")),
    };
    let has_it = |command: &&clap::Command| command.get_arguments().any(is_it);
    let verbs = command.get_subcommands().filter(|verb| !verb.is_hide_set()).filter(has_it);
    let verbs = verbs.map(|verb| format!("`mptcp-apply {}`", verb.get_name()));
    let applying = has_it(&&*command).then(|| "`mptcp-apply` without a command".to_owned());
    let takers: Vec<String> = applying.into_iter().chain(verbs).collect();
    if takers.is_empty() {
        return None;
    }
    let (name, command) = match command.find_subcommand_mut(verb) {
        Some(command) => (format!("`mptcp-apply {verb}`"), command),
        None => ("`mptcp-apply` without a command".to_owned(), command),
    };
    let verb = if takers.len() == 1 { "takes" } else { "take" };
    let message = format!("{name} does not take `{option}`; {} {verb} it", takers.join(", "));
    Some(command.error(ErrorKind::UnknownArgument, message))
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

/// For `--no-` in front of an option, how to switch that off; what is similar to it switches it on.
fn negated(mut error: clap::Error, command: &clap::Command) -> clap::Error {
    let option = error.get(ContextKind::InvalidArg).map(ToString::to_string).unwrap_or_default();
    let name = option.strip_prefix("--no").map(|name| name.trim_start_matches('-'));
    let negated = command.get_arguments().find(|arg| arg.get_long().is_some() && arg.get_long() == name);
    let Some(arg) = negated else { return error };
    error.remove(ContextKind::SuggestedArg);
    let name = name.unwrap_or_default();
    let tip = match arg.get_action().takes_values() {
        false => format!("leave '--{name}' out: it is off without it"),
        true if arg.get_possible_values().iter().any(|value| value.get_name() == "never") => {
            format!("write '--{name} never'")
        }
        true => return error,
    };
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    error
}
