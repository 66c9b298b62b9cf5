//! The command line, as clap knows it.

use clap::{Arg, ArgAction, Command};

use super::roff::{bold, escape, italic, prose};

/// Every way to call the program, one a line.
pub fn synopsis(command: &Command) -> String {
    let usage = |command: &Command| {
        let usage = command.clone().render_usage().to_string();
        let form = usage.trim_start_matches("Usage: ").lines().next().expect("a line").to_owned();
        // A command with several forms names them in its own section.
        let values = command.get_positionals().map(|arg| arg.get_value_names().expect("named").join(" "));
        let values = values.collect::<Vec<_>>().join(" ");
        let has_values = usage.lines().count() == 1 || command.get_name() == "mptcp-apply";
        if has_values { form } else { format!("{form} [{values}...]") }
    };
    let verbs: Vec<String> = std::iter::once(command).chain(command.get_subcommands()).map(usage).collect();
    let forms = format!("{}\nmptcp-apply help [COMMAND]", verbs.join("\n"));
    let forms = forms.lines().map(|form| {
        let words = form.split_whitespace().map(|word| match word.trim_matches(['[', ']', '.', '<', '>']) {
            name if name == name.to_uppercase() => word.replace(['<', '>'], "").replace(name, &italic(name)),
            name => bold(name),
        });
        words.collect::<Vec<_>>().join(" ")
    });
    forms.collect::<Vec<_>>().join("\n.br\n") + "\n"
}

fn find<'a>(command: &'a Command, job: &str) -> &'a Command {
    command.find_subcommand(job).unwrap_or_else(|| panic!("there is no job `{job}`"))
}

/// The heading of a job, and what it does in one sentence.
pub fn job(command: &Command, name: &str) -> String {
    let about = find(command, name).get_about().expect("described").to_string();
    format!(".SS {}\n{}", escape(name), prose(&format!("{about}.")))
}

/// The options of a job, of the main one, or those that go with each.
pub fn of(command: &Command, job: &str) -> String {
    let everywhere = |arg: &&Arg| arg.is_global_set() || arg.get_id() == "version";
    let args: Vec<&Arg> = match job {
        "" => command.get_arguments().filter(|arg| !everywhere(arg)).collect(),
        "everywhere" => command.get_arguments().filter(everywhere).collect(),
        job => find(command, job).get_arguments().filter(|arg| !everywhere(arg)).collect(),
    };
    args.into_iter().filter(|arg| !arg.is_positional()).map(option).collect()
}

fn option(arg: &Arg) -> String {
    let long = arg.get_long().expect("every option has a long name");
    let short = arg.get_short().map(|short| bold(&format!("-{short}")) + ", ").unwrap_or_default();
    let takes = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    let value = arg.get_value_names().filter(|_| takes).map(|names| format!(" {}", italic(&names.join(" "))));
    let head = format!("{short}{}{}", bold(&format!("--{long}")), value.unwrap_or_default());
    let help = arg.get_long_help().or(arg.get_help()).expect("described").to_string();
    let paragraphs = help.split("\n\n").map(|paragraph| paragraph.trim_end_matches('.').to_owned() + ".");
    format!(".TP\n{head}\n{}", prose(&paragraphs.collect::<Vec<_>>().join(" ")))
}
