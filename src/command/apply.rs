//! The main job: bring network namespaces to what the files say.

use std::io;

use crate::cli::{Apply, Common};
use crate::diagnostic::Diagnostic;
use crate::kernel::namespace::{self, Home};

use super::job::Job;
use super::{Exit, Output, input, watch};

/// Does the main job.
///
/// # Errors
/// When the result cannot be written.
pub fn run(options: &Apply, common: &Common) -> io::Result<Exit> {
    let output = Output::new(common);
    if options.watch {
        return watch::run(options, common, &output);
    }
    let mut input = match input::read(&options.paths, &common.root_dir) {
        Ok(input) => input,
        Err(none) => return Ok(none.tell(&output)),
    };
    let judged = input.judge(options);
    output.diagnose(&input.diagnostics, &input.sources);
    match judged {
        Err(exit) => Ok(exit),
        Ok(()) if options.netns.is_empty() => Job::new(options, &output, &input, None).run(),
        Ok(()) => in_each(options, &output, &input),
    }
}

/// One namespace after the other. What happens in one is none of the others' business; the worst exit is that of all.
fn in_each(options: &Apply, output: &Output, input: &input::Input) -> io::Result<Exit> {
    let found = namespace::find(&options.netns).and_then(|names| Ok((names, Home::remember()?)));
    let (names, home) = match found {
        Ok(found) => found,
        Err(error) => return Ok(Job::new(options, output, input, None).refuse(&error)),
    };
    if names.is_empty() {
        let globs: Vec<String> = options.netns.iter().map(ToString::to_string).collect();
        let message = format!("no network namespace is called {}", globs.join(" or "));
        let help = "`ip netns` lists them";
        output.tell(Diagnostic::warning("netns-missing", message).help(help));
    }
    let mut worst = Exit::Success;
    for name in &names {
        let job = Job::new(options, output, input, Some(name));
        let exit = match namespace::enter(name) {
            Ok(()) => job.run()?,
            Err(error) => job.refuse(&error),
        };
        worst = worst.worse(exit);
    }
    // Nothing follows; only whoever uses this as a library would stay elsewhere.
    home.enter().map(|()| worst).map_err(io::Error::other)
}
