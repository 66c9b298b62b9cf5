//! `--netns` with `--watch`: namespaces come and go. Here nothing is looked at from time to time, unless a test says so:
//! what is not heard of is not noticed.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{program_path, wait_for};

use super::{Named, ONE, documents, words};

const ROW: &str = "10.0.0.1 id 1 signal";

/// Every usable IPv4 address of eth0.
const SELECTOR: &str = "{version: 1, endpoints: {all: {dev: eth0, family: ipv4, flags: [subflow]}}}";

/// The program, watching. It ends with the value.
struct Watcher {
    child: Child,
    folder: PathBuf,
}

impl Watcher {
    /// Starts it with this configuration, and these soft limit of open files and options.
    #[track_caller]
    fn start(named: &Named, config: &str, options: &[&str]) -> Watcher {
        Watcher::limited(named, config, "1024", options)
    }

    #[track_caller]
    fn limited(named: &Named, config: &str, files: &str, options: &[&str]) -> Watcher {
        let folder = named.folder.path().to_owned();
        fs::write(folder.join("config.yaml"), config).expect("written");
        let file = |name| Stdio::from(File::create(folder.join(name)).expect("made"));
        let mut command = named.command("sh");
        command.args(["-c", "ulimit -Sn $0 && exec \"$@\"", files, program_path(), "--watch", "--resync=0"]);
        command.args(options).arg(folder.join("config.yaml"));
        command.stdin(Stdio::null()).stdout(file("stdout")).stderr(file("stderr"));
        Watcher { child: command.spawn().expect("starts"), folder }
    }

    fn printed(&self) -> String {
        fs::read_to_string(self.folder.join("stdout")).expect("UTF-8")
    }

    fn said(&self) -> String {
        fs::read_to_string(self.folder.join("stderr")).expect("UTF-8")
    }

    /// How often a namespace was looked at so far, with `--format json`.
    fn looks(&self, name: &str) -> usize {
        let whole = self.printed();
        let whole = whole.rsplit_once('\n').map_or("", |(lines, _)| lines);
        documents(whole).iter().filter(|document| words(document, "netns") == name).count()
    }

    #[track_caller]
    fn await_said(&self, what: &str) {
        wait_for(&format!("{what:?}"), || self.said().contains(what));
    }

    /// Tells it to end. Its exit code.
    #[track_caller]
    fn end(mut self, signal: Signal) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), signal).expect("told");
        let start = Instant::now();
        let status = self.child.wait().expect("waited");
        assert!(start.elapsed() < Duration::from_secs(1), "it took {:?}", start.elapsed());
        status.code()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
fn await_row(named: &Named, name: &str, row: &str) {
    wait_for(&format!("{row} in {name}"), || named.endpoints_of(name) == [row]);
}

/// Links a namespace to the one where the program was started. As long as either lives, the other end is there.
#[track_caller]
fn tie(named: &Named, name: &str) {
    named.ip(&format!("link add tie type veth peer name tied netns {name}"));
}

#[track_caller]
fn await_end_of_tie(named: &Named) {
    wait_for("the end of the namespace", || !named.ip("link show").contains(" tie"));
}

#[test]
fn a_namespace_that_appears_is_applied() {
    let named = Named::new(["web-1"]);
    let watcher = Watcher::start(&named, ONE, &["--netns=web-*", "--netns=later"]);
    await_row(&named, "web-1", ROW);
    watcher.await_said("waiting for network namespace later: none exists\n");
    for name in ["web-2", "later", "other", "web-3"] {
        named.ip(&format!("netns add {name}"));
    }
    for name in ["web-2", "later", "web-3"] {
        await_row(&named, name, ROW);
    }
    assert_eq!(named.endpoints_of("other"), [""; 0]);
    assert_eq!(named.endpoints(), [""; 0]);
    wait_for("its cause", || watcher.printed().contains("network namespace web-2 appeared"));
    assert!(!watcher.printed().contains("files were written"), "{}", watcher.printed());
    assert_eq!(watcher.end(Signal::TERM), Some(0));
    // Endpoints stay.
    assert_eq!(named.rows_of(["web-1", "web-2", "later"]), [ROW; 3]);
}

/// Before the first `ip netns add` there is no folder either.
#[test]
fn the_first_namespace_of_all_is_applied() {
    let named = Named::new([]);
    let watcher = Watcher::start(&named, ONE, &["--netns=*"]);
    watcher.await_said("waiting for network namespace *: none exists\n");
    named.ip("netns add first");
    await_row(&named, "first", ROW);
    named.ip("netns add second");
    await_row(&named, "second", ROW);
    assert_eq!(watcher.end(Signal::INT), Some(0));
}

/// Nothing of the watcher keeps it alive.
#[test]
fn a_namespace_that_vanishes_really_ends() {
    let named = Named::new(["a", "b"]);
    let watcher = Watcher::start(&named, ONE, &["--netns=a", "--netns=b"]);
    await_row(&named, "b", ROW);
    tie(&named, "a");
    named.ip("netns delete a");
    await_end_of_tie(&named);
    watcher.await_said("network namespace a is gone\n");
    // The other one is still kept.
    named.ip("-n b mptcp endpoint delete id 1");
    fs::write(watcher.folder.join("config.yaml"), ONE.replace("10.0.0.1", "10.0.0.2")).expect("written");
    await_row(&named, "b", "10.0.0.2 id 1 signal");
    assert_eq!(watcher.end(Signal::TERM), Some(0));
}

/// Between two looks.
#[test]
fn a_namespace_that_is_made_anew_is_applied_anew() {
    let named = Named::new(["a"]);
    let watcher = Watcher::start(&named, ONE, &["--netns=a", "--format=json"]);
    await_row(&named, "a", ROW);
    tie(&named, "a");
    named.ip_batch("netns delete a\nnetns add a\n");
    await_row(&named, "a", ROW);
    await_end_of_tie(&named);
    let is_its = |document: &serde_json::Value| words(document, "cause") == "network namespace a appeared";
    wait_for("its cause", || documents(&watcher.printed()).iter().any(is_its));
    // It is a first run, and no drift.
    assert!(!watcher.said().contains("drift"), "{}", watcher.said());
    assert_eq!(watcher.end(Signal::TERM), Some(0));
}

/// One whose configuration it cannot carry out, as well.
#[test]
fn a_namespace_without_hope_really_ends() {
    let named = Named::new(["a"]);
    let config = "{version: 1, sysctls: {scheduler: none-such}}";
    let watcher = Watcher::start(&named, config, &["--netns=a"]);
    watcher.await_said("error: this kernel has no");
    tie(&named, "a");
    named.ip_batch("netns delete a\nnetns add a\n");
    await_end_of_tie(&named);
    assert_eq!(watcher.end(Signal::TERM), Some(0));
}

/// What is left over then is a file, which `ip netns` would still list.
#[test]
fn a_namespace_whose_name_is_unmounted_really_ends() {
    let named = Named::new(["a"]);
    let watcher = Watcher::start(&named, ONE, &["--netns=a"]);
    await_row(&named, "a", ROW);
    tie(&named, "a");
    named.sh("umount /run/netns/a");
    fs::write(watcher.folder.join("config.yaml"), ONE.replace("10.0.0.1", "10.0.0.2")).expect("written");
    watcher.await_said("cannot enter network namespace a: Invalid argument");
    await_end_of_tie(&named);
    assert_eq!(watcher.end(Signal::TERM), Some(0));
}

#[test]
fn an_address_in_one_namespace_is_its_own_business() {
    let named = Named::new(["a", "b"]);
    for name in ["a", "b"] {
        named.ip(&format!("-n {name} link add eth0 type veth peer name eth1"));
        // Addresses that the kernel makes are news too, when their duplicate address detection ends.
        for link in ["eth0", "eth1"] {
            named.ip(&format!("-n {name} link set {link} addrgenmode none"));
            named.ip(&format!("-n {name} link set {link} up"));
        }
        let up = || named.ip(&format!("-n {name} link show type veth")).matches("state UP").count() == 2;
        wait_for("links that are up", up);
    }
    let watcher = Watcher::start(&named, SELECTOR, &["--netns=*", "--format=json"]);
    wait_for("the first look", || watcher.looks("a") > 0 && watcher.looks("b") > 0);
    named.ip("-n a address add 10.7.0.1/24 dev eth0");
    await_row(&named, "a", "10.7.0.1 id 1 subflow dev eth0");
    let quiet = watcher.looks("b");
    for n in 2..5 {
        named.ip(&format!("-n a address add 10.7.0.{n}/24 dev eth0"));
        wait_for("the next address", || named.endpoints_of("a").len() == n);
    }
    assert!(watcher.looks("a") >= 4, "{}", watcher.printed());
    assert_eq!(watcher.looks("b"), quiet, "{}", watcher.printed());
    assert_eq!(named.endpoints_of("b"), [""; 0]);
    assert_eq!(watcher.end(Signal::TERM), Some(0));
}

/// With nothing to hear, too.
#[test]
fn a_failure_in_one_is_tried_again() {
    let named = Named::new(["a", "b"]);
    named.apply(ONE, &["--netns=a"]).expect(0);
    let other = File::open(named.lock_file()).expect("a lock file");
    other.try_lock().expect("it is free");
    let changed = ONE.replace("10.0.0.1", "10.0.0.2");
    let watcher = Watcher::start(&named, &changed, &["--netns=*"]);
    watcher.await_said("netns a\nerror: another run of mptcp-apply");
    await_row(&named, "b", "10.0.0.2 id 1 signal");
    assert_eq!(named.endpoints_of("a"), [ROW]);
    drop(other);
    await_row(&named, "a", "10.0.0.2 id 1 signal");
    assert_eq!(watcher.end(Signal::TERM), Some(0));
}

/// The kernel listens only on an address that is there.
#[test]
fn a_refusal_in_one_is_mended_by_what_happens_there() {
    let named = Named::new(["a", "b"]);
    for name in ["a", "b"] {
        named.ip(&format!("-n {name} link set lo up"));
    }
    named.ip("-n b address add 10.7.0.1/32 dev lo");
    let config = "{version: 1, endpoints: {p: {address: 10.7.0.1, port: 8443, id: 1, flags: [signal]}}}";
    let watcher = Watcher::start(&named, config, &["--netns=*"]);
    watcher.await_said("error: the kernel refused to add 10.7.0.1");
    let row = "10.7.0.1 port 8443 id 1 signal";
    await_row(&named, "b", row);
    named.ip("-n a address add 10.7.0.1/32 dev lo");
    await_row(&named, "a", row);
    assert_eq!(watcher.end(Signal::TERM), Some(0));
}

#[test]
fn a_namespace_is_locked_as_long_as_it_is_watched() {
    let named = Named::new(["a", "b", "free"]);
    let watcher = Watcher::start(&named, ONE, &["--netns=a", "--netns=b"]);
    await_row(&named, "b", ROW);
    for name in ["a", "b"] {
        let ran = named.apply(ONE, &["--netns", name]).expect(75);
        assert!(ran.stderr.contains("perhaps with --watch"), "{}", ran.stderr);
    }
    named.apply(ONE, &["--netns=free"]).expect(0);
    assert_eq!(watcher.end(Signal::TERM), Some(0));
    named.apply(ONE, &["--netns=*"]).expect(0);
}

/// It is no other run that has the lock then. When one name goes, the other one is left.
#[test]
fn a_namespace_of_two_names_is_watched_once() {
    let named = Named::new(["a", "z"]);
    named.sh(">/run/netns/alias && mount --bind /run/netns/a /run/netns/alias");
    let watcher = Watcher::start(&named, ONE, &["--netns=*"]);
    await_row(&named, "z", ROW);
    assert_eq!((named.rows_of(["alias"]), watcher.said()), ([ROW.to_owned()], String::new()));
    named.ip("netns delete a");
    watcher.await_said("network namespace a is gone\n");
    fs::write(watcher.folder.join("config.yaml"), ONE.replace("10.0.0.1", "10.0.0.2")).expect("written");
    await_row(&named, "alias", "10.0.0.2 id 1 signal");
    assert!(!watcher.said().contains("another run"), "{}", watcher.said());
    assert_eq!(watcher.end(Signal::TERM), Some(0));
}

/// Each takes a socket and a lock; 1024 open files are the usual soft limit.
#[test]
fn many_namespaces_are_watched_whatever_the_soft_limit() {
    let names: Vec<String> = (0..60).map(|n| format!("n{n:03}")).collect();
    let named = Named::new(names.iter().map(String::as_str));
    let watcher = Watcher::limited(&named, ONE, "64", &["--netns=*"]);
    wait_for("the last one", || watcher.printed().matches("applied: 1 added").count() == names.len());
    named.ip("netns add late");
    await_row(&named, "late", ROW);
    assert_eq!(watcher.said(), "");
    assert_eq!(watcher.end(Signal::TERM), Some(0));
}

/// To apply to all of them for the first time takes seconds.
#[test]
fn many_namespaces_do_not_put_off_the_end() {
    let names: Vec<String> = (0..300).map(|n| format!("n{n:03}")).collect();
    let named = Named::new(names.iter().map(String::as_str));
    let watcher = Watcher::start(&named, ONE, &["--netns=*"]);
    let folder = watcher.folder.clone();
    wait_for("the first one", || watcher.printed().contains("applied: 1 added"));
    assert_eq!(watcher.end(Signal::TERM), Some(0));
    let printed = fs::read_to_string(folder.join("stdout")).expect("UTF-8");
    assert!(printed.matches("applied: 1 added").count() < names.len(), "it was done before");
}

/// Each has checks of its own, all of whose sockets are in it: the watch itself is elsewhere.
#[test]
fn uplinks_are_checked_where_they_are() {
    let named = Named::new(["web-1", "web-2"]);
    for (name, address) in [("web-1", "10.0.0.1/24"), ("web-2", "10.0.1.1/24")] {
        let link = "link add eth0 type veth peer name end0";
        let address = format!("address add {address} dev eth0");
        for command in [link, "link set end0 up", &address, "link set eth0 up"] {
            named.ip(&format!("-n {name} {command}"));
        }
    }
    let check = "{connect: '198.51.100.1:9', every: 400ms, timeout: 400ms, fall: 2}";
    let config = format!("{{version: 1, uplinks: {{a: {{dev: eth0, gateway: none, check: {check}}}}}}}");
    let watcher = Watcher::start(&named, &config, &["--netns=web-*"]);
    for name in ["web-1", "web-2"] {
        watcher.await_said(&format!("netns {name}: uplink `a` (eth0) is down: no answer within 400 ms"));
    }
    assert_eq!(watcher.end(Signal::TERM), Some(0));
}
