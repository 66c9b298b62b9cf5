//! The main job: bring network namespaces to what the files say.

use std::io;

use crate::cli::{Apply, Common};

use super::job::Job;
use super::{Exit, Output, input, netns, watch};

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
        Ok(()) => netns::in_each(&options.netns, &output, |entered| {
            let mut job = Job::new(options, &output, &input, entered.map(|entered| entered.name));
            job.stands_in(entered);
            job.run()
        }),
    }
}
