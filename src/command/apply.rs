//! The main job: bring network namespaces to what the files say.

use std::io;

use crate::cli::{Apply, Common};
use crate::linux::signals::Interruption;
use crate::model::Exit;
use crate::model::code;
use crate::model::diagnostic::{Diagnostic, Severity};

use super::job::Job;
use super::{Output, input, netns, watch};

/// Does the main job.
///
/// # Errors
/// When the result cannot be written.
pub fn run(options: &Apply, common: &Common) -> io::Result<Exit> {
    let output = Output::new(common);
    if options.watch {
        return watch::run(options, common, &output);
    }
    let mut input = match input::read(&options.paths, common.root_dir()) {
        Ok(input) => input,
        Err(none) => return Ok(none.tell(&output)),
    };
    let judged = input.judge(options);
    let interruption = Interruption::default();
    let unmatched = if options.strict { Severity::Error } else { Severity::Warning };
    output.diagnose(&input.diagnostics, &input.sources);
    match judged {
        Err(exit) => Ok(exit),
        Ok(()) => netns::in_each(&options.netns, &output, unmatched, |entered| {
            let name = entered.map(|entered| entered.name);
            if interruption.came() {
                let error =
                    Diagnostic::error(code::INTERRUPTED, "interrupted before its turn; nothing was done");
                output.diagnose_in(name, &[error].into_iter().collect(), &[]);
                return Ok(Exit::Failed);
            }
            let mut job = Job::new(options, &output, &input, name).interrupted_by(&interruption);
            job.stands_in(entered);
            job.run()
        }),
    }
}
