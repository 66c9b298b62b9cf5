//! `renew`: subflows are asked for again by hand, and nothing is closed that does not come back.

use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;

use crate::kernel::links::{Links, SERVICE, reset, subflows};
use crate::kernel::watcher::Watcher;
use crate::peer::Peer;
use crate::support::{Namespace, Ran, kernel_release, program_path, run, wait_for};

const CONFIG: &str = "version: 1
limits: {subflows: 2}
endpoints:
  two: {address: 10.1.2.1, dev: c2, flags: [subflow]}
  three: {address: 10.1.3.1, dev: c3, flags: [subflow]}
";

/// The standard folders with this configuration, below the namespace's folder.
fn install(namespace: &Namespace, config: &str) -> PathBuf {
    let root = namespace.folder.path().join("root");
    let folder = root.join("etc/mptcp-apply");
    std::fs::create_dir_all(&folder).expect("made");
    std::fs::write(folder.join("paths.yaml"), config).expect("written");
    root
}

#[track_caller]
fn renew(namespace: &Namespace, words: &[&str]) -> Ran {
    let root = namespace.folder.path().join("root");
    let options = ["--root-dir", root.to_str().expect("UTF-8"), "renew"];
    let mut command = namespace.command(program_path());
    command.args(options).args(words);
    run(command, "")
}

/// A live connection from 10.1.1.1 with subflows from both endpoints.
fn connected() -> (Links, Peer, Peer) {
    let links = Links::new();
    install(&links.client, CONFIG);
    links.client.apply(CONFIG, &[]).expect(0);
    let (server, client) = links.connect();
    links.wait_for_paths(&["10.1.1.1", "10.1.2.1", "10.1.3.1"]);
    (links, server, client)
}

#[test]
fn a_lost_subflow_comes_back() {
    let (links, _server, client) = connected();
    let before = subflows(&links.client);
    reset(&links, "10.1.2.1");
    links.wait_for_paths(&["10.1.1.1", "10.1.3.1"]);
    let ran = renew(&links.client, &["two"]).expect(0);
    let renewed = "- 10.1.2.1 id 1 subflow dev c2   two, renewed by hand, closes its subflows\n\
                   + 10.1.2.1 id 1 subflow dev c2   two\n";
    let outcome = "two (10.1.2.1): 1 connection with a subflow\n";
    if kernel_release() < (6, 12) {
        // The server may refuse the first request.
        assert!(ran.stdout.starts_with(renewed) && ran.stdout.ends_with(outcome), "{}", ran.stdout);
    } else {
        let expected = format!("{renewed}applied: 1 added, 0 changed, 1 removed\n{outcome}");
        assert_eq!(ran.stdout, expected);
    }
    assert_eq!(ran.stderr, "", "nothing is closed");
    assert_eq!(links.paths(), ["10.1.1.1", "10.1.2.1", "10.1.3.1"]);
    let others = |pair: &&String| !pair.starts_with("10.1.2.1");
    assert!(before.iter().filter(others).all(|pair| subflows(&links.client).contains(pair)));
    assert!(client.ask() > 0);
}

/// Linux 6.1 refuses a subflow while data arrives there by several paths, which takes different delays. Debian's kernels can
/// delay packets (`netem`); another one may not, and has nothing to refuse then.
#[test]
fn it_comes_back_while_data_flows() {
    let links = Links::new();
    install(&links.client, CONFIG);
    links.client.apply(CONFIG, &[]).expect(0);
    let _server = Peer::server(&links.server, SERVICE);
    // What the reset does to its data is not asked: that may stand still on any kernel.
    let _client = Peer::bulk_client(&links.client, SERVICE);
    links.wait_for_paths(&["10.1.1.1", "10.1.2.1", "10.1.3.1"]);
    for (number, delay) in [(1, 10), (2, 25), (3, 40)] {
        for (end, side) in [(&links.client, 'c'), (&links.server, 's')] {
            end.sh(&format!("tc qdisc add dev {side}{number} root netem delay {delay}ms 2>&1 || :"));
        }
    }
    reset(&links, "10.1.2.1");
    links.wait_for_paths(&["10.1.1.1", "10.1.3.1"]);
    // One run asks three times, which may be in vain there; asking once always was.
    let tries = if kernel_release() < (6, 12) { 3 } else { 1 };
    let brings_back = |_| {
        let said = renew(&links.client, &["two"]).expect(0).stdout;
        said.ends_with("\ntwo (10.1.2.1): 1 connection with a subflow\n")
    };
    assert!((0..tries).any(brings_back), "{:?}", links.paths());
    assert_eq!(links.paths(), ["10.1.1.1", "10.1.2.1", "10.1.3.1"]);
    // Meanwhile others were `backup`.
    assert_eq!(
        links.client.ip("mptcp endpoint"),
        "10.1.2.1 id 1 subflow dev c2 \n10.1.3.1 id 2 subflow dev c3 \n"
    );
}

#[test]
fn what_is_closed_is_said_and_comes_back() {
    let (links, _server, client) = connected();
    let before = subflows(&links.client);
    let planned = renew(&links.client, &["-n", "two", "10.1.3.1"]).expect(0);
    assert!(planned.stdout.ends_with("plan: 2 to add, 0 to change, 2 to remove\n"), "{}", planned.stdout);
    assert_eq!(subflows(&links.client), before);
    let ran = renew(&links.client, &["two", "10.1.3.1"]).expect(0);
    for name in ["two (10.1.2.1)", "three (10.1.3.1)"] {
        let closes = format!("warning: renewing {name} closes the subflows of 1 connection; 1 can ask again");
        assert!(ran.stderr.contains(&closes), "{}", ran.stderr);
        assert!(ran.stdout.contains(&format!("{name}: 1 connection with a subflow\n")), "{}", ran.stdout);
    }
    assert_eq!(links.paths(), ["10.1.1.1", "10.1.2.1", "10.1.3.1"]);
    let ended =
        |at: &str| !before.iter().any(|pair| pair.starts_with(at) && subflows(&links.client).contains(pair));
    assert!(ended("10.1.2.1") && ended("10.1.3.1"), "they were opened again");
    assert!(client.ask() > 0);
}

/// A connection that was accepted opens nothing from here, so what is closed stays closed.
#[test]
fn more_than_comes_back_is_closed_by_force_only() {
    let links = Links::new();
    install(&links.server, "{version: 1, endpoints: {far: {address: 10.1.2.2, flags: [signal]}}}");
    links.server.ip("mptcp endpoint add 10.1.2.2 id 4 signal");
    links.client.ip("mptcp limits set subflows 2 add_addr_accepted 2");
    // Where it listens is where subflows may come to.
    let _server = Peer::server(&links.server, "0.0.0.0:5000");
    let _client = Peer::client(&links.client, SERVICE);
    wait_for("a subflow to the announced address", || {
        subflows(&links.client).iter().any(|pair| pair.contains(" 10.1.2.2:"))
    });
    let before = (subflows(&links.server), links.server.endpoints());
    let refused = renew(&links.server, &["far"]).expect(1);
    assert_eq!(
        refused.stderr,
        "error: renewing far (10.1.2.2) closes subflows of 1 connection that may not come back: it only announces, \
         and the peers decide whether they ask again\n |\n = help: nothing was changed; `--force` renews it all the same\n"
    );
    assert_eq!((subflows(&links.server), links.server.endpoints()), before);
    let forced = renew(&links.server, &["--force", "far"]).expect(0);
    assert!(
        forced.stderr.contains("closes the subflows of 1 connection; 0 can ask again"),
        "{}",
        forced.stderr
    );
    assert_eq!(links.server.endpoints(), before.1);
    assert_ne!(subflows(&links.server), before.0);
}

/// What is declared and waits has a name, too.
#[test]
fn what_waits_is_no_unknown_name() {
    let namespace = Namespace::new();
    install(&namespace, "{version: 1, endpoints: {late: {dev: wwan0, flags: [subflow]}}}");
    let said = renew(&namespace, &["late"]).expect(1).stderr;
    assert!(said.contains("late is declared, and not in the kernel's table"), "{said}");
    let said = renew(&namespace, &["lte"]).expect(1).stderr;
    assert!(said.contains("no endpoint has the name or address `lte`"), "{said}");
}

#[test]
fn the_only_path_of_a_connection_is_not_closed() {
    let links = Links::new();
    install(&links.client, "{version: 1, endpoints: {one: {address: 10.1.1.1, dev: c1, flags: [subflow]}}}");
    links.client.ip("mptcp limits set subflows 2");
    links.client.ip("mptcp endpoint add 10.1.1.1 dev c1 subflow");
    let (_server, client) = links.connect();
    wait_for("the connection", || links.paths().contains(&"10.1.1.1".to_owned()));
    let before = subflows(&links.client);
    let refused = renew(&links.client, &["one"]).expect(1);
    assert!(refused.stderr.contains("have no other subflow"), "{}", refused.stderr);
    assert_eq!(subflows(&links.client), before);
    assert!(client.ask() > 0);
}

#[test]
fn what_is_not_there_is_said() {
    let namespace = Namespace::new();
    install(&namespace, "{version: 1, endpoints: {fiber: {address: 192.0.2.1, dev: lo, flags: [subflow]}}}");
    let said = |word: &str| renew(&namespace, &[word]).expect(1).stderr;
    assert_eq!(
        said("fiber"),
        "error: fiber is declared, and not in the kernel's table\n |\n = help: `mptcp-apply` adds it, and that opens its subflows, or says what it waits for\n"
    );
    assert_eq!(
        said("fibre"),
        "error: no endpoint has the name or address `fibre`\n |\n = help: did you mean `fiber`?\n"
    );
    let help = "help: names are those of the installed configuration; `mptcp-apply show` lists the endpoints";
    assert!(said("10.0.0.1").contains(help));
    let document = renew(&namespace, &["--format", "json", "fibre"]).expect(1).stdout;
    let document: serde_json::Value = serde_json::from_str(&document).expect("one document");
    assert_eq!(document["changed"], false);
    assert!(document["error"]["message"].as_str().is_some_and(|message| message.contains("`fibre`")));
}

/// A row that this program did not make is no more its own than before.
#[test]
fn a_renewed_row_stays_who_made_it() {
    let namespace = Namespace::new();
    let spare = "{version: 1, prune: false, endpoints: {}}";
    install(&namespace, spare);
    namespace.ip("mptcp endpoint add 192.0.2.7 id 7 subflow");
    renew(&namespace, &["192.0.2.7"]).expect(0);
    namespace.apply(spare, &[]).expect(0);
    assert_eq!(namespace.endpoints(), ["192.0.2.7 id 7 subflow"]);
}

/// The watch leaves a lost subflow alone as long as another connection has one.
#[test]
fn a_watch_does_it_when_asked() {
    let links = Links::new();
    let root = install(&links.client, CONFIG);
    let watcher = Watcher::start(&links.client, &["--root-dir", root.to_str().expect("UTF-8")]);
    watcher.wait_for_runs(1);
    let (_server, _client) = links.connect();
    links.wait_for_paths(&["10.1.1.1", "10.1.2.1", "10.1.3.1"]);
    let _other = Peer::client(&links.client, SERVICE);
    let all = ["10.1.1.1", "10.1.1.1", "10.1.2.1", "10.1.2.1", "10.1.3.1", "10.1.3.1"];
    links.wait_for_paths(&all);
    let pair = subflows(&links.client).into_iter().find(|pair| pair.starts_with("10.1.2.1")).expect("one");
    let port = pair.split(' ').next().and_then(|local| local.rsplit(':').next()).expect("a port");
    reset(&links, &format!("10.1.2.1:{port}"));
    wait_for("the reset", || links.paths().len() == 5);
    let ran = renew(&links.client, &["two"]).expect(0);
    assert!(ran.stderr.contains("closes the subflows of 1 connection; 1 can ask again"), "{}", ran.stderr);
    if ran.stdout.ends_with("two (10.1.2.1): 2 connections with a subflow\n") {
        assert_eq!(links.paths(), all);
    } else {
        // The peer may reset a subflow that joins while data arrives.
        let is_said =
            ran.stderr.contains("2 connections could have a subflow from two (10.1.2.1), of which 1 got one");
        assert!(is_said && kernel_release() <= (6, 12), "{}{}", ran.stdout, ran.stderr);
    }
    let asked = |run: &serde_json::Value| run["steps"][1]["why"] == "renewed by hand";
    wait_for("the report of the watch", || watcher.runs().iter().filter(|run| asked(run)).count() == 1);
    watcher.stop();
}

/// What is there while the watch still drains it counts for nothing.
#[test]
fn the_answer_of_a_watch_comes_after_its_pass() {
    let (links, _server, _client) = connected();
    let root = install(&links.client, CONFIG);
    let watcher = Watcher::start(&links.client, &["--root-dir", root.to_str().expect("UTF-8")]);
    watcher.wait_for_runs(1);
    let second = || subflows(&links.client).into_iter().find(|pair| pair.starts_with("10.1.2.1"));
    assert!(second().is_some());
    links.server.ip("mptcp limits set subflows 0 add_addr_accepted 8");
    let ran = renew(&links.client, &["two"]).expect(0);
    assert_eq!(second(), None, "{}", ran.stdout);
    let is_told =
        ran.stderr.contains("1 connection could have a subflow from two (10.1.2.1), of which 0 got one");
    assert!(is_told, "{}{}", ran.stdout, ran.stderr);
    watcher.stop();
}

#[test]
fn another_run_is_waited_for_and_named() {
    let namespace = Namespace::new();
    install(&namespace, "{version: 1}");
    namespace.ip("mptcp endpoint add 192.0.2.7 id 7 subflow");
    let mut trial = namespace.command(program_path());
    trial.args(["try", "--timeout", "60", "-"]).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut trial = trial.stdin(Stdio::piped()).spawn().expect("starts");
    let config = b"{version: 1, prune: false, endpoints: {a: {address: 192.0.2.8, flags: [signal]}}}";
    trial.stdin.take().expect("piped").write_all(config).expect("written");
    wait_for("the trial", || namespace.endpoints().len() == 2);
    let refused = renew(&namespace, &["192.0.2.7"]).expect(75);
    assert!(refused.stderr.contains(&format!("process {}", trial.id())), "{}", refused.stderr);
    let left = std::fs::read_dir(namespace.runtime()).expect("a folder").flatten().map(|file| file.path());
    let left: Vec<PathBuf> = left.collect();
    assert!(left.iter().any(|path| path.extension().is_some_and(|end| end == "lock")), "{left:?}");
    assert!(left.iter().all(|path| path.extension().is_none_or(|end| end != "renew")), "{left:?}");
    trial.kill().expect("killed");
    trial.wait().expect("waited");
}
