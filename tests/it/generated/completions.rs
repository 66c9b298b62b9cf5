//! Completions for three shells, from the command line as clap knows it. `clap_complete` is not used: it knows no kinds of
//! values beyond files, takes a first word for a file or for a verb but not for either, and gives all verbs all formats.

use clap::{Arg, Command, ValueEnum, ValueHint};
use mptcp_apply::cli::Format;

/// What a word may be: one of these.
enum Words {
    /// Nothing that a shell can know.
    Unknown,
    /// Words of a table, each with what it means.
    Listed(Vec<(String, String)>),
    /// What the shell or a function of the completion knows by this name.
    Kind(&'static str),
}

/// What the completion of a shell is made of, by the word between the signs.
type Parts = fn(&str, &Command) -> String;

/// The completion that a template stands for. Without a line `@WORD@` for each part it would complete less.
pub fn of(template: &str, parts: Parts, command: &Command) -> String {
    let mut text = String::new();
    for line in template.lines() {
        text += &match line.strip_prefix('@').and_then(|line| line.strip_suffix('@')) {
            Some(part) => parts(part, command),
            None => {
                let valued =
                    unique(verbs(command).flat_map(|verb| verb.get_arguments()).filter(is_valued).map(long));
                line.replace("@commands@", &names(command).join(" ")).replace("@valued@", &valued.join(" "))
                    + "\n"
            }
        };
        if text.lines().count() == 1 {
            text += "# Generated from a template by a test; SNAPSHOTS=overwrite cargo test generated\n";
        }
    }
    text
}

/// The command that applies, which has no name here, and all others.
fn verbs(command: &Command) -> impl Iterator<Item = &Command> {
    std::iter::once(command).chain(command.get_subcommands())
}

fn name<'a>(verb: &'a Command, command: &Command) -> &'a str {
    if verb.get_name() == command.get_name() { "" } else { verb.get_name() }
}

/// The names of all commands; clap does not know `help`.
fn names(command: &Command) -> Vec<&str> {
    command.get_subcommands().map(Command::get_name).chain(["help"]).collect()
}

fn described(command: &Command) -> Vec<(String, String)> {
    let about =
        |verb: &Command| (verb.get_name().to_owned(), verb.get_about().expect("described").to_string());
    let help = ("help".to_owned(), "Print the help of a command".to_owned());
    command.get_subcommands().map(about).chain([help]).collect()
}

fn options(verb: &Command) -> impl Iterator<Item = &Arg> {
    verb.get_arguments().filter(|arg| !arg.is_positional())
}

fn is_valued(arg: &&Arg) -> bool {
    !arg.is_positional() && arg.get_action().takes_values()
}

fn long(arg: &Arg) -> String {
    format!("--{}", arg.get_long().expect("every option has a long name"))
}

fn spellings(arg: &Arg) -> Vec<String> {
    arg.get_short().map(|short| format!("-{short}")).into_iter().chain([long(arg)]).collect()
}

fn help(arg: &Arg) -> String {
    arg.get_help().expect("described").to_string()
}

fn unique(words: impl Iterator<Item = String>) -> Vec<String> {
    let mut words: Vec<String> = words.collect();
    words.sort();
    words.dedup();
    words
}

/// What an option's value or an argument of this verb may be.
fn words(arg: &Arg, verb: &str) -> Words {
    let is_written = |name: &str| {
        let formats = Format::value_variants().iter();
        let mut others =
            formats.filter(|format| format.to_possible_value().is_some_and(|word| word.matches(name, false)));
        arg.get_id() != "format"
            || others.all(|format| format.commands().is_empty() || format.commands().contains(&verb))
    };
    let values = arg.get_possible_values();
    let listed = values
        .iter()
        .filter(|_| arg.get_action().takes_values())
        .filter(|value| is_written(value.get_name()));
    let listed: Vec<(String, String)> = listed
        .map(|value| {
            (value.get_name().to_owned(), value.get_help().map(ToString::to_string).unwrap_or_default())
        })
        .collect();
    match (arg.get_id().as_str(), arg.get_value_hint()) {
        _ if !listed.is_empty() => Words::Listed(listed),
        ("netns", _) => Words::Kind("netns"),
        ("id", _) => Words::Kind("ids"),
        ("token", _) => Words::Kind("tokens"),
        ("names", _) => Words::Kind("endpoints"),
        (_, ValueHint::AnyPath | ValueHint::FilePath) => Words::Kind("files"),
        (_, ValueHint::DirPath) => Words::Kind("folders"),
        (_, ValueHint::CommandString) => Words::Kind("programs"),
        (_, ValueHint::Other) => Words::Unknown,
        (name, hint) => panic!("{verb} {name}: nothing completes {hint:?}"),
    }
}

/// The number of an argument among those of its verb; `*` for one that may be repeated.
fn place(arg: &Arg) -> String {
    let is_many = arg.get_num_args().is_some_and(|count| count.max_values() > 1);
    let index = arg.get_index().expect("an argument");
    if is_many && index == 1 { "*".to_owned() } else { (index - 1).to_string() }
}

// bash

/// The tables of functions that look words up.
pub fn bash(part: &str, command: &Command) -> String {
    let kinds = |words: Words| match words {
        Words::Unknown => None,
        Words::Listed(words) => Some(words.into_iter().map(|(word, _)| word).collect::<Vec<_>>().join(" ")),
        Words::Kind(kind) => Some(format!("@{kind}")),
    };
    let row = |pattern: &str, words: &str| format!("    {pattern}) echo \"{words}\" ;;\n");
    let of_verb = |verb: &Command| -> Vec<String> {
        let name = name(verb, command);
        match part {
            "options" => {
                let pattern = if name.is_empty() { "\"\"" } else { name };
                vec![row(pattern, &options(verb).flat_map(spellings).collect::<Vec<_>>().join(" "))]
            }
            "values" => {
                // The formats are not the same for all.
                let pattern = |arg: &Arg| if arg.get_id() == "format" { name } else { "*" };
                let row = |arg| {
                    row(
                        &format!("{}:{}", pattern(arg), long(arg)),
                        &kinds(words(arg, name)).unwrap_or_default(),
                    )
                };
                options(verb).filter(is_valued).map(row).collect()
            }
            "arguments" => {
                let words = |arg: &Arg| Some(format!("{} ", kinds(words(arg, name))?));
                let first = if name.is_empty() {
                    vec![row(":0", &(names(command).join(" ") + " @files"))]
                } else {
                    Vec::new()
                };
                let row = |arg| Some(row(&format!("{name}:{}", place(arg)), words(arg)?.trim_end()));
                first.into_iter().chain(verb.get_positionals().filter_map(row)).collect()
            }
            _ => panic!("`@{part}@` stands for nothing"),
        }
    };
    let mut rows: Vec<String> = Vec::new();
    for row in verbs(command).flat_map(of_verb) {
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    if part == "arguments" {
        rows.push(row("help:0", &names(command).join(" ")));
    }
    rows.concat()
}

// zsh

/// A word within single quotes of a specification of `_arguments`.
fn zsh_quoted(text: &str) -> String {
    text.replace('\'', "'\\''").replace(':', "\\:").replace('[', "\\[").replace(']', "\\]")
}

fn zsh_action(words: Words) -> String {
    match words {
        Words::Unknown => String::new(),
        Words::Listed(words) => {
            let pair = |(word, meaning): (String, String)| match &*meaning {
                "" => word,
                meaning => format!("{word}\\:\"{}\"", zsh_quoted(meaning)),
            };
            format!("(({}))", words.into_iter().map(pair).collect::<Vec<_>>().join(" "))
        }
        Words::Kind("files") => "_files".to_owned(),
        Words::Kind("folders") => "_files -/".to_owned(),
        Words::Kind("programs") => "_cmdstring".to_owned(),
        Words::Kind(kind) => format!("_mptcp-apply-{kind}"),
    }
}

/// The specifications of `_arguments`.
fn zsh_specifications(verb: &Command, name: &str) -> Vec<String> {
    let option = |arg: &Arg| {
        let own = spellings(arg);
        let is_repeated = matches!(arg.get_action(), clap::ArgAction::Append | clap::ArgAction::Count);
        let conflicts = verb.get_arg_conflicts_with(arg).into_iter().flat_map(spellings);
        let excluded: Vec<String> = own.iter().filter(|_| !is_repeated).cloned().chain(conflicts).collect();
        let excluded = if excluded.is_empty() { String::new() } else { format!("({})", excluded.join(" ")) };
        let star = if is_repeated { "*" } else { "" };
        let names = match &own[..] {
            [one] => format!("'{excluded}{star}'{one}"),
            all => format!("'{excluded}{star}'{{{}}}", all.join(",")),
        };
        if !arg.get_action().takes_values() {
            return format!("{names}'[{}]'", zsh_quoted(&help(arg)));
        }
        let value = zsh_quoted(&arg.get_value_names().expect("named")[0]);
        format!("{names}='[{}]:{value}:{}'", zsh_quoted(&help(arg)), zsh_action(words(arg, name)))
    };
    let argument = |arg: &Arg| {
        let place = place(arg);
        let place = place.parse::<usize>().map_or(place, |index| (index + 1).to_string());
        let value = arg.get_value_names().expect("named")[0].to_lowercase();
        format!("'{place}:{value}:{}'", zsh_action(words(arg, name)))
    };
    let arguments = verb.get_positionals().filter(|_| !name.is_empty()).map(argument);
    options(verb).map(option).chain(arguments).collect()
}

/// The specifications of each verb.
pub fn zsh(part: &str, command: &Command) -> String {
    match part {
        "commands" => {
            let row = |(name, about): (String, String)| {
                format!("        '{name}:{}'\n", about.replace('\'', "'\\''"))
            };
            described(command).into_iter().map(row).collect()
        }
        "applying" => zsh_specifications(command, "").iter().map(|row| format!("        {row}\n")).collect(),
        "verbs" => {
            let of_verb = |verb: &Command| {
                let rows = zsh_specifications(verb, verb.get_name()).join(" \\\n            ");
                format!(
                    "    ({})\n        _arguments -s -S : \\\n            {rows} && ret=0\n        ;;\n",
                    verb.get_name()
                )
            };
            let verbs: String = command.get_subcommands().map(of_verb).collect();
            verbs + "    (help) _arguments : '1: :_mptcp-apply-commands' && ret=0 ;;\n"
        }
        _ => panic!("`@{part}@` stands for nothing"),
    }
}

// fish

fn fish_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn fish_words(words: Words) -> Option<String> {
    let list = |words: Vec<(String, String)>| {
        let row = |(word, meaning): (String, String)| format!("{word}\\t{}", fish_quoted(&meaning));
        format!("\"{}\"", words.into_iter().map(row).collect::<Vec<_>>().join("\n"))
    };
    match words {
        Words::Unknown => None,
        Words::Listed(words) => Some(list(words)),
        Words::Kind("folders") => Some("'(__fish_complete_directories)'".to_owned()),
        Words::Kind("programs") => Some("'(__fish_complete_command)'".to_owned()),
        Words::Kind(kind) => Some(format!("'(__mptcp_apply_{kind})'")),
    }
}

/// A line of `complete` for each option, argument and verb.
pub fn fish(part: &str, command: &Command) -> String {
    assert_eq!(part, "complete", "`@{part}@` stands for nothing");
    let line = |at: &str, rest: &str| format!("complete -c mptcp-apply -n '__mptcp_apply_at {at}' {rest}\n");
    let commands = fish_words(Words::Listed(described(command))).expect("listed");
    let mut text = line("\"\" 0", &format!("-a {commands}")) + &line("help 0", &format!("-a {commands}"));
    for verb in verbs(command) {
        let name = name(verb, command);
        let at = if name.is_empty() { "\"\"" } else { name };
        for arg in options(verb) {
            let short = arg.get_short().map_or(String::new(), |short| format!("-s {short} "));
            let value = match is_valued(&arg).then(|| words(arg, name)) {
                None => String::new(),
                // Files, which no command has to list.
                Some(Words::Kind("files")) => " -r -F".to_owned(),
                Some(words) => {
                    " -x".to_owned()
                        + &fish_words(words).map_or(String::new(), |words| format!(" -a {words}"))
                }
            };
            let long = arg.get_long().expect("a long name");
            text += &line(at, &format!("{short}-l {long}{value} -d {}", fish_quoted(&help(arg))));
        }
        for arg in verb.get_positionals() {
            let place = place(arg);
            let at = format!("{at} {}", if place == "*" { "" } else { &place });
            match words(arg, name) {
                Words::Kind("files") => text += &line(at.trim_end(), "-F"),
                words => {
                    text += &fish_words(words)
                        .map_or(String::new(), |words| line(at.trim_end(), &format!("-a {words}")))
                }
            }
        }
    }
    text
}
