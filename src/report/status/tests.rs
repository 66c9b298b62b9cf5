use super::*;
use crate::model::{Connection, Device, Fallback, Keeper, KeeperRole, Limits, Moment, Subflow, SubflowFlags};
use crate::report::Style;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::Trust;
use crate::model::diagnostic::Strictness;
use crate::model::{AddressId, DeclaredNames, Reason, Step};
use crate::reconcile::{ReportedStep, StepOutcome, Verdict};
use tz::TimeZoneRef;

const CONFIG: &str = "\
version: 1
endpoints:
  fiber: {address: 192.0.2.10, dev: eth0, flags: [subflow, fullmesh]}
  lte: {address: 198.51.100.3, dev: wwan0, flags: [subflow, backup]}
  wifi: {dev: wlan0, flags: [subflow]}
uplinks:
  fiber: {dev: eth0}
";

fn loaded() -> LoadedConfig {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.yaml");
    std::fs::write(&path, CONFIG).unwrap();
    let paths: [PathBuf; 1] = [path];
    let mut loaded =
        LoadedConfig::load(&paths, Path::new("/"), Strictness::Lenient, || Trust::Advised).unwrap();
    loaded.sources[0].name = "/etc/mptcp-apply/a.yaml".to_owned();
    loaded
}

fn row(address: &str, id: u8, dev: &str, flags: Flags) -> Endpoint {
    Endpoint {
        identity: Identity { address: address.parse().unwrap(), port: None },
        id: AddressId::new(id),
        flags,
        dev: Some(Device { index: NonZeroU32::MIN, name: Some(dev.to_owned()) }),
    }
}

fn state(endpoints: Vec<Endpoint>) -> State {
    let limits = Limits { subflows: 2, add_addr_accepted: 0 };
    State { limits, sysctls: BTreeMap::new(), endpoints, uplinks: None }
}

fn report(before: Vec<Endpoint>, steps: Vec<Step>) -> Report {
    let after = vec![
        row("192.0.2.10", 1, "eth0", Flags::SUBFLOW.union(Flags::FULLMESH)),
        row("198.51.100.3", 2, "wwan0", Flags::SUBFLOW.union(Flags::BACKUP)),
    ];
    let name = |row: &Endpoint, name: &str| (row.identity, name.to_owned());
    let names = DeclaredNames {
        endpoints: [name(&after[0], "fiber"), name(&after[1], "lte")].into(),
        ..DeclaredNames::default()
    };
    let wait = |endpoint: &str, message: &str| {
        Diagnostic::warning(code::DEV_MISSING, message.to_owned()).endpoint(endpoint)
    };
    let planned = |step| ReportedStep { step, outcome: StepOutcome::Planned };
    Report {
        verdict: Verdict::Planned,
        steps: steps.into_iter().map(planned).collect(),
        before: state(before),
        after: state(after),
        names,
        diagnostics: vec![
            wait("wifi", "endpoint `wifi` waits: there is no interface wlan0"),
            wait("fiber", "uplink `fiber` waits: there is no interface eth9"),
        ],
        failure: None,
    }
}

fn connection(local: &str, sent: u64) -> Connection {
    let traffic = Traffic { sent, received: 2_000_000, retransmitted: 3, ..Traffic::default() };
    let subflow = Subflow {
        local: (local.parse::<std::net::IpAddr>().unwrap(), 4000).into(),
        remote: ([10, 0, 0, 1], 443).into(),
        interface: None,
        state: 1,
        local_id: 0,
        remote_id: 0,
        flags: SubflowFlags(3),
        remote_token: 0,
        map_sequence: 0,
        traffic,
    };
    let fallback = if local == "192.0.2.10" { Fallback::AtOnce } else { Fallback::No };
    Connection { token: 7, fallback, closing: false, limit: None, accepted: None, subflows: vec![subflow] }
}

/// 2026-11-28 09:14 UTC
const START: Moment = Moment(Duration::from_secs(1_795_857_240));

fn keeper() -> Keeper {
    Keeper {
        process: 812,
        command: "/usr/sbin/mptcp-apply --watch".to_owned(),
        unit: Some("mptcp-apply-watch".to_owned()),
        since: Some(START),
        role: KeeperRole::Watch,
    }
}

fn status(report: Report, connections: &[Connection], keeper: Option<Keeper>) -> NamespaceStatus {
    let counters = Counters([("DssFallback".to_owned(), 2)].into());
    let live = LiveState {
        connections: connections.to_vec(),
        counters,
        is_paused: false,
        checks: Vec::new(),
        uptime: 5000,
    };
    NamespaceStatus::new(None, &loaded(), report, live, keeper)
}

fn page(status: &NamespaceStatus, later: u64) -> String {
    let now = Moment(START.0 + Duration::from_secs(later));
    text::page(status, TimeZoneRef::utc(), now, Style::Plain, None)
}

#[test]
fn in_sync_is_one_line_and_a_row_each() {
    let report = report(report(Vec::new(), Vec::new()).after.endpoints, Vec::new());
    let live = [connection("192.0.2.10", 400), connection("198.51.100.3", 0), connection("203.0.113.1", 0)];
    let status = status(report, &live, Some(keeper()));
    let rows = "\
fiber  192.0.2.10    eth0   subflow fullmesh  ok  1 subflow  2.0 MB
lte    198.51.100.3  wwan0  subflow backup    ok  1 subflow  2.0 MB
wifi   -             wlan0  subflow           waiting: there is no interface wlan0
fiber  uplink        eth0                     waiting: there is no interface eth9
3 connections, 3 subflows, 1 fell back to TCP
";
    let heading = "in sync with /etc/mptcp-apply/a.yaml; kept so by mptcp-apply-watch (pid 812) since";
    assert_eq!(page(&status, 60), format!("{heading} 09:14\n{rows}"));
    assert!(page(&status, 86_400).starts_with(&format!("{heading} 2026-11-28 09:14\n")));
}

/// What a row carries moves to the next line as a whole.
#[test]
fn a_narrow_screen_keeps_figures_together() {
    let report = report(report(Vec::new(), Vec::new()).after.endpoints, Vec::new());
    let live = [connection("192.0.2.10", 400), connection("192.0.2.10", 0), connection("198.51.100.3", 0)];
    let status = status(report, &live, None);
    let rows = "
fiber  192.0.2.10    eth0   subflow fullmesh  ok
       2 subflows  4.0 MB
lte    198.51.100.3  wwan0  subflow backup    ok
       1 subflow   2.0 MB
wifi   -             wlan0  subflow
       waiting: there is no interface wlan0
";
    let page = text::page(&status, TimeZoneRef::utc(), START, Style::Plain, Some(60));
    assert!(page.contains(rows), "{page}");
}

#[test]
fn what_differs_is_named() {
    let before =
        vec![row("192.0.2.10", 1, "eth0", Flags::SUBFLOW), row("10.9.9.9", 7, "eth1", Flags::SIGNAL)];
    let surplus = before[1].clone();
    let steps = vec![Step::DelAddr { endpoint: surplus, why: Reason::NotDeclared }];
    let status = status(report(before, steps), &[], None);
    let expected = "\
not in sync with /etc/mptcp-apply/a.yaml; no watch runs
- 10.9.9.9 id 7 signal dev eth1   not declared, closes its subflows
plan: 0 to add, 0 to change, 1 to remove
fiber  192.0.2.10    eth0   subflow fullmesh  differs
lte    198.51.100.3  wwan0  subflow backup    missing
wifi   -             wlan0  subflow           waiting: there is no interface wlan0
-      10.9.9.9      eth1   signal            surplus
fiber  uplink        eth0                     waiting: there is no interface eth9
0 connections, 0 subflows
";
    assert_eq!(page(&status, 0), expected);
}

#[test]
fn another_run_holds_the_lock() {
    let run = Keeper { role: KeeperRole::Run, unit: None, command: "mptcp-apply try".to_owned(), ..keeper() };
    let status = status(report(Vec::new(), Vec::new()), &[], Some(run));
    let expected = "; mptcp-apply try (pid 812) holds the lock since 09:14\n";
    assert!(page(&status, 0).contains(expected), "{}", page(&status, 0));
    let paused = NamespaceStatus { is_paused: true, ..status };
    let last = "\nMPTCP is paused: new connections are plain TCP; `mptcp-apply doctor` has the remedy\n";
    assert!(page(&paused, 0).ends_with(last), "{}", page(&paused, 0));
}

#[test]
fn checks_stand_beside_their_uplink() {
    let down = UplinkStatus {
        uplink: "fiber".to_owned(),
        dev: "eth0".to_owned(),
        state: "down".to_owned(),
        since: 4700,
        error: Some("no answer".to_owned()),
    };
    let status = status(report(Vec::new(), Vec::new()), &[], None);
    let checked = NamespaceStatus { checks: vec![CheckRow::new(down, 5000)], ..status };
    assert!(page(&checked, 0).contains("check down for 5 min: no answer"), "{}", page(&checked, 0));
    let up = "mptcp_apply_uplink_up{uplink=\"fiber\",dev=\"eth0\"} 0\n";
    assert!(metrics::page([checked].iter()).contains(up));
}

#[test]
fn each_family_is_there_once_with_the_samples_of_all_namespaces() {
    let live = [connection("192.0.2.10", 400)];
    let mut both =
        [report(Vec::new(), Vec::new()), report(report(Vec::new(), Vec::new()).after.endpoints, Vec::new())]
            .map(|report| status(report, &live, Some(keeper())));
    both[0].netns = Some("a\"b".to_owned());
    let page = metrics::page(both.iter());
    for line in [
        "mptcp_apply_in_sync{netns=\"a\\\"b\"} 1",
        "mptcp_apply_endpoints_declared 3",
        "mptcp_apply_endpoints_present 2",
        "mptcp_apply_endpoints_waiting 1",
        "mptcp_apply_endpoint_subflows{endpoint=\"fiber\",address=\"192.0.2.10\",dev=\"eth0\"} 1",
        "mptcp_apply_endpoint_sent_bytes{endpoint=\"fiber\",address=\"192.0.2.10\",dev=\"eth0\"} 400",
        "mptcp_apply_endpoint_retransmitted_segments{endpoint=\"fiber\",address=\"192.0.2.10\",dev=\"eth0\"} 3",
        "mptcp_apply_watch_start_time_seconds 1795857240",
        "mptcp_apply_fallback_connections 1",
        "mptcp_apply_fallbacks_total{counter=\"DssFallback\"} 2",
        "mptcp_apply_uplink_in_place{uplink=\"fiber\",dev=\"eth0\"} 0",
    ] {
        assert!(page.lines().any(|it| it == line), "no {line} in\n{page}");
    }
    let mut families: Vec<&str> = page.lines().filter(|line| line.starts_with("# TYPE ")).collect();
    let count = families.len();
    families.dedup();
    assert_eq!(families.len(), count);
    assert!(page.ends_with("# EOF\n"));
}

#[test]
fn several_files_are_named_by_their_folders() {
    assert_eq!(files(&["/etc/mptcp-apply/a.yaml"]), "/etc/mptcp-apply/a.yaml");
    let two = ["/etc/mptcp-apply/a.yaml", "/run/mptcp-apply/b.yaml", "/etc/mptcp-apply/c.yaml"];
    assert_eq!(files(&two), "/etc/mptcp-apply, /run/mptcp-apply (3 files)");
}
