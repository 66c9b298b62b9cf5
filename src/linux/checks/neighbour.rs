//! A router that is asked by the kernel: ARP or neighbour discovery, `struct ndmsg` of `include/uapi/linux/neighbour.h`.
//!
//! An entry that knows the router's link-layer address is set to be probed (`NUD_PROBE`); one that does not is used
//! (`NTF_USE`), as a packet would. Then the kernel asks at once, and the state tells the answer. Needs CAP_NET_ADMIN alone.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use neli::consts::nl::NlmF;
use neli::consts::rtnl::Rtm;
use neli::consts::socket::NlFamily;

use crate::desired::CheckTarget;
use crate::linux::netlink::decode::number;
use crate::linux::netlink::{Netlink, Request};
use crate::model::{CheckOutcome, Family};
use crate::system::{Errno, Error, Refusal};

/// `NDA_DST`
const DESTINATION: u16 = 1;
/// `NTF_USE`
const USE: u8 = 1;

/// `NUD_*`, the states of an entry.
mod nud {
    pub const REACHABLE: u16 = 0x02;
    pub const STALE: u16 = 0x04;
    pub const PROBE: u16 = 0x10;
    pub const FAILED: u16 = 0x20;
    pub const NOARP: u16 = 0x40;
    pub const PERMANENT: u16 = 0x80;
}

/// The first pause before the state is read, and the longest; each is twice as long as the one before.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// A router that was asked.
pub struct NeighbourCheck {
    netlink: Netlink,
    index: NonZeroU32,
    router: IpAddr,
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
            index: target.dev.index,
            router: *router,
            words: format!("{router} on {}", target.dev),
            part,
            asked: 0,
            pause: PAUSE_MIN,
            next: PAUSE_MIN,
        };
        let state = check.state().map_err(|error| not_run(&error))?;
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
        match self.state() {
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
        let set = |state, flags| self.request(Rtm::Newneigh, NlmF::CREATE | NlmF::REPLACE, state, flags);
        // The kernel asks when an entry begins to be probed.
        let probe = [set(nud::STALE, 0), set(nud::PROBE, 0)];
        let verdicts = self.netlink.transact(&probe).map_err(|error| not_run(&error))?;
        let Some(Err(refusal)) = verdicts.into_iter().find(Result::is_err) else { return Ok(()) };
        // EINVAL: the entry knows no address of the link that could be probed.
        let refusal = match refusal.errno {
            Errno::EINVAL | Errno::ENOENT => {
                let request = self.request(Rtm::Newneigh, NlmF::CREATE | NlmF::REPLACE, 0, USE);
                self.netlink.request(request).map_err(|error| not_run(&error))?.err()
            }
            _ => Some(refusal),
        };
        refusal.map_or(Ok(()), |refusal| Err(refused(&self.words, &refusal)))
    }

    /// The state of the entry, if there is one.
    fn state(&mut self) -> Result<Option<u16>, Error> {
        let request = self.request(Rtm::Getneigh, NlmF::empty(), 0, 0);
        match self.netlink.request(request)? {
            Ok(replies) => Ok(replies.iter().find_map(|reply| state(reply))),
            Err(refusal) if refusal.errno == Errno::ENOENT => Ok(None),
            Err(refusal) => Err(Error::Refused("read a neighbour", refusal)),
        }
    }

    fn request(&self, kind: Rtm, flags: NlmF, state: u16, entry_flags: u8) -> Request {
        let mut header = vec![Family::of(self.router).number(), 0, 0, 0];
        header.extend(self.index.get().to_ne_bytes());
        header.extend(state.to_ne_bytes());
        header.extend([entry_flags, 0]);
        let mut request = match kind {
            Rtm::Getneigh => Request::get(kind, &header),
            _ => Request::change(kind, flags, &header),
        };
        request.put_address(DESTINATION, self.router);
        request
    }
}

/// `ndm_state` of a reply.
fn state(reply: &[u8]) -> Option<u16> {
    let bytes: [u8; 4] = reply.get(8..12)?.try_into().ok()?;
    let [low, high, ..] = number(&bytes)?.to_ne_bytes();
    Some(u16::from_ne_bytes([low, high]))
}

fn not_run(error: &Error) -> CheckOutcome {
    CheckOutcome::NotRun(format!("cannot ask the router: {error}"))
}

fn refused(words: &str, refusal: &Refusal) -> CheckOutcome {
    CheckOutcome::NotRun(format!("cannot ask {words}: {refusal}"))
}
