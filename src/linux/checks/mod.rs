//! Checks of uplinks while they run. None of them waits: the watch waits for their descriptors and moments, and then looks.

mod command;
mod connect;
mod neighbour;

use std::time::Duration;

use rustix::event::PollFd;

use crate::config::CheckMethod;
use crate::desired::CheckTarget;
use crate::model::CheckOutcome;

use command::CommandCheck;
use connect::ConnectCheck;
use neighbour::NeighbourCheck;

/// In how many parts a timeout is cut. A lost packet costs one part: the kernel alone would repeat a request for a connection
/// after 1 s, and with 30 % of all packets lost, three checks of 2 s would fail one after the other now and then.
const ATTEMPTS: u32 = 4;

/// One check that runs.
pub enum RunningCheck {
    /// A connection is being opened.
    Connect(ConnectCheck),
    /// A command runs.
    Command(CommandCheck),
    /// A router was asked.
    Neighbour(NeighbourCheck),
}

impl RunningCheck {
    /// Starts a check, in the network namespace of this thread.
    ///
    /// # Errors
    /// With the outcome, where there is one at once.
    pub fn start(target: &CheckTarget) -> Result<RunningCheck, CheckOutcome> {
        let part = target.check.timeout / ATTEMPTS;
        match &target.check.method {
            CheckMethod::Connect(to) => ConnectCheck::start(target, *to, part).map(RunningCheck::Connect),
            CheckMethod::Run(command) => CommandCheck::start(target, command).map(RunningCheck::Command),
            CheckMethod::Gateway => NeighbourCheck::start(target, part).map(RunningCheck::Neighbour),
        }
    }

    /// What came of it, if that is known `since` its start.
    pub fn look(&mut self, since: Duration) -> Option<CheckOutcome> {
        match self {
            RunningCheck::Connect(check) => check.look(since),
            RunningCheck::Command(check) => check.look(),
            RunningCheck::Neighbour(check) => check.look(since),
        }
    }

    /// What to wait for.
    pub fn descriptors(&self) -> Vec<PollFd<'_>> {
        match self {
            RunningCheck::Connect(check) => check.descriptors(),
            RunningCheck::Command(check) => check.descriptors(),
            RunningCheck::Neighbour(_) => Vec::new(),
        }
    }

    /// When to look next without any descriptor, from its start; none if only descriptors matter.
    pub fn next_look(&self) -> Option<Duration> {
        match self {
            RunningCheck::Connect(check) => check.next_look(),
            RunningCheck::Command(_) => None,
            RunningCheck::Neighbour(check) => Some(check.next_look()),
        }
    }

    /// What it lacks when its time is over.
    pub fn lacks(&self, timeout: Duration) -> String {
        let within = format!("within {} ms", timeout.as_millis());
        match self {
            RunningCheck::Connect(_) => format!("no answer {within}"),
            RunningCheck::Command(check) => format!("no result {within}{}", check.last_line()),
            RunningCheck::Neighbour(check) => format!("{} does not answer {within}", check.words()),
        }
    }

    /// Ends it, since its time is over. None of it is left, unless something still has to die.
    pub fn stop(self) -> Option<RunningCheck> {
        match self {
            RunningCheck::Command(mut check) => {
                check.kill();
                check.look().is_none().then_some(RunningCheck::Command(check))
            }
            RunningCheck::Connect(_) | RunningCheck::Neighbour(_) => None,
        }
    }
}
