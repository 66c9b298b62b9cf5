//! What `monitor` prints beside the events, and how it ends.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::kernel::links::{Links, SERVICE};
use crate::kernel::watcher::Watcher;
use crate::peer::Peer;
use crate::support::{Namespace, program_path, run, wait_for};

use super::{Both, command, listeners, start};

/// A namespace whose loopback is all it needs, and a service there.
const LOCAL: &str = "127.0.0.1:5000";

/// Installs a configuration and returns the option that makes it the one.
fn installed(namespace: &Namespace, config: &str) -> String {
    let folder = namespace.folder.path().join("etc/mptcp-apply");
    fs::create_dir_all(&folder).expect("made");
    fs::write(folder.join("a.yaml"), config).expect("written");
    format!("--root-dir={}", namespace.folder.path().display())
}

#[track_caller]
fn listening(namespace: &Namespace, options: &[&str]) -> Watcher {
    let monitor = start(namespace, options);
    wait_for("one that listens", || listeners(namespace) == 1);
    monitor
}

/// The name that the events with this at one end have.
#[track_caller]
fn name_at(both: &Both, key: &str, start: &str) -> Option<String> {
    let is_there = |event: &serde_json::Value| event[key].as_str().is_some_and(|end| end.starts_with(start));
    wait_for(start, || both.ours.runs().iter().any(is_there));
    let found = both.ours.runs().into_iter().filter(is_there).map(|event| event["name"].clone());
    let mut names: Vec<_> = found.collect();
    names.dedup();
    assert_eq!(names.len(), 1, "{names:?}");
    names[0].as_str().map(str::to_owned)
}

#[test]
fn addresses_have_the_names_of_their_endpoints() {
    let links = Links::new();
    links.client.ip("mptcp limits set subflows 8 add_addr_accepted 8");
    // What waits has its name too, and so have those that a selector stands for.
    let config = "version: 1\nendpoints:\n  lte: {address: 10.1.2.1, dev: c2, flags: [subflow]}\n  \
                  dock: {address: 10.1.2.11, dev: dock0, flags: [subflow]}\n  \
                  all: {dev: c3, family: ipv4, flags: [subflow]}\n";
    let client = Both::start(&links.client, &[&installed(&links.client, config)]);
    let config = "version: 1\nendpoints:\n  plain: {address: 10.1.3.2, flags: [signal]}\n  \
                  port: {address: 10.1.3.2, port: 6000, flags: [signal]}\n";
    let server = Both::start(&links.server, &[&installed(&links.server, config)]);
    let _server = Peer::server(&links.server, SERVICE);
    let _client = Peer::quiet_client(&links.client, SERVICE);
    for row in ["10.1.2.1 id 5 subflow", "10.1.2.11 id 6 subflow", "10.1.3.11 id 7 subflow"] {
        links.client.ip(&format!("mptcp endpoint add {row}"));
    }
    links.server.ip("mptcp endpoint add 10.1.3.2 port 6000 signal");
    let named = |start: &str| name_at(&client, "local", start);
    assert_eq!(named("10.1.1.1:"), None);
    assert_eq!(named("10.1.2.1:").as_deref(), Some("lte"));
    assert_eq!(named("10.1.2.11:").as_deref(), Some("dock"));
    assert_eq!(named("10.1.3.11:").as_deref(), Some("all"));
    // Only addresses of this end are endpoints of this host.
    assert_eq!(name_at(&server, "remote", "10.1.2.1:"), None);
    assert_eq!(name_at(&server, "local", "10.1.3.2:6000").as_deref(), Some("port"));
    assert_eq!(client.ours.said(), "");
}

#[test]
fn an_invalid_configuration_costs_the_names_only() {
    let namespace = Namespace::new();
    let monitor = listening(&namespace, &[&installed(&namespace, "version: 7")]);
    monitor.wait_until_said("endpoints have no names");
    let _server = Peer::server(&namespace, LOCAL);
    let _client = Peer::quiet_client(&namespace, LOCAL);
    wait_for("an event", || monitor.lines().iter().any(|line| line.contains("\"established\"")));
    assert_eq!(monitor.said().lines().count(), 1, "{}", monitor.said());
}

#[test]
fn lines_are_in_columns() {
    let links = Links::new();
    let mut text = command(&links.client);
    text.args([installed(
        &links.client,
        "{version: 1, endpoints: {lte: {address: 10.1.2.1, dev: c2, flags: [subflow]}}}",
    )]);
    let monitor = Watcher::run(text);
    wait_for("one that listens", || listeners(&links.client) == 1);
    let _server = Peer::server(&links.server, SERVICE);
    let client = Peer::quiet_client(&links.client, SERVICE);
    links.client.ip("mptcp endpoint add 10.1.2.1 id 5 subflow dev c2");
    let line = |word: &str| monitor.lines().into_iter().find(|line| line.contains(&format!(" {word} ")));
    wait_for("a subflow", || line("sub-established").is_some());
    drop(client);
    wait_for("the end", || line("closed").is_some());
    let column = |word: &str, what: &str| line(word).expect(word).find(what);
    assert_eq!(column("created", "10.1.1.1:"), Some(39));
    assert_eq!(column("sub-established", "10.1.2.1:"), Some(39));
    assert_eq!(column("created", SERVICE), Some(66));
    assert_eq!(column("sub-established", SERVICE), Some(66));
    assert_eq!(column("sub-established", "dev c2   lte"), Some(93));
    let closed = line("closed").expect("closed");
    assert_eq!(closed.len(), 38, "{closed}");
    assert!(line("created").expect("created").contains(&closed[30..]), "another token");
    assert!(!monitor.lines().concat().contains('\x1b'));
}

/// Each line has the local time; documents have that of UTC, and date(1) says both.
#[test]
fn events_have_times() {
    let namespace = Namespace::new();
    let date = |format: &str| {
        let mut date = namespace.command("date");
        date.env("TZ", "TST-5:30").arg(format!("+{format}"));
        run(date, "").expect(0).stdout.trim().to_owned()
    };
    let utc = || {
        let mut date = namespace.command("date");
        date.args(["-u", "+%FT%T.%6NZ"]);
        run(date, "").expect(0).stdout.trim().to_owned()
    };
    let json = listening(&namespace, &[]);
    let mut text = command(&namespace);
    text.env("TZ", "TST-5:30");
    let text = Watcher::run(text);
    wait_for("both", || listeners(&namespace) == 2);
    let before = (date("%T.%3N"), utc());
    let _server = Peer::server(&namespace, LOCAL);
    let _client = Peer::quiet_client(&namespace, LOCAL);
    wait_for("an event", || text.count() > 0 && json.count() > 0);
    let after = (date("%T.%3N"), utc());
    let time = json.runs()[0]["time"].as_str().expect("a time").to_owned();
    assert!(before.1 <= time && time <= after.1, "{time} is not from {} to {}", before.1, after.1);
    let time = text.lines()[0][.."12:03:07.123".len()].to_owned();
    // At midnight the day begins with smaller numbers.
    let is_between = before.0 <= time && time <= after.0;
    assert!(is_between || after.0 < before.0, "{time} is not from {} to {}", before.0, after.0);
}

/// A listener makes the kernel accept what it rejects otherwise.
#[test]
fn it_warns_of_its_effect_on_the_userspace_path_manager() {
    let namespace = Namespace::new();
    namespace.sh("echo 1 >/proc/sys/net/mptcp/pm_type");
    let monitor = listening(&namespace, &[]);
    monitor.wait_until_said(
        "the kernel accepts subflows and announced addresses of peers that it rejects otherwise",
    );
}

/// More events than the kernel keeps for somebody who does not read.
#[test]
fn what_is_lost_is_told_and_the_rest_goes_on() {
    let namespace = Namespace::new();
    let monitor = listening(&namespace, &[]);
    let _server = Peer::server(&namespace, LOCAL);
    monitor.signal(Signal::STOP);
    drop(Peer::crowd(&namespace, LOCAL));
    monitor.signal(Signal::CONT);
    let count = |word: &str| monitor.runs().iter().filter(|event| event["event"] == word).count();
    wait_for("the loss", || count("lost") > 0);
    // What there was room for came before, and that is not all. Connections of the crowd may end later.
    let events = monitor.runs();
    let kept: Vec<_> = events.iter().take_while(|event| event["event"] != "lost").collect();
    let created = kept.iter().filter(|event| event["event"] == "created").count();
    assert!((50..4000).contains(&created), "{created}");
    let _client = Peer::quiet_client(&namespace, LOCAL);
    wait_for("what came after", || {
        monitor.runs()[events.len()..].iter().any(|event| event["event"] == "created")
    });
}

#[test]
fn without_the_right_it_says_which() {
    let namespace = Namespace::new();
    let mut command = namespace.command("setpriv");
    command.args(["--bounding-set=-net_admin", "--inh-caps=-net_admin", program_path(), "monitor"]);
    let ran = run(command, "").expect(77);
    assert_eq!(ran.stdout, "");
    assert!(ran.stderr.starts_with("error: cannot listen to path manager events: "), "{}", ran.stderr);
    assert!(ran.stderr.contains("CAP_NET_ADMIN"), "{}", ran.stderr);
}

/// One whose output is read by nobody but the test.
#[track_caller]
fn unread(namespace: &Namespace) -> Child {
    let mut command = command(namespace);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("starts");
    wait_for("one that listens", || listeners(namespace) == 1);
    child
}

/// What it said, and that it ended well.
#[track_caller]
fn ends_quietly(mut child: Child) {
    let child_is_gone =
        || fs::read_to_string(format!("/proc/{}/statm", child.id())).is_ok_and(|size| size.starts_with("0 "));
    wait_for("the end", child_is_gone);
    let mut said = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut said).expect("UTF-8");
    let status = child.wait().expect("waited");
    assert_eq!((status.code(), said.as_str()), (Some(0), ""), "{status}");
}

/// As soon as nobody reads, not only when there would be something to read.
#[test]
fn a_closed_pipe_ends_it_at_once() {
    let namespace = Namespace::new();
    let mut monitor = unread(&namespace);
    let _server = Peer::server(&namespace, LOCAL);
    let _client = Peer::quiet_client(&namespace, LOCAL);
    let mut first = String::new();
    BufReader::new(monitor.stdout.take().expect("piped")).read_line(&mut first).expect("a line");
    assert!(first.ends_with('\n'), "{first}");
    ends_quietly(monitor);

    let mut silent = unread(&namespace);
    drop(silent.stdout.take());
    ends_quietly(silent);
}

#[test]
fn signals_end_it_well() {
    let namespace = Namespace::new();
    for signal in [Signal::TERM, Signal::INT] {
        let monitor = unread(&namespace);
        kill_process(Pid::from_child(&monitor), signal).expect("it lives");
        ends_quietly(monitor);
    }
}

/// Also while it waits for somebody who does not read.
#[test]
fn a_full_pipe_keeps_no_signal_off() {
    let namespace = Namespace::new();
    let mut monitor = unread(&namespace);
    let stdout = monitor.stdout.take().expect("piped");
    let _server = Peer::server(&namespace, LOCAL);
    // A pipe has 16 pages, and lines do not fill them to their ends. Of one crowd too many events may get lost.
    wait_for("a full pipe", || {
        drop(Peer::crowd(&namespace, LOCAL));
        rustix::io::ioctl_fionread(&stdout).expect("a pipe") > 15 * 3700
    });
    kill_process(Pid::from_child(&monitor), Signal::TERM).expect("it lives");
    ends_quietly(monitor);
}

/// A host, and other namespaces that have these names on it.
#[track_caller]
fn named<const N: usize>(names: [&str; N]) -> (Namespace, [Namespace; N]) {
    let host = Namespace::with_own_run();
    let attached = names.map(|name| {
        let namespace = host.beside();
        host.ip(&format!("netns attach {name} {}", namespace.pid()));
        namespace
    });
    (host, attached)
}

#[test]
fn several_namespaces_are_told_apart() {
    let (host, [web, db]) = named(["web-1", "db"]);
    // The same number, so that a name shows where it was looked up.
    web.ip("link set lo down");
    web.ip("link set lo name lo-web");
    web.ip("link set lo-web up");
    let monitor = start(&host, &["--netns=web-*", "--netns=db"]);
    wait_for("one that listens in both", || listeners(&web) + listeners(&db) == 2);
    let peers = |place: &Namespace| (Peer::server(place, LOCAL), Peer::quiet_client(place, LOCAL));
    let _peers = [&host, &web, &db].map(peers);
    web.ip("mptcp endpoint add 127.0.0.2 id 4 subflow dev lo-web");
    db.ip("mptcp endpoint add 127.0.0.2 id 4 subflow dev lo");
    // The other end, which is in the same place, tries one too, and is refused.
    let devs = |name: &str| {
        let is_subflow =
            |event: &serde_json::Value| event["event"] == "sub-established" && event["local-id"] == 4;
        let events = monitor.runs().into_iter().filter(|event| event["netns"] == name && is_subflow(event));
        events.filter_map(|event| event["dev"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    wait_for("a subflow in both", || [devs("web-1"), devs("db")] == [["lo-web"], ["lo"]]);
    // Both ends are there, and those of nobody else.
    let created = monitor.runs().into_iter().filter(|event| event["event"] == "created");
    let mut places: Vec<String> = created.map(|event| event["netns"].to_string()).collect();
    places.sort();
    assert_eq!(places, ["\"db\"", "\"db\"", "\"web-1\"", "\"web-1\""]);
    assert_eq!(monitor.said(), "");
    monitor.stop();
}

#[test]
fn namespaces_that_are_not_there_are_told() {
    let (host, _there) = named(["web-1"]);
    let monitor = |options: &[&str]| {
        let mut command = command(&host);
        command.args(options);
        run(command, "")
    };
    let one_of_two = monitor(&["--netns=web-1", "--netns=gone"]);
    assert!(one_of_two.stderr.contains("there is no network namespace gone"), "{}", one_of_two.stderr);
    assert_ne!(one_of_two.code, 0);
    let none = monitor(&["--netns=db-*"]).expect(0);
    assert!(none.stderr.contains("no network namespace matches db-*"), "{}", none.stderr);
}
