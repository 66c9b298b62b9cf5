//! Uplinks that are checked: one dies with its carrier kept, and new connections start on the other.

use std::time::{Duration, Instant};

use super::*;
use crate::kernel::blackhole::{blackholes, connect_through_an_outage, has_the_switch};
use crate::kernel::watcher::Watcher;
use crate::peer::Peer;
use crate::support::wait_for;

const STAND_IN: &str = "default via 10.1.2.254 dev c2 proto 109 metric 99";

impl Providers {
    /// Discards in silence what the customers of this provider send, or no longer.
    #[track_caller]
    fn silence(&self, n: u8, verb: &str) {
        for family in ["-4", "-6"] {
            self.router.ip(&format!("{family} rule {verb} iif l{n} priority 50 blackhole"));
        }
    }

    /// Whether the second provider stands in for the first.
    #[track_caller]
    fn stands_in(&self) -> bool {
        self.host.ip("-4 route show table main proto 109").contains(&STAND_IN.replace(" proto 109", ""))
    }
}

/// Two providers under a watch, of which the first one is checked so. What it connects to is there.
#[track_caller]
fn start(check: &str) -> (Providers, Watcher, Peer) {
    let providers = Providers::new(2);
    providers.default_routes(1..=2);
    let config = format!("version: 1\nuplinks: {{one: {{dev: c1, check: {check}}}, two: {{dev: c2}}}}\n");
    let server = Peer::plain_server(&providers.far, FAR_IPV4);
    let (watcher, _) = Watcher::of(&providers.host, &config);
    (providers, watcher, server)
}

/// The check by which tests are over soon.
fn connect(numbers: &str) -> String {
    format!("{{connect: '{FAR_IPV4}', {numbers}}}")
}

const QUICK: &str = "every: 200ms, timeout: 200ms, fall: 3, rise: 3";

/// How many of the new connections fail that begin in the outage, 20 a second, each with a second of time.
#[track_caller]
fn lost(providers: &Providers, outage: impl FnOnce()) -> u64 {
    let arrivals = Peer::arrivals(&providers.host, FAR_IPV4);
    outage();
    arrivals.ask()
}

#[test]
fn new_connections_start_on_a_way_that_works() {
    let (providers, watcher, _server) = start(&connect(QUICK));
    let is_up = |run: &serde_json::Value| run["checks"][0]["state"] == "up";
    wait_for("the first results", || watcher.runs().last().is_some_and(is_up));
    let mut took = Duration::ZERO;
    let with = lost(&providers, || {
        providers.silence(1, "add");
        let start = Instant::now();
        wait_for("the stand-in", || providers.stands_in());
        took = start.elapsed();
    });
    watcher.wait_until_said("uplink `one` (c1) is down: no answer within 200 ms");
    let since = lost(&providers, || std::thread::sleep(Duration::from_secs(2)));
    println!(
        "with the check {with} connections were lost until {took:?} had passed, and {since} in the 2 s that followed"
    );
    assert_eq!(since, 0);
    assert!(took < allowed(Duration::from_secs(2)), "{took:?}");
    providers.silence(1, "del");
    wait_for("the end of the stand-in", || !providers.stands_in());
    watcher.wait_until_said("uplink `one` (c1) is up again, after ");
    let of_checks = || {
        let runs = watcher.runs();
        runs.into_iter().filter(|run| run["trigger"] == "check" && run["changed"] == true).collect::<Vec<_>>()
    };
    wait_for("both reports", || of_checks().len() == 2);
    let states = of_checks().into_iter().map(|run| run["checks"][0]["state"].clone()).collect::<Vec<_>>();
    assert_eq!(states, ["down", "up"]);
    watcher.stop();
    // Without it, as by metrics alone, nothing starts for as long as the outage lasts.
    providers.silence(1, "add");
    let without = lost(&providers, || std::thread::sleep(Duration::from_secs(2)));
    println!("without it {without} were lost in 2 s");
    assert!(without > 20, "{without}");
}

/// SYNs that were lost in an outage turn MPTCP off for an hour; a check tells that it is over.
#[test]
fn a_pause_of_mptcp_that_began_in_the_outage_is_ended() {
    let providers = Providers::new(2);
    providers.default_routes(1..=2);
    let check = connect("every: 500ms, timeout: 400ms, fall: 2, rise: 2");
    let config = format!("version: 1\nuplinks: {{one: {{dev: c1, check: {check}}}, two: {{dev: c2}}}}\n");
    let _server = Peer::server(&providers.far, FAR_IPV4);
    let (watcher, _) = Watcher::of(&providers.host, &config);
    let is_up = |run: &serde_json::Value| run["checks"][0]["state"] == "up";
    wait_for("the first results", || watcher.runs().last().is_some_and(is_up));
    let host = &providers.host;
    let (begin, end) = (|| providers.silence(1, "add"), || providers.silence(1, "del"));
    let _connecting = connect_through_an_outage(host, FAR_IPV4, begin, end);
    if has_the_switch() {
        wait_for("the blackhole", || blackholes(host) == 1);
        watcher.wait_until_said("the outage is over; ending the pause of MPTCP");
    }
    wait_for("the end of the stand-in", || !providers.stands_in());
    let _client = Peer::client(host, FAR_IPV4);
    assert!(host.sh("ss -Htni dst 10.9.9.9").contains("tcp-ulp-mptcp"), "new connections are MPTCP");
    watcher.stop();
}

/// A run beside the watch, and after it, leaves what checks have found out; `{}` removes it.
#[test]
fn other_runs_leave_the_stand_in() {
    let (providers, watcher, _server) = start(&connect(QUICK));
    providers.silence(1, "add");
    wait_for("the stand-in", || providers.stands_in());
    let config = "{version: 1, uplinks: {one: {dev: c1, check: gateway}, two: {dev: c2}}}";
    let beside = providers.host.apply(config, &["--dry-run"]).expect(0);
    assert_eq!(beside.stdout, "no changes\n");
    assert!(beside.stderr.contains("uplink `one` is not checked by this run"), "{}", beside.stderr);
    assert!(
        providers
            .host
            .sh(&format!("{} show", crate::support::program_path()))
            .contains(&STAND_IN.replace(" proto 109", " table main"))
    );
    watcher.stop();
    assert_eq!(providers.host.apply(config, &[]).expect(0).stdout, "no changes\n");
    assert!(providers.stands_in());
    providers.host.apply("{version: 1, uplinks: {}}", &[]).expect(0);
    assert!(!providers.stands_in());
}

#[test]
fn the_router_is_asked() {
    let (providers, watcher, _server) = start("gateway");
    wait_for("an answer", || providers.host.ip("neigh show dev c1").contains("10.1.1.254"));
    providers.router.ip("link set l1 arp off");
    wait_for("the stand-in", || providers.stands_in());
    providers.router.ip("link set l1 arp on");
    wait_for("the end of the stand-in", || !providers.stands_in());
    watcher.stop();
}

/// It is killed at its timeout, and with it all that it has started.
#[test]
fn a_command_ends_at_its_timeout() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let script = "sleep 4321 & trap \"\" TERM; echo $UPLINK $DEV $$ >>started; \
                  while :; do cat /proc/uptime >>last; sleep 0.01; done";
    let script = format!("cd {}; cat /proc/uptime >first; {script}", folder.path().display());
    let (_providers, watcher, _server) =
        start(&format!("{{run: '{script}', every: 1h, timeout: 1s, fall: 1}}"));
    watcher.wait_until_said("uplink `one` (c1) is down: no result within 1000 ms");
    let started = std::fs::read_to_string(path("started")).expect("it ran");
    let group = started.trim().strip_prefix("one c1 ").expect("names").to_owned();
    wait_for("the end of the group", || {
        let all = std::fs::read_dir("/proc").expect("processes").flatten();
        let stats = all.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
        let is_of_group = |stat: String| {
            let fields: Vec<String> =
                stat.rsplit(')').next().unwrap_or_default().split_whitespace().map(str::to_owned).collect();
            fields.get(2) == Some(&group) && fields.first().is_some_and(|state| state != "Z")
        };
        !stats.into_iter().any(is_of_group)
    });
    let uptime = |name: &str| -> f64 {
        let text = std::fs::read_to_string(path(name)).expect("a time");
        let last = text.lines().last().and_then(|line| line.split(' ').next());
        last.and_then(|seconds| seconds.parse().ok()).expect("a time")
    };
    let took = uptime("last") - uptime("first");
    println!("it ran for {took} s");
    assert!(took < allowed(Duration::from_millis(1100)).as_secs_f64(), "{took} s");
    watcher.stop();
}

/// What a command says last is the reason; one that cannot be run counts as passed.
#[test]
fn the_last_line_of_a_command_is_the_reason() {
    let (providers, watcher, _server) =
        start("{run: 'echo first; echo \"no lease\" >&2; exit 3', every: 100ms, fall: 2}");
    watcher.wait_until_said("uplink `one` (c1) is down: its command exited with 3: no lease");
    wait_for("the stand-in", || providers.stands_in());
    let published = std::fs::read_dir(providers.host.runtime()).expect("a folder").flatten();
    let mut published =
        published.filter(|entry| entry.path().extension().is_some_and(|end| end == "uplinks"));
    let text = std::fs::read_to_string(published.next().expect("a file").path()).expect("text");
    let status: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((&status[0]["uplink"], &status[0]["state"]), (&"one".into(), &"down".into()), "{text}");
    assert_eq!(status[0]["error"], "its command exited with 3: no lease");
    watcher.stop();
    let (providers, watcher, _server) = start("{run: no-such-program, every: 100ms, fall: 1, rise: 1}");
    watcher.wait_until_said(
        "uplink `one` (c1) counts as up, since it cannot be checked: its command cannot be run",
    );
    assert!(!providers.stands_in());
    watcher.stop();
}

/// Answers that never come for a while, and then do, as often as that: the route stays where it is.
#[track_caller]
fn flaps(numbers: &str, half: Duration, times: u32) {
    let (providers, watcher, _server) = start(&connect(numbers));
    for _ in 0..times {
        providers.silence(1, "add");
        std::thread::sleep(half);
        assert!(!providers.stands_in(), "{}", watcher.said());
        providers.silence(1, "del");
        std::thread::sleep(half);
    }
    assert!(watcher.runs().iter().skip(1).all(|run| run["changed"] == false), "{}", watcher.said());
    watcher.stop();
}

#[test]
fn an_uplink_that_flaps_keeps_its_place() {
    flaps("every: 500ms, timeout: 200ms, fall: 3, rise: 6", Duration::from_millis(400), 8);
}

#[test]
#[ignore = "two minutes; by hand"]
fn an_uplink_that_flaps_every_four_seconds_keeps_its_place() {
    flaps("every: 5s", Duration::from_secs(4), 15);
}

/// So many checks while 30 % of all packets are lost, in either direction: how often the uplink fell.
#[track_caller]
fn falls_under_loss(numbers: &str, checks: usize) -> usize {
    let (providers, watcher, _server) = start(&connect(numbers));
    let accepted = || {
        let text =
            std::fs::read_to_string(format!("/proc/{}/net/snmp", providers.far.pid())).expect("counters");
        let tcp: Vec<&str> = text.lines().filter(|line| line.starts_with("Tcp:")).collect();
        let at = tcp[0].split(' ').position(|name| name == "PassiveOpens").expect("a counter");
        tcp[1].split(' ').nth(at).and_then(|count| count.parse::<usize>().ok()).expect("a number")
    };
    let rule = "meta l4proto tcp numgen random mod 100 < 30 drop";
    providers.router.sh(&format!(
        "nft add table inet loss && nft 'add chain inet loss some {{ type filter hook forward priority 0; }}' && \
         nft 'add rule inet loss some {rule}'"
    ));
    let before = accepted();
    let start = Instant::now();
    while accepted() - before < checks {
        assert!(start.elapsed() < Duration::from_secs(3600), "too slow");
        std::thread::sleep(Duration::from_millis(50));
    }
    let falls = watcher.said().matches("is down").count();
    println!("{checks} checks under loss took {:?}: {falls} falls", start.elapsed());
    watcher.stop();
    falls
}

#[test]
fn lost_packets_are_no_outage() {
    assert_eq!(falls_under_loss("every: 100ms, timeout: 1s, fall: 3", 50), 0);
}

#[test]
#[ignore = "ten minutes; by hand"]
fn of_a_thousand_checks_with_loss_none_is_taken_for_an_outage() {
    assert_eq!(falls_under_loss("every: 100ms, timeout: 2s, fall: 3", 1000), 0);
}
