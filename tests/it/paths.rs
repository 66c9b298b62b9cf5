//! Live connections while a plan is carried out, on the model: what waits for what, what is tried again, and when the
//! program gives up. Time is what the program spends in pauses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::time::Duration;

use mptcp_apply::model::{
    AddressId, Capabilities, DeclaredNames, Endpoint, Flags, Identity, Limits, Reason, State, Step,
};
use mptcp_apply::plan::{Plan, plan};
use mptcp_apply::reconcile::{ApplyOptions, FailureKind, Report, StepOutcome, Verdict, apply};
use mptcp_apply::system::{
    DataProgress, Errno, Error, Joins, Observed, PathManager, Refusal, Scope, SubflowSummary,
};

use crate::model::{Model, Version};

/// From a request to its answer.
const ROUND_TRIP: Duration = Duration::from_millis(100);

/// How long a port is closed after its connections.
const TIME_WAIT: Duration = Duration::from_secs(60);

/// How peers answer a request for another subflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Accept,
    /// Established at this end, and reset one round trip later.
    Reset,
    /// Like that as long as the connection sends on several paths; accepted otherwise.
    ResetWhenBusy,
    /// None at all.
    Silence,
    /// The request is not even sent: there is no route.
    Unsent,
}

#[derive(Clone, Copy, Debug)]
struct Path {
    local: IpAddr,
    asked: Duration,
    answer: Answer,
    /// Whether the peer asks, for an address that it was told. Such a path takes longer, and is not seen before it is
    /// there.
    announced: bool,
}

impl Path {
    fn is_established(&self, now: Duration) -> bool {
        let trips = if self.announced { 5 } else { 1 };
        self.answer != Answer::Silence && now >= self.asked + trips * ROUND_TRIP
    }

    fn is_over(&self, now: Duration) -> bool {
        self.answer == Answer::Reset && now >= self.asked + 2 * ROUND_TRIP
    }
}

/// A kernel with connections, each of which has one path outside the table unless it is said otherwise.
struct Talking {
    kernel: Model,
    connections: Vec<Vec<Path>>,
    /// How peers answer the requests to come; the last answer stays.
    answers: Vec<Answer>,
    asked: usize,
    joins: Joins,
    now: Duration,
    /// How long connections had no established path, in all.
    without_path: Duration,
    additions: usize,
    /// The endpoints whose flags were changed.
    changed: Vec<Identity>,
    /// Until when ports are closed, of endpoints that had connections.
    closed: BTreeMap<Identity, Duration>,
    /// A call of `execute` that is refused, counted from 0.
    refused: Option<usize>,
    calls: usize,
    /// How many steps were carried out.
    executed: usize,
    /// When the run is asked to end.
    interrupted: Option<Duration>,
    /// Connections always send on all paths that are no backup, and what is on its way arrives within this time. None when
    /// they are idle.
    on_its_way: Option<Duration>,
    /// Since when rows are `backup`.
    lowered: BTreeMap<IpAddr, Duration>,
    /// How many paths were removed with data on their way.
    torn: usize,
    removals: usize,
    /// Until when the data of all connections stands still once a path was removed, if it does.
    stands_still: Option<Duration>,
}

impl Talking {
    /// So many connections with an established path from each row, and one from elsewhere if `other` is given.
    fn new(state: &State, connections: usize, other: Option<IpAddr>, answers: &[Answer]) -> Talking {
        let addresses = state.endpoints.iter().map(|row| row.identity.address).chain(other);
        let path = |local| Path { local, asked: Duration::ZERO, answer: Answer::Accept, announced: false };
        Talking {
            kernel: Model::holding(Version::V6_12, state),
            connections: vec![addresses.map(path).collect(); connections],
            answers: answers.to_vec(),
            asked: 0,
            joins: Joins::default(),
            now: ROUND_TRIP,
            without_path: Duration::ZERO,
            additions: 0,
            changed: Vec::new(),
            closed: BTreeMap::new(),
            refused: None,
            calls: 0,
            executed: 0,
            interrupted: None,
            on_its_way: None,
            lowered: BTreeMap::new(),
            torn: 0,
            removals: 0,
            stands_still: None,
        }
    }

    /// Whether data is on its way by this path of the connection.
    fn carries(&self, path: &Path, connection: &[Path]) -> bool {
        let is_other = |other: &&Path| other.local != path.local && other.is_established(self.now);
        let arrived = |since: &Duration| self.on_its_way.is_some_and(|time| self.now >= *since + time);
        let is_spare = connection.iter().any(|other| is_other(&other))
            && self.lowered.get(&path.local).is_some_and(arrived);
        self.on_its_way.is_some() && path.is_established(self.now) && !is_spare
    }

    fn ask(&mut self, local: IpAddr) {
        let state = self.kernel.state();
        let allowed = 1 + state.limits.subflows as usize;
        let announced = |local| {
            let identity = Identity { address: local, port: None };
            state.endpoint(identity).is_some_and(|row| row.flags.contains(Flags::SIGNAL))
        };
        for paths in &mut self.connections {
            if paths.len() >= allowed || paths.iter().any(|path| path.local == local) {
                continue;
            }
            let is_loud = |path: &&Path| {
                let row = state.endpoint(Identity { address: path.local, port: None });
                !row.is_some_and(|row| row.flags.contains(Flags::BACKUP))
            };
            let answer = *self.answers.get(self.asked).or(self.answers.last()).expect("an answer");
            let answer = match answer {
                Answer::ResetWhenBusy if paths.iter().filter(is_loud).count() > 1 => Answer::Reset,
                Answer::ResetWhenBusy => Answer::Accept,
                other => other,
            };
            self.asked += 1;
            if answer == Answer::Unsent {
                continue;
            }
            let joins = &mut self.joins;
            let counter = if announced(local) { &mut joins.heard } else { &mut joins.answered };
            *counter += u64::from(answer != Answer::Silence);
            paths.push(Path { local, asked: self.now, answer, announced: announced(local) });
        }
    }

    fn is_closed(&self, step: &Step) -> bool {
        let until = |endpoint: &Endpoint| self.closed.get(&endpoint.identity).copied();
        let addition = step.endpoint().filter(|_| matches!(step, Step::AddAddr { .. }));
        addition.and_then(until).is_some_and(|until| until > self.now)
    }

    fn paths_from(&self, last: u8) -> usize {
        let at = |path: &&Path| path.local == address(last) && path.is_established(self.now);
        self.connections.iter().flatten().filter(at).count()
    }
}

impl PathManager for Talking {
    fn observe(&mut self, scope: &Scope) -> Result<Observed, Error> {
        self.kernel.observe(scope)
    }

    fn check(&mut self, step: &Step) -> Result<(), Refusal> {
        if self.is_closed(step) { Err(Refusal::new(Errno::EADDRINUSE)) } else { self.kernel.check(step) }
    }

    /// Every endpoint with a port has some.
    fn connections(&mut self, endpoint: Identity) -> Result<usize, Error> {
        Ok(if endpoint.port.is_some() { 2 } else { 0 })
    }

    fn subflows(&mut self) -> Result<Vec<SubflowSummary>, Error> {
        let now = self.now;
        let of = |(token, paths): (usize, &Vec<Path>)| {
            let subflow = |path: &Path| SubflowSummary {
                connection: token as u32,
                local: path.local,
                established: path.is_established(now),
                queued: if self.carries(path, paths) { 1448 } else { 0 },
                unread: 0,
                acknowledged: now.as_millis() as u64,
                received: 0,
                backoff: 0,
                idle: Duration::from_secs(3600),
            };
            let seen = |path: &&Path| !path.announced || path.is_established(now);
            paths.iter().filter(seen).map(subflow).collect::<Vec<_>>()
        };
        Ok(self.connections.iter().enumerate().flat_map(of).collect())
    }

    fn lacking(&mut self, endpoint: &Endpoint, limits: Limits) -> Result<Vec<u32>, Error> {
        let (local, allowed) = (endpoint.identity.address, 1 + limits.subflows as usize);
        let lacks =
            |paths: &Vec<Path>| paths.len() < allowed && !paths.iter().any(|path| path.local == local);
        let connections = (0..).zip(&self.connections).filter(|(_, paths)| lacks(paths));
        Ok(connections.map(|(token, _)| token).collect())
    }

    /// Data moves, unless it stands still from the first removal on; then something waits, and is sent again and again.
    fn progress(&mut self) -> Result<Vec<DataProgress>, Error> {
        let stands_still = self.stands_still.is_some_and(|until| self.now < until) && self.removals > 0;
        let moved = if stands_still { 0 } else { self.now.as_millis() as u64 };
        let of = |connection: usize| DataProgress {
            connection: connection as u32,
            rcv_nxt: 0,
            snd_una: moved,
            write_seq: moved + 100_000,
            rmem_alloc: 0,
            rcvbuf: 1,
            wmem_queued: 100_000,
        };
        Ok((0..self.connections.len()).map(of).collect())
    }

    fn joins(&mut self) -> Joins {
        self.joins
    }

    fn elapsed(&mut self) -> Duration {
        self.now
    }

    fn pause(&mut self, duration: Duration) {
        self.now += duration;
        let now = self.now;
        for paths in &mut self.connections {
            paths.retain(|path| !path.is_over(now));
            if !paths.iter().any(|path| path.is_established(now)) {
                self.without_path += duration;
            }
        }
    }

    fn is_interrupted(&self) -> bool {
        self.interrupted.is_some_and(|at| self.now >= at)
    }

    fn execute(&mut self, step: &Step) -> Result<(), Refusal> {
        self.calls += 1;
        if self.refused == Some(self.calls - 1) {
            return Err(Refusal::new(Errno::ENOMEM));
        }
        if self.is_closed(step) {
            return Err(Refusal::new(Errno::EADDRINUSE));
        }
        self.kernel.execute(step)?;
        self.executed += 1;
        match step {
            Step::DelAddr { endpoint, .. } if endpoint.identity.port.is_some() => {
                self.closed.insert(endpoint.identity, self.now + TIME_WAIT);
            }
            Step::AddAddr { endpoint, .. } => {
                self.additions += 1;
                self.ask(endpoint.identity.address);
            }
            Step::DelAddr { endpoint, .. } => {
                let gone = endpoint.identity.address;
                let torn = |paths: &Vec<Path>| {
                    paths.iter().filter(|path| path.local == gone && self.carries(path, paths)).count()
                };
                self.torn += self.connections.iter().map(torn).sum::<usize>();
                self.lowered.remove(&gone);
                self.removals += 1;
                self.connections.iter_mut().for_each(|paths| paths.retain(|path| path.local != gone));
                // A free place is for the next endpoint that has no path yet.
                let rows = self.kernel.state().endpoints;
                rows.iter().for_each(|row| self.ask(row.identity.address));
            }
            Step::SetFlags { endpoint, to, .. } => {
                let address = endpoint.identity.address;
                match to.contains(Flags::BACKUP) {
                    true => self.lowered.entry(address).or_insert(self.now),
                    false => self.lowered.remove(&address).get_or_insert(self.now),
                };
                if address != self::address(4) {
                    self.changed.push(endpoint.identity);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn reason(step: &Step) -> Option<Reason> {
    match step {
        Step::SetFlags { why, .. } | Step::DelAddr { why, .. } | Step::AddAddr { why, .. } => Some(*why),
        _ => None,
    }
}

fn address(last: u8) -> IpAddr {
    [10, 0, 0, last].into()
}

/// Rows with these last numbers and ids of their own, within this limit of subflows.
fn state(subflows: u32, rows: &[u8], flags: Flags) -> State {
    let row = |last: &u8| Endpoint {
        identity: Identity { address: address(*last), port: None },
        id: AddressId::new(*last),
        dev: None,
        flags,
    };
    let limits = Limits { subflows, add_addr_accepted: 0 };
    State { limits, sysctls: Default::default(), endpoints: rows.iter().map(row).collect(), uplinks: None }
}

fn carry_out(kernel: &mut Talking, target: &State) -> Report {
    let outcome = attempt(kernel, target, Duration::ZERO);
    assert!(matches!(outcome.verdict, Verdict::Applied), "{:?}", outcome.verdict);
    assert!(outcome.after.agrees_with(target));
    outcome
}

fn attempt(kernel: &mut Talking, target: &State, patience: Duration) -> Report {
    let names = target.endpoints.iter().map(|row| (row.identity, format!("e{}", row.identity.address)));
    let names = DeclaredNames { endpoints: names.collect(), ..DeclaredNames::default() };
    attempt_named(kernel, target, names, patience)
}

fn attempt_named(kernel: &mut Talking, target: &State, names: DeclaredNames, patience: Duration) -> Report {
    let scope = Scope::default();
    let options = ApplyOptions { scope: &scope, patience, locate: &|_, _| None };
    let goal = |now: &State| {
        let steps = plan(now, target, Capabilities::SMALL).expect("possible");
        Plan { target: target.clone(), names: names.clone(), steps, warnings: Vec::new() }
    };
    let before = kernel.observe(&Scope::default()).expect("a state").state;
    let first = goal(&before);
    apply(kernel, options, before, first, |_, now, _| Ok(goal(&now.state)), |_, _| ())
}

/// Removes the second row and adds it again.
fn renew(kernel: &mut Talking, table: &State, why: Reason) -> Report {
    kernel.kernel = Model::holding(Version::V6_12, table);
    let names = table.endpoints.iter().map(|row| (row.identity, format!("e{}", row.identity.address)));
    let names = DeclaredNames { endpoints: names.collect(), ..DeclaredNames::default() };
    let (scope, target) = (Scope::default(), table.clone());
    let options = ApplyOptions { scope: &scope, patience: Duration::ZERO, locate: &|_, _| None };
    let plan = |steps| Plan { target: target.clone(), names: names.clone(), steps, warnings: Vec::new() };
    let mut steps = Vec::new();
    mptcp_apply::plan::renew(&mut steps, table, &[(table.endpoints[1].identity, why)].into());
    apply(kernel, options, table.clone(), plan(steps), |_, _, _| Ok(plan(Vec::new())), |_, _| ())
}

fn warned(outcome: &Report) -> BTreeSet<&'static str> {
    outcome.diagnostics.iter().map(|warning| warning.code.word()).collect()
}

const SUBFLOW: Flags = Flags::SUBFLOW;

#[test]
fn a_host_without_connections_pauses_for_nothing() {
    let mut kernel = Talking::new(&state(8, &[1, 2], SUBFLOW), 0, None, &[Answer::Accept]);
    let start = kernel.now;
    carry_out(&mut kernel, &state(8, &[3, 4], SUBFLOW));
    assert_eq!((kernel.now, kernel.additions), (start, 2));
}

#[test]
fn connections_on_other_addresses_are_not_waited_for() {
    let mut kernel = Talking::new(&state(8, &[], SUBFLOW), 3, Some(address(9)), &[Answer::Accept]);
    kernel.kernel = Model::holding(Version::V6_12, &state(8, &[1, 2], SUBFLOW));
    let start = kernel.now;
    carry_out(&mut kernel, &state(8, &[3, 4], SUBFLOW));
    assert_eq!(kernel.now, start);
}

/// The new paths need a round trip, and the old ones stay that long; whatever is replaced by what.
#[test]
fn the_last_path_goes_after_a_new_one_has_come() {
    let before = state(8, &[1, 2, 3], SUBFLOW);
    let other_addresses = state(8, &[4, 5, 6], SUBFLOW);
    let other_flags = state(8, &[1, 2, 3], SUBFLOW.union(Flags::LAMINAR));
    for target in [other_addresses, other_flags] {
        let mut kernel = Talking::new(&before, 2, None, &[Answer::Accept]);
        kernel.kernel = Model::holding(Version::V6_18, &before);
        let outcome = carry_out(&mut kernel, &target);
        assert_eq!(kernel.without_path, Duration::ZERO);
        assert_eq!(outcome.steps.len(), 6);
        assert_eq!(kernel.additions, 3);
        kernel.pause(ROUND_TRIP);
        assert!(target.endpoints.iter().all(|row| kernel.paths_from(row.id.expect("an id").get()) == 2));
    }
}

#[test]
fn within_tight_limits_each_removal_makes_room() {
    let mut kernel = Talking::new(&state(2, &[1, 2, 3], SUBFLOW), 1, None, &[Answer::Accept]);
    carry_out(&mut kernel, &state(2, &[4, 5, 6], SUBFLOW));
    assert_eq!(kernel.without_path, Duration::ZERO);
}

/// Whatever changes, nothing is removed with data on its way, and connections never stop. Idle ones are not waited for.
#[test]
fn what_carries_data_is_drained_before_it_goes() {
    let before = state(8, &[1, 2, 3], SUBFLOW);
    let other_flags = state(8, &[1, 2, 3], SUBFLOW.union(Flags::LAMINAR));
    let targets = [
        (other_flags, 3),
        (state(8, &[4, 5, 6], SUBFLOW), 3),
        (state(8, &[1, 4, 3], SUBFLOW), 1),
        (state(8, &[3], SUBFLOW), 2),
    ];
    for on_its_way in [0, 20, 600] {
        for (target, lowered) in &targets {
            let mut kernel = Talking::new(&before, 2, None, &[Answer::Accept]);
            kernel.kernel = Model::holding(Version::V6_18, &before);
            kernel.on_its_way = Some(Duration::from_millis(on_its_way));
            let outcome = carry_out(&mut kernel, target);
            assert_eq!((kernel.torn, kernel.without_path), (0, Duration::ZERO), "{target:?}");
            let drained = outcome.steps().filter(|step| reason(step) == Some(Reason::Drained));
            assert_eq!(drained.count(), *lowered);
        }
    }
}

/// A path that all data takes cannot be drained; neither can one whose peer goes on sending. Both end.
#[test]
fn draining_does_not_wait_for_ever() {
    let mut kernel = Talking::new(&state(8, &[1], SUBFLOW), 1, None, &[Answer::Silence]);
    kernel.on_its_way = Some(Duration::ZERO);
    let start = kernel.now;
    let outcome = carry_out(&mut kernel, &state(8, &[], SUBFLOW));
    assert!(!outcome.steps().any(|step| reason(step) == Some(Reason::Drained)));
    assert!(kernel.now - start < Duration::from_secs(1), "{:?}", kernel.now - start);
    let mut kernel = Talking::new(&state(8, &[1], SUBFLOW), 1, Some(address(9)), &[Answer::Accept]);
    kernel.on_its_way = Some(Duration::MAX / 2);
    let start = kernel.now;
    carry_out(&mut kernel, &state(8, &[], SUBFLOW));
    assert!((3..4).contains(&(kernel.now - start).as_secs()), "{:?}", kernel.now - start);
}

/// A run ends when data moves again, and names the connections whose data does not.
#[test]
fn data_that_stands_still_is_told() {
    for (seconds, stalled) in [(5, false), (1_000, true)] {
        let mut kernel = Talking::new(&state(8, &[1], SUBFLOW), 1, Some(address(9)), &[Answer::Accept]);
        kernel.on_its_way = Some(Duration::ZERO);
        kernel.stands_still = Some(Duration::from_secs(seconds));
        let outcome = carry_out(&mut kernel, &state(8, &[], SUBFLOW));
        assert_eq!(warned(&outcome).contains("data-stalled"), stalled);
        assert!(kernel.now.as_secs() <= 32, "{:?}", kernel.now);
        assert!(stalled || kernel.now.as_secs() >= seconds, "{:?}", kernel.now);
    }
}

/// Subflows that are there when a `backup` endpoint is added for their address hear of it; those of one that is replaced
/// are closed anyway.
#[test]
fn live_subflows_hear_of_backup() {
    let backup = SUBFLOW.union(Flags::BACKUP);
    let mut kernel = Talking::new(&state(8, &[1], SUBFLOW), 1, Some(address(9)), &[Answer::Accept]);
    let mut target = state(8, &[1], SUBFLOW);
    target.endpoints.extend(state(8, &[8, 9], backup).endpoints);
    let outcome = carry_out(&mut kernel, &target);
    let of_9 =
        outcome.steps().filter(|step| step.endpoint().is_some_and(|row| row.identity.address == address(9)));
    let of_9: Vec<String> = of_9.map(ToString::to_string).collect();
    assert_eq!(of_9.len(), 2, "{of_9:?}");
    assert!(kernel.changed == [Identity { address: address(9), port: None }], "{:?}", kernel.changed);
}

/// What was drained is as before when a step fails, wherever that is.
#[test]
fn what_was_drained_is_put_back() {
    let before = state(8, &[1, 2, 3], SUBFLOW);
    for refused in 0..9 {
        let mut kernel = Talking::new(&before, 2, None, &[Answer::Accept]);
        kernel.on_its_way = Some(Duration::ZERO);
        kernel.kernel = Model::holding(Version::V6_18, &before);
        kernel.refused = Some(refused);
        let target = state(8, &[1, 2, 3], SUBFLOW.union(Flags::LAMINAR));
        let outcome = attempt(&mut kernel, &target, Duration::ZERO);
        // Where a row cannot be lowered, it goes as it is.
        let expected = if outcome.verdict == Verdict::Applied { &target } else { &before };
        assert!(outcome.after.agrees_with(expected), "{refused}: {:?}", outcome.after);
        assert!(matches!(outcome.verdict, Verdict::Applied | Verdict::RolledBack), "{refused}");
    }
}

/// The old path stays until a new one does not only come, but stays too.
#[test]
fn a_path_that_is_reset_is_none() {
    let answers = [Answer::Reset, Answer::Reset, Answer::Accept];
    let mut kernel = Talking::new(&state(8, &[1], SUBFLOW), 1, None, &answers);
    let outcome = carry_out(&mut kernel, &state(8, &[2], SUBFLOW));
    assert_eq!(kernel.without_path, Duration::ZERO);
    assert_eq!((kernel.paths_from(2), kernel.additions), (1, 3));
    // What had to be tried again reached the kernel too.
    let of = |why| outcome.steps().filter(|step| reason(step) == Some(why)).count();
    assert_eq!((of(Reason::Declared), of(Reason::NotDeclared)), (1, 1));
    let again = |step: &&Step| matches!(step, Step::AddAddr { why: Reason::Renewed, .. });
    assert_eq!(outcome.steps().filter(again).count(), 2);
    assert_eq!(outcome.steps.len(), kernel.executed, "each step that reached the kernel is reported");
    assert!(warned(&outcome).is_empty());
}

/// Who is to end while connections wait leaves them the path that they have.
#[test]
fn an_interrupted_run_takes_no_last_path() {
    let (before, target) = (state(8, &[1], SUBFLOW), state(8, &[2], SUBFLOW));
    for milliseconds in [0, 150, 1_000] {
        let mut kernel = Talking::new(&before, 1, None, &[Answer::Silence]);
        kernel.interrupted = Some(kernel.now + Duration::from_millis(milliseconds));
        let outcome = attempt(&mut kernel, &target, Duration::ZERO);
        assert_eq!(outcome.verdict, Verdict::RolledBack);
        let failure = outcome.failure.as_ref().expect("a failure");
        assert_eq!((failure.kind, failure.step), (FailureKind::Interrupted, Some(1)));
        let outcomes: Vec<&StepOutcome> = outcome.steps.iter().map(|step| &step.outcome).collect();
        assert_eq!(outcomes, [&StepOutcome::Done, &StepOutcome::NotTried, &StepOutcome::Done]);
        assert!(outcome.after.agrees_with(&before));
        assert_eq!((kernel.paths_from(1), kernel.without_path), (1, Duration::ZERO));
    }
}

/// And one that has nothing to take away is finished, but nothing is added again.
#[test]
fn an_interrupted_run_is_finished_where_nothing_is_lost_by_it() {
    let mut kernel = Talking::new(&state(8, &[1], SUBFLOW), 1, Some(address(9)), &[Answer::Reset]);
    kernel.interrupted = Some(Duration::ZERO);
    let outcome = carry_out(&mut kernel, &state(8, &[2], SUBFLOW));
    assert_eq!((kernel.additions, kernel.changed.len()), (1, 0));
    assert_eq!(warned(&outcome), BTreeSet::from(["subflows-lost"]));
}

#[test]
fn lost_subflows_are_asked_for_again() {
    for refused in 0..6 {
        let mut answers = vec![Answer::Reset; refused];
        answers.push(Answer::Accept);
        // The same address with other flags: the old one has to go before the new one comes.
        let mut kernel = Talking::new(&state(8, &[1], SUBFLOW), 1, Some(address(9)), &answers);
        kernel.kernel = Model::holding(Version::V6_18, &state(8, &[1], SUBFLOW));
        let outcome = carry_out(&mut kernel, &state(8, &[1], SUBFLOW.union(Flags::LAMINAR)));
        assert_eq!((kernel.paths_from(1), kernel.additions), (1, refused + 1));
        assert!(warned(&outcome).is_empty());
    }
}

/// Endpoints are renewed for connections that lack their subflows: these are asked for until they are there, as those that
/// connections had.
#[test]
fn what_is_renewed_is_asked_for_until_it_is_there() {
    for why in [Reason::AskedFor, Reason::SubflowLost { connections: 2, is_first: true }] {
        let mut kernel = Talking::new(&state(8, &[1, 3], SUBFLOW), 2, None, &[Answer::ResetWhenBusy]);
        let report = renew(&mut kernel, &state(8, &[1, 2, 3], SUBFLOW), why);
        assert_eq!(kernel.paths_from(2), 2, "{:?}", kernel.connections);
        assert_eq!(kernel.additions, 2);
        assert!(report.after.agrees_with(&report.before) && warned(&report).is_empty());
    }
}

/// A peer may refuse for good, so that is tried less often than what a run itself took away.
#[test]
fn who_refuses_what_is_renewed_is_asked_three_times() {
    let mut kernel = Talking::new(&state(8, &[1, 3], SUBFLOW), 2, None, &[Answer::Reset]);
    let report = renew(&mut kernel, &state(8, &[1, 2, 3], SUBFLOW), Reason::AskedFor);
    assert_eq!((kernel.additions, warned(&report)), (3, BTreeSet::new()));
    assert!(report.after.agrees_with(&report.before));
    assert!(kernel.now < Duration::from_secs(5), "{:?}", kernel.now);
}

/// What cannot be had is not lost, and costs a watch little time.
#[test]
fn what_is_renewed_in_vain_is_asked_for_once() {
    for answer in [Answer::Silence, Answer::Unsent] {
        let mut kernel = Talking::new(&state(8, &[1, 3], SUBFLOW), 2, None, &[answer]);
        let report = renew(&mut kernel, &state(8, &[1, 2, 3], SUBFLOW), Reason::AskedFor);
        assert_eq!((kernel.additions, warned(&report)), (1, BTreeSet::new()));
        assert!(kernel.now < Duration::from_secs(3), "{:?}", kernel.now);
    }
}

/// Neither where the host changes, nor for a peer that refused before.
#[test]
fn not_every_renewal_is_waited_for() {
    for why in [Reason::AddedTooEarly, Reason::SubflowLost { connections: 2, is_first: false }] {
        let mut kernel = Talking::new(&state(8, &[1, 3], SUBFLOW), 2, None, &[Answer::Reset]);
        let start = kernel.now;
        renew(&mut kernel, &state(8, &[1, 2, 3], SUBFLOW), why);
        assert_eq!((kernel.now, kernel.additions), (start, 1));
    }
}

/// Peers up to Linux 6.12 let no subflow in while data arrives by several paths. What is in the way is `backup` for a
/// moment, and everything is as declared in the end.
#[test]
fn subflows_come_while_connections_are_quiet() {
    for (before, after) in [([1, 2, 3], [4, 5, 6]), ([1, 2, 3], [1, 4, 3])] {
        let mut kernel = Talking::new(&state(8, &before, SUBFLOW), 2, None, &[Answer::ResetWhenBusy]);
        let outcome = carry_out(&mut kernel, &state(8, &after, SUBFLOW));
        assert!(after.iter().all(|last| kernel.paths_from(*last) == 2), "{:?}", kernel.connections);
        assert_eq!(kernel.without_path, Duration::ZERO);
        assert!(warned(&outcome).is_empty());
    }
}

/// No run would give undeclared ones their flags back if the run were killed.
#[test]
fn only_declared_endpoints_are_made_quiet() {
    let before = state(8, &[1, 2, 3], SUBFLOW);
    let target = state(8, &[1, 4, 3], SUBFLOW);
    let endpoints = [(Identity { address: address(4), port: None }, "e4".to_owned())].into();
    let names = DeclaredNames { endpoints, ..DeclaredNames::default() };
    let mut kernel = Talking::new(&before, 1, None, &[Answer::ResetWhenBusy]);
    let report = attempt_named(&mut kernel, &target, names, Duration::ZERO);
    assert_eq!(report.verdict, Verdict::Applied);
    assert!(kernel.changed.is_empty(), "{:?}", kernel.changed);
}

/// If the flags cannot be given back at once, that is a difference like any other.
#[test]
fn flags_are_given_back() {
    for refused in 0..12 {
        let mut kernel =
            Talking::new(&state(8, &[1, 2, 3], SUBFLOW), 1, None, &[Answer::Reset, Answer::ResetWhenBusy]);
        kernel.refused = Some(refused);
        let target = state(8, &[1, 4, 3], SUBFLOW);
        let outcome = attempt(&mut kernel, &target, Duration::ZERO);
        let expected = if matches!(outcome.verdict, Verdict::Applied) { &target } else { &outcome.before };
        assert!(outcome.after.agrees_with(expected), "{refused}: {:?}", outcome.after);
    }
}

#[test]
fn what_is_always_refused_is_given_up_and_told() {
    let mut kernel = Talking::new(&state(8, &[1], SUBFLOW), 1, Some(address(9)), &[Answer::Reset]);
    let outcome = carry_out(&mut kernel, &state(8, &[2], SUBFLOW));
    assert_eq!(kernel.additions, 7);
    assert_eq!(warned(&outcome), ["subflows-lost"].into());
    assert!(kernel.now < Duration::from_secs(10), "{:?}", kernel.now);
}

/// Who does not answer is not asked again: there is a firewall, or no route.
#[test]
fn a_peer_that_does_not_answer_is_asked_once() {
    for answer in [Answer::Silence, Answer::Unsent] {
        let mut kernel = Talking::new(&state(8, &[1], SUBFLOW), 1, Some(address(9)), &[answer]);
        carry_out(&mut kernel, &state(8, &[2], SUBFLOW));
        assert_eq!(kernel.additions, 1);
        assert!(kernel.now < Duration::from_secs(3), "{:?}", kernel.now);
    }
}

/// Nor do lower limits: the subflows that are open stay open, and there is no room for the new one.
#[test]
fn lower_limits_are_no_loss() {
    let mut kernel = Talking::new(&state(8, &[1, 2, 3], SUBFLOW), 1, Some(address(9)), &[Answer::Accept]);
    let outcome = carry_out(&mut kernel, &state(2, &[4, 2, 3], SUBFLOW));
    assert_eq!((kernel.paths_from(2), kernel.paths_from(4)), (1, 0));
    assert_eq!(kernel.additions, 1);
    assert!(warned(&outcome).is_empty());
}

/// To renew an endpoint closes the subflows that it has: not for a few that lack one.
#[test]
fn most_connections_decide() {
    let answers = [Answer::Reset, Answer::Reset, Answer::Accept];
    let mut kernel = Talking::new(&state(8, &[1], SUBFLOW), 10, Some(address(9)), &answers);
    carry_out(&mut kernel, &state(8, &[2], SUBFLOW));
    assert_eq!((kernel.paths_from(2), kernel.additions), (8, 1));
    let mut answers = vec![Answer::Reset; 6];
    answers.push(Answer::Accept);
    let mut kernel = Talking::new(&state(8, &[1], SUBFLOW), 10, Some(address(9)), &answers);
    carry_out(&mut kernel, &state(8, &[2], SUBFLOW));
    assert_eq!((kernel.paths_from(2), kernel.additions), (10, 2));
}

/// Fewer endpoints mean fewer subflows; none of them is lost.
#[test]
fn fewer_endpoints_are_no_loss() {
    let mut kernel = Talking::new(&state(8, &[1, 2, 3], SUBFLOW), 1, Some(address(9)), &[Answer::Accept]);
    let outcome = carry_out(&mut kernel, &state(8, &[4], SUBFLOW));
    assert_eq!(kernel.additions, 1);
    assert!(warned(&outcome).is_empty());
}

/// The peers ask for announced addresses, after some time, and the kernel shows nothing of it until they have come.
#[test]
fn announced_addresses_are_given_time() {
    let mut kernel = Talking::new(&state(8, &[1], Flags::SIGNAL), 2, None, &[Answer::Accept]);
    let outcome = carry_out(&mut kernel, &state(8, &[2], Flags::SIGNAL));
    assert_eq!((kernel.paths_from(2), kernel.additions), (2, 1));
    assert_eq!(kernel.without_path, Duration::ZERO);
    assert!(warned(&outcome).is_empty());
}

/// Endpoints on ports, with these ids.
fn on_ports(ids: &[u8]) -> State {
    let mut state = state(2, ids, Flags::SIGNAL);
    for (number, row) in (1..).zip(&mut state.endpoints) {
        row.identity = Identity { address: address(number), port: NonZeroU16::new(8443) };
    }
    state
}

/// Each is waited for in its turn, so that two need the patience for two.
#[test]
fn ports_that_close_one_after_the_other_need_patience_for_all() {
    let (before, target) = (on_ports(&[1, 2]), on_ports(&[3, 4]));
    let mut kernel = Talking::new(&before, 0, None, &[Answer::Accept]);
    let outcome = attempt(&mut kernel, &target, Duration::from_secs(100));
    let kind = outcome.failure.as_ref().map(|failure| failure.kind);
    assert_eq!((outcome.verdict, kind), (Verdict::RolledBack, Some(FailureKind::PortClosing)));
    assert!(outcome.steps.iter().all(|step| step.outcome == StepOutcome::NotTried));
    assert!(outcome.after.agrees_with(&before));
    let outcome = attempt(&mut kernel, &target, Duration::from_secs(130));
    assert!(matches!(outcome.verdict, Verdict::Applied), "{:?}", outcome.verdict);
    assert!(outcome.after.agrees_with(&target));
}

/// An endpoint that has to be put back is waited for, whatever the patience: without it the host has a path less.
#[test]
fn an_endpoint_on_a_port_is_put_back() {
    let (before, target) = (on_ports(&[1]), state(2, &[5], Flags::SUBFLOW));
    let mut kernel = Talking::new(&before, 0, None, &[Answer::Accept]);
    kernel.refused = Some(1);
    let outcome = attempt(&mut kernel, &target, Duration::ZERO);
    assert!(matches!(outcome.verdict, Verdict::RolledBack), "{:?}", outcome.verdict);
    assert!(outcome.after.agrees_with(&before));
    assert!(kernel.now >= TIME_WAIT);
}
