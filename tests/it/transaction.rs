//! Transactions on the model of the kernel, with faults between the two: every step refused, and then every undo;
//! flags that are dropped; states that cannot be read. `situations` has random ones, `others` what other writers do.

mod others;
mod situations;

use std::time::Duration;

use mptcp_apply::desired::ResolveError;
use mptcp_apply::model::{
    AddressId, Capabilities, DeclaredNames, Endpoint, Flags, Identity, Limits, Reason, State, Step, Sysctl,
    SysctlValue,
};
use mptcp_apply::plan::{Plan, plan};
use mptcp_apply::reconcile::{
    ApplyOptions, Failure, FailureKind, Report, ReportedStep, StepOutcome, Verdict, apply,
};
use mptcp_apply::report::yaml;
use mptcp_apply::system::{Errno, Observed, Refusal, Scope};

use crate::model::{Faulty, Model, Version};

/// All that the kernel is known to answer, and what a path to it may answer. ESTALE is the program's own word for a
/// table that has changed.
const ERRNOS: [Errno; 16] = [
    Errno::EINVAL,
    Errno::ERANGE,
    Errno::EBUSY,
    Errno::EEXIST,
    Errno::EADDRINUSE,
    Errno::EADDRNOTAVAIL,
    Errno::EACCES,
    Errno::ENOPROTOOPT,
    Errno::EPERM,
    Errno::EOPNOTSUPP,
    Errno::ENOENT,
    Errno::ENOMEM,
    Errno::ENOBUFS,
    Errno::ESRCH,
    Errno::EPROTO,
    Errno::EIO,
];

fn row(last: u8, id: u8, flags: Flags) -> Endpoint {
    let identity = Identity { address: [10, 0, 0, last].into(), port: None };
    Endpoint { identity, id: AddressId::new(id), dev: None, flags }
}

fn stale_loss_cnt() -> Sysctl {
    Sysctl::named("stale_loss_cnt").expect("a sysctl")
}

fn state(subflows: u32, stale: u64, endpoints: Vec<Endpoint>) -> State {
    let sysctls = [(stale_loss_cnt(), SysctlValue::Number(stale))].into();
    State {
        limits: Limits { subflows, add_addr_accepted: 0 },
        sysctls,
        endpoints,
        uplinks: Some(Default::default()),
    }
}

fn before() -> State {
    state(2, 4, vec![row(1, 1, Flags::SUBFLOW), row(2, 2, Flags::SIGNAL), row(3, 3, Flags::SUBFLOW)])
}

/// Every kind of step: a sysctl, limits, flags, an addition, a replacement, a removal.
fn after() -> State {
    let fullmesh = Flags::SUBFLOW.union(Flags::FULLMESH);
    state(5, 9, vec![row(4, 4, Flags::SUBFLOW), row(1, 1, fullmesh), row(2, 2, Flags::SUBFLOW)])
}

/// How many steps lead from [`before`] to [`after`].
const STEPS: usize = 7;

fn host(version: Version) -> Faulty<Model> {
    Faulty::new(Model::holding(version, &before()))
}

fn goal(now: &State, target: &State, capabilities: Capabilities) -> Result<Plan, ResolveError> {
    let steps = plan(now, target, capabilities).map_err(|_| ResolveError::Conflict(Vec::new()))?;
    Ok(Plan { target: target.clone(), names: DeclaredNames::default(), steps, warnings: Vec::new() })
}

/// Goes where `desired` says, in whatever state it finds the kernel.
fn carry_out(
    kernel: &mut Faulty<Model>,
    desired: impl Fn(&State) -> Result<State, ResolveError>,
) -> Result<Report, ResolveError> {
    let capabilities = kernel.kernel.version().capabilities;
    let plan = |now: &State| goal(now, &desired(now)?, capabilities);
    let before = kernel.kernel.state();
    let first = plan(&before)?;
    let sysctls: Vec<Sysctl> = before.sysctls.keys().copied().collect();
    let scope = Scope { sysctls, uplinks: true };
    let options = ApplyOptions { scope: &scope, patience: Duration::ZERO, locate: &|_, _| None };
    let replan = |_: &mut _, now: &Observed, _: &_| Ok(plan(&now.state)?);
    Ok(apply(kernel, options, before, first, replan, |_, _| ()))
}

fn reach_after(kernel: &mut Faulty<Model>) -> Report {
    carry_out(kernel, |_| Ok(after())).expect("possible")
}

/// What a report says of a failure: its cause, the step, how many were carried out before, and which could not be undone.
#[derive(Debug)]
struct Failed {
    failure: Failure,
    carried_out: usize,
    not_undone: Vec<(Step, Refusal)>,
}

fn is_undo(reported: &&ReportedStep) -> bool {
    let (Step::SetFlags { why, .. } | Step::DelAddr { why, .. } | Step::AddAddr { why, .. }) = &reported.step
    else {
        return false;
    };
    *why == Reason::PutBack
}

/// The steps of the plan in a report; what put them back comes behind. Settings give no reason, so that the plan's number of
/// steps tells.
fn failed(report: Report, planned: usize) -> Failed {
    let (plan, undo) = report.steps.split_at(planned);
    let done = |reported: &&ReportedStep| reported.outcome == StepOutcome::Done;
    let refused = undo.iter().filter_map(|undo| match &undo.outcome {
        StepOutcome::Refused(refusal) => Some((undo.step.clone(), refusal.clone())),
        _ => None,
    });
    assert!(undo.iter().all(|undo| is_undo(&undo) || undo.step.endpoint().is_none()), "{undo:?}");
    Failed {
        carried_out: plan.iter().filter(done).count(),
        not_undone: refused.collect(),
        failure: report.failure.expect("a failure"),
    }
}

#[track_caller]
fn rolled_back(report: Report) -> Failed {
    assert_eq!(report.verdict, Verdict::RolledBack);
    failed(report, STEPS)
}

#[track_caller]
fn incomplete(report: Report) -> Failed {
    assert_eq!(report.verdict, Verdict::RollbackIncomplete);
    failed(report, STEPS)
}

fn steps(report: &Report) -> Vec<Step> {
    report.steps().cloned().collect()
}

/// The kernel took a step and left a flag out: no refusal has a number then.
fn is_flags_dropped(failure: &Failure) -> bool {
    failure.kind == FailureKind::Unsupported && failure.errno.is_none() && failure.step.is_some()
}

#[test]
fn a_goal_is_reached() {
    for version in Version::ALL {
        let mut kernel = host(version);
        let outcome = reach_after(&mut kernel);
        assert!(matches!(outcome.verdict, Verdict::Applied));
        assert_eq!(outcome.steps.len(), STEPS);
        assert!(kernel.kernel.state().agrees_with(&after()));
        assert!(outcome.after.agrees_with(&after()));
        let again = reach_after(&mut kernel);
        assert!(matches!(again.verdict, Verdict::Unchanged));
        assert!(again.steps.is_empty());
    }
}

/// The plan from [`before`] to [`after`].
fn the_plan() -> Vec<Step> {
    goal(&before(), &after(), Capabilities::SMALL).expect("possible").steps
}

/// How often a step is tried that is refused each time: a row that came and went may be the cause of some errors.
fn tries(step: &Step, errno: Errno) -> usize {
    let may_pass = [Errno::EBUSY, Errno::EEXIST, Errno::ENOENT].contains(&errno);
    if may_pass && step.endpoint().is_some() { 6 } else { 1 }
}

/// Whichever step is refused, and with whatever error: while nobody else changed the table, everything is as before.
#[test]
fn every_refused_step_is_undone() {
    let steps = the_plan();
    for (version, call) in
        Version::ALL.into_iter().flat_map(|version| (0..STEPS).map(move |call| (version, call)))
    {
        for errno in ERRNOS {
            let tries = tries(&steps[call], errno);
            let mut kernel =
                (call..call + tries).fold(host(version), |kernel, call| kernel.refuse(call, errno));
            let outcome = reach_after(&mut kernel);
            assert!(outcome.steps.len() >= STEPS, "the whole plan is reported");
            let undone = outcome.steps.len() - STEPS;
            let failed = rolled_back(outcome);
            assert_eq!((failed.failure.step, failed.carried_out, undone), (Some(call), call, call));
            assert_eq!(failed.failure.errno, Some(errno));
            assert_eq!(kernel.kernel.state(), before(), "{call} {errno}");
            assert_eq!(kernel.calls, 2 * call + tries, "each step that was carried out has one undo");
        }
    }
}

/// A row that is another one now is another program's doing, whatever the table says.
#[test]
fn a_row_that_was_another_one_makes_a_new_plan() {
    for call in 0..STEPS {
        let mut kernel = host(Version::V6_18).refuse(call, Errno::ESTALE);
        let outcome = reach_after(&mut kernel);
        assert!(matches!(outcome.verdict, Verdict::Applied), "{:?}", outcome.verdict);
        let done = outcome.steps.iter().filter(|reported| reported.outcome == StepOutcome::Done);
        assert_eq!(done.count(), STEPS, "no step is done twice");
        assert!(kernel.kernel.state().agrees_with(&after()));
    }
}

/// Whichever step is refused, and whichever undo: what could not be taken back is named, and what differs is shown.
#[test]
fn every_refused_undo_is_told() {
    for call in 1..STEPS {
        for undo in 0..call {
            for errno in ERRNOS {
                let mut kernel =
                    host(Version::V6_18).refuse(call, Errno::EADDRNOTAVAIL).refuse(call + 1 + undo, errno);
                let report = reach_after(&mut kernel);
                let (steps, start, after) = (steps(&report), report.before.clone(), report.after.clone());
                let failed = incomplete(report);
                assert_eq!((failed.failure.step, failed.carried_out), (Some(call), call));
                let expected = steps[call - 1 - undo].undo(&after_first(&steps[..call]));
                let expected = expected.expect("an undo");
                let [(step, refusal), later @ ..] = &failed.not_undone[..] else { panic!("nothing named") };
                assert_eq!((step, refusal.errno), (&expected, errno));
                // A row that could not be removed is in the way of the one that it replaced.
                let identity = |step: &Step| step.endpoint().map(|row| row.identity);
                assert!(later.iter().all(|(other, _)| identity(other) == identity(step)), "{later:?}");
                assert_eq!(kernel.calls, call + 1 + call, "all others are tried");
                assert_eq!(after, kernel.kernel.state(), "what is there is told");
                let diff = yaml::diff(&start, &after, &DeclaredNames::default(), ["before", "after"])
                    .expect("a diff");
                assert!(shows(&diff, step), "{step}\n{diff}");
            }
        }
    }
}

fn after_first(done: &[Step]) -> State {
    let mut reached = before();
    done.iter().for_each(|step| step.replay(&mut reached));
    reached
}

/// Whether a diff shows what an undo that was refused would have put right.
fn shows(diff: &str, undo: &Step) -> bool {
    let about = match undo {
        Step::SetSysctl { sysctl, .. } => vec![format!("{}:", sysctl.name())],
        Step::SetLimits { .. } => vec!["subflows:".to_owned()],
        Step::SetFlags { endpoint, .. } | Step::DelAddr { endpoint, .. } | Step::AddAddr { endpoint, .. } => {
            // Three lines are shown above a change, so that above flags the id may be all that is seen.
            let id = endpoint.id.map(|id| format!("id: {id}"));
            id.into_iter().chain([format!("address: {}", endpoint.identity.address)]).collect()
        }
        Step::AddRule { rule, .. } | Step::DelRule { rule, .. } => vec![rule.to_string()],
        Step::SetRoute { to: route, .. } | Step::DelRoute { route, .. } => {
            route.gateway.map(|gateway| format!("- {gateway}")).into_iter().collect()
        }
    };
    let is_about = |line: &str| about.iter().any(|words| line[1..].trim_start().starts_with(words));
    let below = diff.lines().skip_while(|line| !is_about(line));
    let mut lines =
        below.enumerate().take_while(|(number, line)| *number == 0 || line[1..].starts_with("    "));
    lines.any(|(_, line)| line.starts_with(['+', '-']))
}

/// The privilege is lost in the middle, so that nothing can be taken back either.
#[test]
fn privileges_that_are_lost_leave_what_was_done() {
    for call in 0..STEPS {
        let mut kernel = host(Version::V6_18).refuse_from(call, Errno::EPERM);
        let report = reach_after(&mut kernel);
        let (steps, after) = (steps(&report), report.after.clone());
        if call == 0 {
            assert_eq!(rolled_back(report).carried_out, 0);
            assert_eq!(after, before());
            continue;
        }
        let failed = incomplete(report);
        assert_eq!((failed.failure.step, failed.carried_out), (Some(call), call));
        assert!(failed.not_undone.iter().all(|(_, refusal)| refusal.errno == Errno::EPERM));
        let undone: Vec<Option<Step>> = steps[..call].iter().rev().map(|step| step.undo(&after)).collect();
        let named: Vec<Option<Step>> = failed.not_undone.into_iter().map(|(step, _)| Some(step)).collect();
        assert_eq!(named, undone, "all of them, last step first");
        assert!(after.agrees_with(&after_first(&steps[..call])));
    }
}

fn without(flag: Flags) -> Faulty<Model> {
    let known = Version::V6_18.known.without(flag);
    host(Version { known, ..Version::V6_18 })
}

#[test]
fn flags_that_the_kernel_drops_are_found_and_taken_back() {
    let mut kernel = without(Flags::FULLMESH);
    let outcome = reach_after(&mut kernel);
    let steps = steps(&outcome);
    let failure = rolled_back(outcome).failure;
    assert!(is_flags_dropped(&failure), "{failure:?}");
    assert!(failure.diagnostics[0].message.contains("fullmesh"), "{failure:?}");
    let step = failure.step.and_then(|index| steps.get(index));
    assert!(matches!(step, Some(Step::SetFlags { .. })), "{step:?}");
    assert_eq!(kernel.kernel.state(), before());
}

/// A flag that is dropped before another step is refused is the reason that can be mended, and no race.
#[test]
fn a_dropped_flag_before_a_refusal_is_no_race() {
    let mut kernel = without(Flags::FULLMESH).refuse(6, Errno::EADDRNOTAVAIL);
    let failure = rolled_back(reach_after(&mut kernel)).failure;
    assert!(is_flags_dropped(&failure), "{failure:?}");
    assert!(kernel.calls < 20, "it went on for {} calls", kernel.calls);
}

/// The kernel alone makes implicit endpoints; one that had to go cannot be put back.
#[test]
fn a_lost_implicit_endpoint_is_told() {
    let mut rows = before().endpoints;
    rows.push(row(7, 4, Flags::IMPLICIT));
    let start = state(2, 4, rows);
    let last = goal(&start, &after(), Capabilities::SMALL).expect("possible").steps.len() - 1;
    let mut kernel = Faulty::new(Model::holding(Version::V6_18, &start)).refuse(last, Errno::EPERM);
    assert_eq!(reach_after(&mut kernel).verdict, Verdict::RollbackIncomplete);
}

#[test]
fn a_state_that_cannot_be_read_back_is_not_called_restored() {
    let mut kernel = host(Version::V6_18).unreadable_from(0);
    let failure = incomplete(reach_after(&mut kernel)).failure;
    assert_eq!((failure.kind, failure.step), (FailureKind::Unreadable, None));
    assert_eq!(kernel.kernel.state(), before(), "it was undone all the same");
}

/// One state that cannot be read is a failure like any other, as long as the one at the end can be.
#[test]
fn a_state_that_cannot_be_read_once_is_a_failure() {
    for errno in [Errno::EPERM, Errno::ENOBUFS, Errno::ENOMEM] {
        let mut kernel = host(Version::V6_18).unreadable(0, errno);
        let failure = rolled_back(reach_after(&mut kernel)).failure;
        let kind = if errno == Errno::EPERM { FailureKind::NotPermitted } else { FailureKind::Unreadable };
        assert_eq!((failure.kind, failure.step), (kind, None));
        assert_eq!(kernel.kernel.state(), before());
    }
}
