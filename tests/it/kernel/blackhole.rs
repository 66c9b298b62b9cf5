//! The kernel's pause of MPTCP after lost SYNs: `doctor` sees it while it lasts, and a watch ends it after an outage that it
//! saw, and after no other.

use serde_json::Value;

use crate::kernel::links::{Links, SERVICE};
use crate::kernel::watcher::Watcher;
use crate::peer::Peer;
use crate::support::{Namespace, program_path, run, wait_for};

const CONFIG: &str =
    "{version: 1, limits: {subflows: 2}, endpoints: {two: {address: 10.1.2.1, dev: c2, flags: [subflow]}}}";

const TIMEOUT: &str = "/proc/sys/net/mptcp/blackhole_timeout";

/// What the kernel counts there (`nstat`), in one namespace.
#[track_caller]
fn count(namespace: &Namespace, file: &str, group: &str, name: &str) -> u64 {
    let mut cat = namespace.command("cat");
    cat.arg(format!("/proc/net/{file}"));
    let text = run(cat, "").expect(0).stdout;
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(group));
    let (Some(names), Some(values)) = (lines.next(), lines.next()) else { return 0 };
    let mut both = names.split_whitespace().zip(values.split_whitespace());
    both.find(|(known, _)| *known == name).map_or(0, |(_, value)| value.parse().expect("a number"))
}

/// A connection whose SYNs are lost until the kernel sends one without MPTCP: the first and two more have it.
#[track_caller]
pub fn connect_through_an_outage(
    client: &Namespace,
    service: &str,
    begin: impl FnOnce(),
    end: impl FnOnce(),
) -> Peer {
    // Then the SYN without MPTCP comes 4 s after the last one with it, and else, since Linux 6.5, after 1 s.
    let mut sysctl = client.command("sh");
    sysctl.args(["-c", "file=/proc/sys/net/ipv4/tcp_syn_linear_timeouts; [ ! -e $file ] || echo 0 >$file"]);
    run(sysctl, "").expect(0);
    begin();
    let retransmitted = || count(client, "snmp", "Tcp:", "RetransSegs");
    let before = retransmitted();
    let connecting = Peer::knocking_client(client, service);
    wait_for("the third SYN", || retransmitted() >= before + 2);
    end();
    connecting
}

/// The same by what `ip` does at the server.
#[track_caller]
fn connect_through(links: &Links, begin: &str, end: &str) {
    let _connecting = connect_through_an_outage(
        &links.client,
        SERVICE,
        || drop(links.server.ip(begin)),
        || drop(links.server.ip(end)),
    );
    wait_for("the connection", || links.paths().contains(&"10.1.1.1".to_owned()));
}

/// How often the kernel found a blackhole.
#[track_caller]
pub fn blackholes(namespace: &Namespace) -> u64 {
    count(namespace, "netstat", "MPTcpExt:", "Blackhole")
}

/// The codes that `doctor` finds.
#[track_caller]
fn findings(links: &Links) -> Vec<String> {
    let mut doctor = links.client.command(program_path());
    doctor.args(["doctor", "-", "--format", "json"]);
    let document: Value = serde_json::from_str(&run(doctor, CONFIG).stdout).expect("one document");
    let codes = document["findings"].as_array().expect("a list").iter();
    codes.map(|finding| finding["code"].as_str().expect("a code").to_owned()).collect()
}

pub fn has_the_switch() -> bool {
    std::path::Path::new(TIMEOUT).exists()
}

fn start(links: &Links) -> Watcher {
    Watcher::of(&links.client, CONFIG).0
}

#[test]
fn a_watch_ends_it_after_an_outage_of_a_link() {
    let links = Links::new();
    // An unknown neighbour would end the connection before its third SYN.
    links.server.ip("link set s1 address 02:00:00:00:00:01");
    links.client.ip("neigh replace 10.1.1.2 lladdr 02:00:00:00:00:01 dev c1 nud permanent");
    let watcher = start(&links);
    let _server = Peer::server(&links.server, SERVICE);
    connect_through(&links, "link set s1 down", "link set s1 up");
    assert_eq!(
        blackholes(&links.client),
        u64::from(has_the_switch()),
        "Linux 6.12 and later find a blackhole"
    );
    if has_the_switch() {
        watcher.wait_until_said("the outage is over; ending the pause of MPTCP");
        let ended = || -> Vec<Value> {
            let steps = watcher.runs().into_iter().map(|run| run["steps"].clone());
            let steps = steps.filter_map(|steps| steps.as_array().cloned()).flatten();
            steps.filter(|step| step["op"] == "set-sysctl").collect()
        };
        wait_for("the step", || !ended().is_empty());
        let ended = ended();
        assert_eq!(ended.len(), 1, "{ended:?}");
        assert_eq!((&ended[0]["name"], &ended[0]["from"]), (&"blackhole_timeout".into(), &ended[0]["to"]));
    }
    let _client = Peer::client(&links.client, SERVICE);
    wait_for("a second subflow of a new connection", || links.paths().contains(&"10.1.2.1".to_owned()));
    assert!(!findings(&links).contains(&"blackhole".to_owned()));
    watcher.stop();
}

/// For all that the watch knows, a middlebox drops SYNs with MPTCP.
#[test]
fn without_an_outage_it_lasts_and_the_doctor_names_it() {
    let links = Links::new();
    let watcher = start(&links);
    let _server = Peer::server(&links.server, SERVICE);
    assert_eq!(findings(&links), ["no-application"]);
    // The answers to the SYNs find no way.
    connect_through(&links, "route add blackhole 10.1.1.1", "route del blackhole 10.1.1.1");
    let runs = watcher.count();
    watcher.signal(rustix::process::Signal::HUP);
    watcher.wait_for_runs(runs + 1);
    watcher.stop();
    let is_found = || findings(&links).contains(&"blackhole".to_owned());
    assert_eq!(is_found(), has_the_switch());
    if has_the_switch() {
        // The remedy of the finding.
        let mut sysctl = links.client.command("sh");
        sysctl.args(["-c", &format!("echo 3600 >{TIMEOUT}")]);
        run(sysctl, "").expect(0);
        assert!(!is_found());
    }
    let _client = Peer::client(&links.client, SERVICE);
    wait_for("a second subflow", || links.paths().contains(&"10.1.2.1".to_owned()));
}
