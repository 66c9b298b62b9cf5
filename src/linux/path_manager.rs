//! The kernel behind the seam: [`PathManager`] and [`HostFacts`] for the network namespace of this thread.

mod host_facts;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use neli::consts::socket::NlFamily;
use rustix::thread::CapabilitySet;

use crate::linux::addresses::Addresses;
use crate::linux::family::find_family;
use crate::linux::interfaces::{self, Interfaces};
use crate::linux::mptcp_pm::{self, GenlFamily};
use crate::linux::netlink::decode::{Payloads, Verdict};
use crate::linux::netlink::{Netlink, Request};
use crate::linux::operations::Operations;
use crate::linux::probe_socket;
use crate::linux::routes::Routes;
use crate::linux::signals::Interruption;
use crate::linux::{Changes, kept, mptcp_diag, sock_diag, sysctl};
use crate::model::{
    Capabilities, Connection, ConnectionManager, Counters, Endpoint, Identity, Limits, ManagedConnection,
    Reason, State, Step, Token, UplinkHealth, UplinkState,
};
use crate::system::{
    DataProgress, Errno, Error, Joins, Observed, PathManager, Refusal, Scope, SubflowSummary,
};

/// How soon a pause notices an interruption.
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// One network namespace's path manager.
pub struct LinuxPathManager {
    netlink: Netlink,
    family: GenlFamily,
    interfaces: Interfaces,
    /// Read when they are first needed, and kept until the state is read again.
    addresses: Option<Addresses>,
    /// Opened for the first rule or route.
    routes: Option<Routes>,
    opened: Instant,
    /// Opened for the first wait for a change.
    changes: Option<Changes>,
    signals: Option<Rc<Interruption>>,
    /// When it is set, pauses end at once.
    hurry: Option<Arc<AtomicBool>>,
    /// How much of these pauses was left.
    skipped: Duration,
    /// What the checks of a watch have found out; none outside of one.
    health: Option<BTreeMap<NonZeroU32, UplinkHealth>>,
    /// Called before each step and within pauses.
    activity: Option<Box<dyn FnMut(Activity)>>,
}

/// What a plan that is being carried out does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// A step.
    Write,
    /// A pause, of which at most [`PAUSE_MAX`] passes before the next call.
    Pause,
}

impl LinuxPathManager {
    /// Opens the path manager of the network namespace that this thread is in.
    ///
    /// # Errors
    /// [`Error::NoMptcp`] when the kernel has none.
    pub fn open() -> Result<LinuxPathManager, Error> {
        let mut netlink = Netlink::open(NlFamily::Generic)?;
        let family = find_family(&mut netlink)?;
        Ok(LinuxPathManager {
            netlink,
            family,
            interfaces: Interfaces::default(),
            addresses: None,
            routes: None,
            opened: Instant::now(),
            changes: None,
            signals: None,
            hurry: None,
            skipped: Duration::ZERO,
            health: None,
            activity: None,
        })
    }

    /// Calls this before each step and within pauses.
    pub fn at_activity(&mut self, call: impl FnMut(Activity) + 'static) {
        self.activity = Some(Box::new(call));
    }

    /// From now on uplinks have this health; those that are not mentioned are undecided.
    pub fn judge_uplinks_by(&mut self, health: BTreeMap<NonZeroU32, UplinkHealth>) {
        self.health = Some(health);
    }

    fn report_activity(&mut self, activity: Activity) {
        if let Some(call) = &mut self.activity {
            call(activity);
        }
    }

    /// Ends pauses as soon as that flag is set, as if their time had passed, so that every wait gives up.
    pub fn hurry_when(&mut self, set: Arc<AtomicBool>) {
        self.hurry = Some(set);
    }

    /// Lets signals wait from the first write on, or from the first wait for what is missing.
    pub fn interrupted_by(&mut self, signals: &Rc<Interruption>) {
        self.signals = Some(Rc::clone(signals));
    }

    /// What this kernel can hold, as far as its release shows (`uname -r`).
    pub fn capabilities() -> Capabilities {
        static OF_THIS_KERNEL: OnceLock<Capabilities> = OnceLock::new();
        *OF_THIS_KERNEL.get_or_init(|| Capabilities::of_release(&LinuxPathManager::release()))
    }

    /// The kernel's release, as `uname -r` prints it.
    pub fn release() -> String {
        rustix::system::uname().release().to_string_lossy().into_owned()
    }

    /// The replies about limits and endpoints. Another writer can disturb the dump unnoticed, since the kernel never sets
    /// NLM_F_DUMP_INTR for this family. So the rows are compared again before each removal and after the last step.
    fn table(&mut self) -> Result<(Payloads, Payloads), Error> {
        let requests = [self.family.get_limits(), self.family.dump_endpoints()];
        let mut verdicts = self.netlink.read("read the endpoints", &requests)?.into_iter();
        let (Some(limits), Some(rows)) = (verdicts.next(), verdicts.next()) else {
            return Err(Error::Protocol("too few verdicts".into()));
        };
        let limits = limits.map_err(|refusal| Error::Refused("read the limits", refusal))?;
        let rows = rows.map_err(|refusal| Error::Refused("read the endpoints", refusal))?;
        Ok((limits, rows))
    }

    /// The name of the interface with that index, or `if7` (with the index) where there is none.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn interface_name(&mut self, index: NonZeroU32) -> Result<String, Error> {
        Ok(interfaces::name(&self.netlink, index)?.unwrap_or_else(|| format!("if{index}")))
    }

    /// Whether this thread has CAP_NET_ADMIN. Where that cannot be found out, the kernel decides.
    pub fn may_write() -> bool {
        let own = rustix::thread::capabilities(None);
        own.map_or(true, |own| own.effective.contains(CapabilitySet::NET_ADMIN))
    }

    /// The live MPTCP connections, by token.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn live_connections(&self) -> Result<Vec<Connection>, Error> {
        if sock_diag::has_connections() { sock_diag::connections() } else { Ok(Vec::new()) }
    }

    /// The kernel's MPTCP counters since this namespace was made; none where they cannot be read.
    pub fn counters(&self) -> Counters {
        sock_diag::counters().unwrap_or_default()
    }

    /// The live MPTCP connections with the path manager of each. One that ends meanwhile has none that is known.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn managed_connections(&mut self) -> Result<Vec<ManagedConnection>, Error> {
        let mut operations = Operations::open()?;
        let mut managed = Vec::new();
        for connection in self.live_connections()? {
            let manager = operations.manager(Token(connection.token))?;
            let manager = match manager.unwrap_or(ConnectionManager::Unknown) {
                ConnectionManager::Userspace { addresses } => {
                    let named = addresses.into_iter().map(|address| self.with_device_name(address));
                    ConnectionManager::Userspace { addresses: named.collect::<Result<_, _>>()? }
                }
                other => other,
            };
            managed.push(ManagedConnection { connection, manager });
        }
        Ok(managed)
    }

    fn with_device_name(&mut self, mut endpoint: Endpoint) -> Result<Endpoint, Error> {
        if let Some(dev) = &mut endpoint.dev {
            dev.name = self.interfaces.name(&self.netlink, dev.index)?;
        }
        Ok(endpoint)
    }

    /// The rules and routes of uplinks, with the names of their interfaces.
    fn read_uplinks(&mut self) -> Result<UplinkState, Error> {
        let mut uplinks = kept(&mut self.routes, Routes::open)?.uplinks()?;
        for dev in uplinks.routes.iter_mut().filter_map(|route| route.dev.as_mut()) {
            dev.name = self.interfaces.name(&self.netlink, dev.index)?;
        }
        Ok(uplinks)
    }

    fn read_addresses(&mut self) -> Result<&Addresses, Error> {
        kept(&mut self.addresses, || Addresses::read(self.interfaces.rtnl()?)).map(|addresses| &*addresses)
    }

    /// Whether the row at the id of an endpoint is still that endpoint.
    fn is_still(&mut self, expected: &Endpoint) -> Result<bool, Error> {
        let Some(id) = expected.id else { return Ok(false) };
        let request = self.family.get_endpoint(id);
        let row = match self.netlink.request(request)? {
            Ok(replies) => replies.iter().find_map(|reply| mptcp_pm::endpoint(reply)),
            Err(refusal) if refusal.errno == Errno::EINVAL => None,
            Err(refusal) => return Err(Error::Refused("read an endpoint", refusal)),
        };
        Ok(row.as_ref() == Some(expected))
    }

    /// Sends the request of a step about the path manager.
    fn write(&mut self, step: &Step, request: Request) -> Result<(), Refusal> {
        let answer = self.netlink.request(request);
        self.verdict(step, answer)
    }

    /// What came of a step. After a lost answer the state shows whether it was carried out: if it were taken for refused, it
    /// would be neither undone nor recorded as this program's row.
    fn verdict(&mut self, step: &Step, answer: Result<Verdict, Error>) -> Result<(), Refusal> {
        match answer {
            Ok(verdict) => verdict.map(|_| ()),
            Err(error) => {
                log::info!("the answer is lost: {error}");
                let carried_out =
                    self.observe(&Scope::of(step)).is_ok_and(|now| step.is_carried_out(&now.state));
                if carried_out { Ok(()) } else { Err(error.into()) }
            }
        }
    }
}

impl PathManager for LinuxPathManager {
    fn observe(&mut self, scope: &Scope) -> Result<Observed, Error> {
        self.interfaces.forget();
        self.addresses = None;
        let (limits, rows) = self.table()?;
        let limits = limits.iter().find_map(|reply| mptcp_pm::limits(reply));
        let limits = limits.ok_or_else(|| Error::Protocol("limits without values".into()))?;
        let mut endpoints = Vec::with_capacity(rows.len());
        for row in &rows {
            let row = mptcp_pm::endpoint(row)
                .ok_or_else(|| Error::Protocol("an endpoint without address".into()))?;
            endpoints.push(self.with_device_name(row)?);
        }
        let mut values = BTreeMap::new();
        for &name in &scope.sysctls {
            values.extend(sysctl::read(name)?.map(|value| (name, value)));
        }
        let uplinks = scope.uplinks.then(|| self.read_uplinks()).transpose()?;
        let state = State { limits, sysctls: values, endpoints, uplinks };
        Ok(Observed { capabilities: LinuxPathManager::capabilities().corrected_by(&state), state })
    }

    /// For an endpoint with a port the kernel listens there, which it can refuse for reasons that no table shows. Binding
    /// a socket there finds them beforehand.
    fn check(&mut self, step: &Step) -> Result<(), Refusal> {
        match step {
            Step::AddAddr {
                endpoint: Endpoint { identity: Identity { address, port: Some(port) }, .. },
                ..
            } => probe_socket::try_bind((*address, port.get()).into()).unwrap_or(Ok(())),
            _ => Ok(()),
        }
    }

    fn connections(&mut self, endpoint: Identity) -> Result<usize, Error> {
        let Identity { address, port } = endpoint;
        port.map_or(Ok(0), |port| sock_diag::connections_at((address, port.get()).into()))
    }

    fn subflows(&mut self) -> Result<Vec<SubflowSummary>, Error> {
        sock_diag::subflows()
    }

    fn lacking(&mut self, endpoint: &Endpoint, limits: Limits) -> Result<Vec<u32>, Error> {
        let address = endpoint.identity.address;
        let mut lacking = Vec::new();
        for connection in self.live_connections()? {
            let is_there = connection.subflows.iter().any(|path| path.local.ip() == address);
            let peer = connection.could_join(address, limits).filter(|_| !is_there);
            if peer.is_some_and(|peer| self.reaches(endpoint, peer)) {
                lacking.push(connection.token);
            }
        }
        Ok(lacking)
    }

    fn progress(&mut self) -> Result<Vec<DataProgress>, Error> {
        mptcp_diag::progress()
    }

    fn joins(&mut self) -> Joins {
        sock_diag::joins()
    }

    fn pause(&mut self, duration: Duration) {
        let start = Instant::now();
        loop {
            let left = duration.saturating_sub(start.elapsed());
            if left.is_zero() {
                return;
            }
            if self.is_interrupted() {
                self.skipped += left;
                return;
            }
            self.report_activity(Activity::Pause);
            std::thread::sleep(left.min(PAUSE_MAX));
        }
    }

    fn elapsed(&mut self) -> Duration {
        self.opened.elapsed() + self.skipped
    }

    fn is_interrupted(&self) -> bool {
        is_set(&self.hurry)
    }

    fn is_privileged(&self) -> bool {
        LinuxPathManager::may_write()
    }

    fn hold_signals(&mut self) {
        match self.signals.as_ref().map(|signals| signals.hold()) {
            Some(Ok(came)) => self.hurry = Some(came),
            Some(Err(error)) => log::debug!("signals end the run at once: {error}"),
            None => {}
        }
    }

    fn execute(&mut self, step: &Step) -> Result<(), Refusal> {
        self.report_activity(Activity::Write);
        match step {
            Step::SetSysctl { sysctl, from: _, to } => sysctl::write(*sysctl, to),
            Step::SetLimits { from, to } => self.write(step, self.family.set_limits(*from, *to)),
            Step::SetFlags { endpoint, to, why: _ } => {
                if endpoint.identity.port.is_some() && !self.is_still(endpoint)? {
                    return Err(Refusal::changed());
                }
                self.write(step, self.family.set_flags(endpoint, *to))
            }
            Step::DelAddr { endpoint, why: _ } => {
                let Some(id) = endpoint.id else { return Err(Refusal::changed()) };
                if !self.is_still(endpoint)? {
                    return Err(Refusal::changed());
                }
                self.write(step, self.family.delete(id, &endpoint.identity))
            }
            Step::AddAddr { endpoint, why } => {
                // Only an addition without an id replaces an implicit endpoint, whose id it keeps.
                let id = endpoint.id.filter(|_| *why != Reason::Adopted);
                self.write(step, self.family.add(endpoint, id))
            }
            Step::AddRule { .. } | Step::DelRule { .. } | Step::SetRoute { .. } | Step::DelRoute { .. } => {
                let answer = kept(&mut self.routes, Routes::open)?.execute(step);
                match self.verdict(step, answer) {
                    // What was to go is gone.
                    Err(Refusal { errno: Errno::ESRCH | Errno::ENOENT | Errno::ESTALE, .. })
                        if matches!(step, Step::DelRule { .. } | Step::DelRoute { .. }) =>
                    {
                        Ok(())
                    }
                    verdict => verdict,
                }
            }
        }
    }
}

fn is_set(flag: &Option<Arc<AtomicBool>>) -> bool {
    flag.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed))
}
