//! `mptcp-apply status`: whether the kernel is as declared, what keeps it so, and what the endpoints carry.

use std::io;

use crate::cli::{Cli, Common, Format, Status};
use crate::config::LoadedConfig;
use crate::linux::locks::Holder;
use crate::linux::{LinuxPathManager, blackhole, clock};
use crate::model::diagnostic::Severity;
use crate::model::{Exit, Keeper, KeeperRole, UplinkStatus};
use crate::reconcile::{self, Failure, Mode, Report};
use crate::report::json_v1::status::StatusJson;
use crate::report::status::{self, LiveState, NamespaceStatus, metrics, text};
use crate::rundir::RunDir;
use crate::system::HostFacts;

use super::{Output, load, netns};

/// Shows how things are in each of the namespaces; changes nothing.
///
/// # Errors
/// When the result cannot be written.
pub fn run(options: &Status, common: &Common) -> io::Result<Exit> {
    let output = Output::new(common);
    let loaded = match load::load(&options.paths, false, false, common, &output)? {
        Ok(loaded) => loaded,
        Err(exit) => return Ok(exit),
    };
    let refuse = |netns: Option<&str>, failure| output.refuse(netns, failure);
    // OpenMetrics has each family once, with the samples of all namespaces.
    let mut all = Vec::new();
    let exit = netns::in_each(&options.within.netns, &output, Severity::Warning, refuse, |netns| {
        let status = match look(netns, &loaded) {
            Ok(status) => status,
            Err(failure) => return refuse(netns, failure),
        };
        // What waits is a row of the page.
        let found = status.report.diagnostics.iter().filter(|found| !status::is_wait(found));
        output.diagnose_in(netns, found, &loaded.sources);
        match common.format() {
            Format::Json => output.print_json(&StatusJson::new(&status, &loaded))?,
            Format::OpenMetrics => {}
            Format::Text | Format::Yaml => {
                let zone = clock::time_zone();
                let (style, screen) = (output.style(), output.screen());
                output.print_in(netns, &text::page(&status, zone.as_ref(), clock::now(), style, screen))?;
            }
        }
        let exit = match status.report.exit() {
            Exit::Success if options.detailed_exitcode && !status.is_in_sync() => Exit::Changed,
            exit => exit,
        };
        all.push(status);
        Ok(exit)
    })?;
    if common.format() == Format::OpenMetrics {
        output.print(&metrics::page(all.iter()))?;
    }
    Ok(exit)
}

/// Reads the namespace that this thread is in.
pub fn look(netns: Option<&str>, loaded: &LoadedConfig) -> Result<NamespaceStatus, Failure> {
    let mut rundir = RunDir::of_this_namespace()?;
    let mut system = LinuxPathManager::open()?;
    let (keeper, checks) = watched(&rundir, &mut system)?;
    let report = reconcile::reconcile(loaded, &mut system, &mut rundir, Mode::Status)?;
    let live = LiveState {
        connections: system.live_connections()?,
        counters: system.counters(),
        is_paused: blackhole::is_paused(),
        checks,
        uptime: clock::uptime(),
    };
    Ok(NamespaceStatus::new(netns, loaded, report, live, keeper))
}

/// What keeps the namespace as declared, and what the checks of a watch have found out, by which the plan then judges
/// uplinks. A watch that was killed has left them behind.
fn watched(
    rundir: &RunDir,
    system: &mut LinuxPathManager,
) -> Result<(Option<Keeper>, Vec<UplinkStatus>), Failure> {
    let keeper = rundir.holder().map(keeper);
    let checks = match &keeper {
        Some(keeper) if keeper.role == KeeperRole::Watch => rundir.uplink_statuses().unwrap_or_default(),
        _ => Vec::new(),
    };
    if !checks.is_empty() {
        let interfaces = system.interfaces()?;
        let health = checks.iter().filter_map(|status| {
            let on = interfaces.iter().find(|on| on.name == status.dev)?;
            Some((on.index, status.health()?))
        });
        let health = health.collect();
        system.judge_uplinks_by(health);
    }
    Ok((keeper, checks))
}

/// A plan that is not carried out, and what the checks of a watch have found out.
pub fn plan(
    loaded: &LoadedConfig,
    system: &mut LinuxPathManager,
) -> (Result<Report, Failure>, Vec<UplinkStatus>) {
    let mut rundir = match RunDir::of_this_namespace() {
        Ok(rundir) => rundir,
        Err(error) => return (Err(error.into()), Vec::new()),
    };
    let checks = watched(&rundir, system).map(|(_, checks)| checks).unwrap_or_default();
    (reconcile::reconcile(loaded, system, &mut rundir, Mode::Plan(None)), checks)
}

fn keeper(holder: Holder) -> Keeper {
    let watches = Cli::read(&holder.words).is_ok_and(|cli| cli.command.is_none() && cli.apply.watch);
    Keeper {
        command: holder.command(),
        process: holder.process,
        unit: holder.unit,
        since: holder.since,
        role: if watches { KeeperRole::Watch } else { KeeperRole::Run },
    }
}
