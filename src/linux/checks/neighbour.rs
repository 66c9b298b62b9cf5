//! A router that is asked by the kernel: ARP or neighbour discovery.
//!
//! An entry that knows the router's link-layer address is set to be probed (`NUD_PROBE`); one that does not is used
//! (`NTF_USE`), as a packet would. Then the kernel asks at once, and the state tells the answer. Needs CAP_NET_ADMIN alone.

use std::time::Duration;

use neli::consts::socket::NlFamily;

use crate::desired::CheckTarget;
use crate::linux::neighbours::{Neighbour, nud};
use crate::linux::netlink::Netlink;
use crate::model::CheckOutcome;
use crate::system::{Errno, Error, Refusal};

/// `NTF_USE`
const USE: u8 = 1;

/// The first pause before the state is read, and the longest; each is twice as long as the one before.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// A router that was asked.
pub struct NeighbourCheck {
    netlink: Netlink,
    router: Neighbour,
    words: String,
    part: Duration,
    asked: u32,
    pause: Duration,
    next: Duration,
}

impl NeighbourCheck {
    /// Asks the router, that of IPv4 if there is one.
    ///
    /// # Errors
    /// With the outcome, if that is known at once.
    pub fn start(target: &CheckTarget, part: Duration) -> Result<NeighbourCheck, CheckOutcome> {
        let Some(router) = target.routers.first() else {
            let why = format!("{} has no router that could be asked", target.dev);
            return Err(CheckOutcome::NotRun(why));
        };
        let netlink = Netlink::open_strict(NlFamily::Route).map_err(|error| not_run(&error))?;
        let mut check = NeighbourCheck {
            netlink,
            router: Neighbour { index: target.dev.index, address: *router },
            words: format!("{router} on {}", target.dev),
            part,
            asked: 0,
            pause: PAUSE_MIN,
            next: PAUSE_MIN,
        };
        let state = check.router.state(&mut check.netlink).map_err(|error| not_run(&error))?;
        if state.is_some_and(|state| state & (nud::PERMANENT | nud::NOARP) != 0) {
            return Err(CheckOutcome::NotRun(format!("the address of {} is set by hand", check.words)));
        }
        check.ask()?;
        Ok(check)
    }

    /// What came of it.
    pub fn look(&mut self, since: Duration) -> Option<CheckOutcome> {
        if since < self.next {
            return None;
        }
        match self.router.state(&mut self.netlink) {
            Ok(Some(nud::REACHABLE)) => return Some(CheckOutcome::Passed),
            Ok(Some(nud::FAILED)) => {
                return Some(CheckOutcome::Failed(format!("{} does not answer", self.words)));
            }
            Ok(_) => {}
            Err(error) => return Some(not_run(&error)),
        }
        if since >= self.part * self.asked
            && let Err(outcome) = self.ask()
        {
            return Some(outcome);
        }
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        self.next = since + self.pause;
        None
    }

    /// When to look next, from the start.
    pub fn next_look(&self) -> Duration {
        self.next
    }

    /// The router and the interface, for messages.
    pub fn words(&self) -> &str {
        &self.words
    }

    /// Makes the kernel ask now, also if it has asked before and waits for the answer.
    fn ask(&mut self) -> Result<(), CheckOutcome> {
        self.asked += 1;
        // The kernel asks when an entry begins to be probed.
        let probe = [self.router.set(nud::STALE, 0), self.router.set(nud::PROBE, 0)];
        let verdicts = self.netlink.transact(&probe).map_err(|error| not_run(&error))?;
        let Some(Err(refusal)) = verdicts.into_iter().find(Result::is_err) else { return Ok(()) };
        // EINVAL: the entry knows no address of the link that could be probed.
        let refusal = match refusal.errno {
            Errno::EINVAL | Errno::ENOENT => {
                self.netlink.request(self.router.set(0, USE)).map_err(|error| not_run(&error))?.err()
            }
            _ => Some(refusal),
        };
        refusal.map_or(Ok(()), |refusal| Err(refused(&self.words, &refusal)))
    }
}

fn not_run(error: &Error) -> CheckOutcome {
    CheckOutcome::NotRun(format!("cannot ask the router: {error}"))
}

fn refused(words: &str, refusal: &Refusal) -> CheckOutcome {
    CheckOutcome::NotRun(format!("cannot ask {words}: {refusal}"))
}
