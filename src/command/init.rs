//! `mptcp-apply init`: a first configuration, made from this host.

use std::io;

use crate::cli::{Common, Init};
use crate::init::propose;
use crate::linux::survey;
use crate::model::diagnostic::{Diagnostic, Severity};
use crate::model::{Exit, code, escaped};
use crate::report::init::text;

use super::{Output, netns};

/// Prints a configuration for each of the namespaces; changes nothing.
///
/// # Errors
/// When the result cannot be written.
pub fn run(options: &Init, common: &Common) -> io::Result<Exit> {
    let output = Output::new(common);
    let refuse = |netns: Option<&str>, failure| output.refuse(netns, failure);
    netns::in_each(&options.within.netns, &output, Severity::Warning, refuse, |netns| {
        let survey = match survey::read(netns) {
            Ok(survey) => survey,
            Err(error) => return refuse(netns, error.into()),
        };
        let proposal = propose(&survey, options.role());
        if proposal.endpoints.is_empty() {
            let message = "no link has a default route and a usable address, so nothing is declared";
            let warning = Diagnostic::warning(code::NO_LINK, message).help(
                "bring a link up and run `mptcp-apply init` again; `ip route show default` lists the routes",
            );
            output.diagnose_in(netns, [&warning], &[]);
        }
        let start = netns.map_or(String::new(), |name| format!("--- # netns {}\n", escaped(name)));
        output.print(&(start + &text(&proposal)))?;
        Ok(Exit::Success)
    })
}
