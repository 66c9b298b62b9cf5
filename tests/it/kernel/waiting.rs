//! `--wait`: interfaces, addresses and ports that come later, or not.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStderr, Stdio};
use std::time::{Duration, Instant};

use crate::kernel::links::{Links, subflows};
use crate::peer::Peer;
use crate::support::{Namespace, program_path, run, wait_for};

/// A run that waits.
struct Run {
    child: Child,
    said: BufReader<ChildStderr>,
    start: Instant,
}

/// How long runs wait at most here. They have to notice much sooner what they wait for.
const PATIENCE: Duration = Duration::from_secs(60);

impl Run {
    /// Starts it and reads on until it says what it waits for.
    #[track_caller]
    fn waiting(namespace: &Namespace, config: &str, what: &str) -> Run {
        let mut command = namespace.command(program_path());
        command.args(["--wait", &PATIENCE.as_secs().to_string(), "-"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("starts");
        child.stdin.take().expect("piped").write_all(config.as_bytes()).expect("read");
        let said = BufReader::new(child.stderr.take().expect("piped"));
        let mut run = Run { child, said, start: Instant::now() };
        let mut lines = Vec::new();
        while !lines.last().is_some_and(|line: &String| line.contains(what)) {
            let mut line = String::new();
            assert!(
                run.said.read_line(&mut line).expect("UTF-8") > 0,
                "it does not wait for {what}: {lines:?}"
            );
            lines.push(line);
        }
        run
    }

    /// Its exit code, once it has ended by itself.
    #[track_caller]
    fn end(mut self) -> i32 {
        let status = self.child.wait().expect("waited");
        assert!(self.start.elapsed() < PATIENCE / 2, "it waited on");
        status.code().expect("no signal")
    }
}

const WWAN: &str = "{version: 1, endpoints: {lte: {address: 10.7.0.1, dev: wwan0, flags: [subflow]}}}";

/// Neither the interface nor its address: the one without the other is not enough.
#[test]
fn an_interface_and_its_address_are_waited_for() {
    let namespace = Namespace::new();
    let run = Run::waiting(&namespace, WWAN, "there is no interface wwan0");
    namespace.ip("link add wwan0 type veth peer name peer0");
    namespace.ip("address add 10.7.0.1/24 dev wwan0");
    assert!(namespace.endpoints().is_empty(), "the interface is down");
    namespace.ip("link set wwan0 up");
    assert_eq!(run.end(), 0);
    assert_eq!(namespace.endpoints(), ["10.7.0.1 id 1 subflow dev wwan0"]);
}

#[test]
fn a_selector_waits_for_its_first_match() {
    let namespace = Namespace::new();
    namespace.links(&[("wwan0", "peer0")]);
    let config = "{version: 1, endpoints: {lte: {dev: 'wwan*', family: ipv4, flags: [subflow]}}}";
    let run = Run::waiting(&namespace, config, "no usable address matches");
    namespace.ip("address add 10.7.0.1/24 dev wwan0");
    assert_eq!(run.end(), 0);
    assert_eq!(namespace.endpoints(), ["10.7.0.1 id 1 subflow dev wwan0"]);
}

/// The kernel refuses to listen on an address while its duplicate address detection runs.
#[test]
fn duplicate_address_detection_is_waited_for() {
    let namespace = Namespace::new();
    namespace.links(&[("eth0", "peer0")]);
    namespace.ip("address add fd00::7/64 dev eth0");
    let config = "{version: 1, endpoints: {a: {address: 'fd00::7', port: 8443, flags: [signal]}}}";
    let run = Run::waiting(&namespace, config, "fd00::7");
    assert_eq!(run.end(), 0);
    assert_eq!(namespace.endpoints(), ["fd00::7 port 8443 id 1 signal"]);
}

/// What came to be is applied, and the rest told.
#[test]
fn patience_ends() {
    let namespace = Namespace::new();
    let two = WWAN.replace(
        "{lte:",
        "{there: {address: 127.0.0.1, flags: [signal]}, away: {address: 10.9.9.9, flags: [subflow]}, lte:",
    );
    let start = Instant::now();
    let ran = namespace.apply(&two, &["--wait", "1"]).expect(0);
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert!(ran.stderr.contains("\nwaiting for 1 s at most: endpoint `"), "{}", ran.stderr);
    assert!(ran.stderr.contains("endpoint `lte` waits: there is no interface wwan0"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("endpoint `away` needs 10.9.9.9, which is on no interface"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains("endpoint `there` needs"), "{}", ran.stderr);
    assert_eq!(namespace.endpoints(), ["127.0.0.1 id 1 signal", "10.9.9.9 id 2 subflow"]);
    // With nothing to wait for there is no waiting.
    let start = Instant::now();
    namespace.apply("{version: 1, limits: {subflows: 3}}", &["--wait", "60"]).expect(0);
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[test]
fn strictly_nothing_is_applied_when_patience_ends() {
    let namespace = Namespace::new();
    let config = WWAN.replace("endpoints:", "limits: {subflows: 5}, endpoints:");
    namespace.apply(&config, &["--wait", "1", "--strict"]).expect(78);
    assert_eq!(namespace.limits(), "add_addr_accepted 0 subflows 2");
}

/// A dry run waits as well, and only reads.
#[test]
fn a_dry_run_waits() {
    let namespace = Namespace::new();
    let ran = namespace.apply(WWAN, &["--wait", "1", "--dry-run"]).expect(0);
    assert_eq!(ran.stdout, "no changes\n");
    assert!(ran.stderr.contains("there is no interface wwan0"), "{}", ran.stderr);
}

#[test]
fn a_port_is_waited_for() {
    let namespace = Namespace::new();
    let holder = Peer::server(&namespace, "127.0.0.1:8443");
    let config = "{version: 1, endpoints: {a: {address: 127.0.0.1, port: 8443, flags: [signal]}}}";
    for options in [&[][..], &["--dry-run"]] {
        let ran = namespace.apply(config, options).expect(1);
        assert!(ran.stderr.contains("something listens on port 8443"), "{}", ran.stderr);
    }
    let run = Run::waiting(&namespace, config, "needs its port (EADDRINUSE");
    drop(holder);
    assert_eq!(run.end(), 0);
    assert_eq!(namespace.endpoints(), ["127.0.0.1 port 8443 id 1 signal"]);
}

/// A server with an endpoint on a port, and a client that has a subflow to it.
struct Ported {
    links: Links,
    _ends: (Peer, Peer),
}

const PORTED: &str =
    "{version: 1, endpoints: {public: {address: 10.1.2.2, port: 8443, id: 1, flags: [signal]}}}";

impl Ported {
    fn new() -> Ported {
        let links = Links::new();
        links.server.apply(PORTED, &["-q"]).expect(0);
        links.client.ip("mptcp limits set subflows 4 add_addr_accepted 4");
        let ends = links.connect();
        wait_for("a subflow to the port", || Ported::has_subflow(&links));
        Ported { links, _ends: ends }
    }

    fn has_subflow(links: &Links) -> bool {
        subflows(&links.client).iter().any(|pair| pair.ends_with(" 10.1.2.2:8443"))
    }
}

/// Another id would close its port for a minute. That is told before anything is changed, also by a dry run.
#[test]
fn an_endpoint_on_a_port_is_not_reopened_while_it_has_connections() {
    let host = Ported::new();
    let server = &host.links.server;
    assert_eq!(server.apply(PORTED, &[]).expect(0).stdout, "no changes\n");
    let config = PORTED.replace("id: 1", "id: 2").replace("endpoints:", "limits: {subflows: 5}, endpoints:");
    let told = "10.1.2.2 port 8443 has a connection: once it is removed, the kernel refuses its port for about a minute";
    let json = ["--format", "json"];
    for options in
        [&json[..], &[&json[..], &["--wait", "10"]].concat(), &[&json[..], &["--dry-run"]].concat()]
    {
        let ran = server.apply(&config, options).expect(1);
        assert!(ran.stderr.contains(&format!("error: {told}")), "{}", ran.stderr);
        assert!(ran.stderr.contains("nothing was changed"), "{}", ran.stderr);
        assert!(ran.stderr.contains("`--wait 70`"), "{}", ran.stderr);
        assert!(ran.stdout.contains("\"errno\":\"EADDRINUSE\""), "{}", ran.stdout);
    }
    assert_eq!(server.endpoints(), ["10.1.2.2 port 8443 id 1 signal"]);
    assert_eq!(server.limits(), "add_addr_accepted 8 subflows 8");
    assert!(Ported::has_subflow(&host.links));
    // What changes in place does not touch the port.
    server.apply(&PORTED.replace("[signal]", "[signal, backup]"), &[]).expect(0);
    assert!(Ported::has_subflow(&host.links));
}

/// The kernel takes 61 seconds for it, and so does this test.
#[test]
fn with_patience_an_endpoint_on_a_port_is_replaced() {
    let host = Ported::new();
    let server = &host.links.server;
    let config = PORTED.replace("id: 1", "id: 2");
    let ran = server.apply(&config, &["--wait", "75"]).expect(0);
    assert!(ran.stdout.ends_with("applied: 1 added, 0 changed, 1 removed\n"), "{}", ran.stdout);
    assert_eq!(server.endpoints(), ["10.1.2.2 port 8443 id 2 signal"]);
    wait_for("a subflow to the port", || Ported::has_subflow(&host.links));
}

/// A service on another address at the same port is in the way all the same, and that is found before anything is
/// changed.
#[test]
fn a_port_is_freed_on_its_own_address_only() {
    let namespace = Namespace::new();
    namespace
        .apply(
            "{version: 1, endpoints: {a: {address: 127.0.0.1, port: 8443, id: 5, flags: [signal]}}}",
            &["-q"],
        )
        .expect(0);
    let _service = Peer::server(&namespace, "127.0.0.2:8443");
    let config = "{version: 1, endpoints: {a: {address: 127.0.0.2, port: 8443, id: 5, flags: [signal]}}}";
    let ran = namespace.apply(config, &[]).expect(1);
    assert!(ran.stderr.contains("something listens on port 8443"), "{}", ran.stderr);
    assert!(ran.stderr.contains("nothing was changed"), "{}", ran.stderr);
    assert_eq!(namespace.endpoints(), ["127.0.0.1 port 8443 id 5 signal"]);
}

/// A line that counts, on a real terminal alone.
#[test]
fn a_terminal_shows_how_long_is_left() {
    let namespace = Namespace::new();
    let path = namespace.folder.path().join("a.yaml");
    let config = "{version: 1, endpoints: {a: {address: 10.0.0.1, dev: eth7, flags: [subflow]}}}";
    std::fs::write(&path, config).expect("written");
    let inner = format!("{} --wait 2 {}", program_path(), path.display());
    let mut script = namespace.command("script");
    script.args(["--quiet", "--return", "--command", &inner, "/dev/null"]);
    let shown = run(script, "").expect(0).stdout;
    let order = ["waiting for 2 s at most: ", "\r2 s left", "\r1 s left", "\r        \r", "no changes"];
    let places: Vec<_> = order.iter().map(|words| shown.find(words)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?} in {shown:?}");
    let mut command = namespace.command(program_path());
    command.args(["--wait", "1"]).arg(&path);
    let ran = run(command, "").expect(0);
    assert!(!ran.stderr.contains("left"), "{}", ran.stderr);
}
