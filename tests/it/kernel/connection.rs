//! `connection`: operations on real connections under the userspace path manager, witnessed by `ip mptcp monitor` at the
//! other end and by `ss`.

use serde_json::{Value, json};

use crate::kernel::links::{Links, SERVICE, subflows};
use crate::kernel::monitor::listeners;
use crate::kernel::watcher::Watcher;
use crate::peer::Peer;
use crate::support::{Namespace, Ran, clean, kernel_release, program_path, run, wait_for};

/// `net.mptcp.pm_type` of the userspace path manager; newer kernels still have this word for it.
const USERSPACE: &str = "echo 1 >/proc/sys/net/mptcp/pm_type";
const KERNEL: &str = "echo 0 >/proc/sys/net/mptcp/pm_type";

/// A client whose connection is under the userspace path manager, and what its peer hears.
pub struct Scenario {
    pub links: Links,
    /// `ip mptcp monitor` on the server.
    witness: Watcher,
    pub token: String,
    _ends: (Peer, Peer),
}

impl Scenario {
    /// Waits until more subflows can be created.
    #[track_caller]
    pub fn new() -> Scenario {
        let links = Links::new();
        links.client.sh(USERSPACE);
        let witness = witness(&links.server);
        let ends = (Peer::server(&links.server, SERVICE), Peer::quiet_client(&links.client, SERVICE));
        let listed = || list(&links.client)["connections"].clone();
        let is_established =
            |flags: &Value| flags.as_array().is_some_and(|all| all.contains(&"fully-established".into()));
        wait_for("an established connection", || is_established(&listed()[0]["subflows"][0]["flags"]));
        let token = listed()[0]["token"].as_str().expect("a token").to_owned();
        Scenario { links, witness, token, _ends: ends }
    }

    #[track_caller]
    pub fn perform(&self, operation: &str) -> Ran {
        perform(&self.links.client, &self.token, operation)
    }

    /// Waits for an event of the server that has all these words.
    #[track_caller]
    fn hears(&self, words: &[&str]) {
        hears(&self.witness, words);
    }
}

#[track_caller]
pub fn hears(witness: &Watcher, words: &[&str]) {
    let has = |line: &String| words.iter().all(|word| line.contains(word));
    wait_for(&format!("{words:?}, among {:?}", witness.lines()), || witness.lines().iter().any(has));
}

/// `ip mptcp monitor`, which listens already.
#[track_caller]
pub fn witness(namespace: &Namespace) -> Watcher {
    let mut ip = namespace.command("ip");
    ip.args(["mptcp", "monitor"]);
    let witness = Watcher::run(ip);
    wait_for("one that listens", || listeners(namespace) == 1);
    witness
}

#[track_caller]
fn perform(namespace: &Namespace, token: &str, operation: &str) -> Ran {
    let mut command = namespace.command(program_path());
    command.args(["connection", token]).args(operation.split_whitespace());
    run(command, "")
}

#[track_caller]
fn list(namespace: &Namespace) -> Value {
    let mut command = namespace.command(program_path());
    command.args(["connection", "--format", "json"]);
    serde_json::from_str(&run(command, "").expect(0).stdout).expect("a document")
}

/// Linux 6.1 does not list what a connection holds.
fn lists_addresses() -> bool {
    kernel_release() > (6, 1)
}

#[test]
fn every_operation_reaches_the_peer() {
    let scenario = Scenario::new();
    let Scenario { links, token, .. } = &scenario;
    let created = scenario.perform("create 10.1.2.1%c2 to 10.9.9.9:5000 id 5").expect(0).stdout;
    let port = created.trim().rsplit(' ').next().expect("a port").to_owned();
    let expected =
        format!("created 10.1.2.1%c2 to 10.9.9.9:5000 id 5 on connection {token}, from port {port}\n");
    assert_eq!(created, expected);
    links.wait_for_paths(&["10.1.1.1", "10.1.2.1"]);
    scenario.hears(&["[SF_ESTABLISHED]", "remid=5", "daddr4=10.1.2.1", &format!("dport={port}")]);
    assert_eq!(scenario.perform("set backup 10.1.2.1 to 10.9.9.9:5000").expect(0).stderr, "");
    scenario.hears(&["[       SF_PRIO]", "remid=5", "backup=1"]);
    scenario.perform(&format!("set nobackup 10.1.2.1:{port} to 10.9.9.9:5000")).expect(0);
    scenario.hears(&["[       SF_PRIO]", "remid=5", "backup=0"]);
    scenario.perform("announce 10.1.3.1 id 7").expect(0);
    scenario.hears(&["[     ANNOUNCED]", "remid=7", "daddr4=10.1.3.1"]);
    if lists_addresses() {
        let held = list(&links.client)["connections"][0]["addresses"].clone();
        let held = held.as_array().expect("a list").iter().map(|row| row["flags"][0].clone());
        assert_eq!(held.collect::<Vec<_>>(), ["subflow", "signal"]);
    }
    scenario.perform("remove id 7").expect(0);
    scenario.hears(&["[       REMOVED]", "remid=7"]);
    scenario.perform(&format!("destroy 10.1.2.1:{port} to 10.9.9.9:5000")).expect(0);
    links.wait_for_paths(&["10.1.1.1"]);
    scenario.hears(&["[     SF_CLOSED]", "remid=5"]);
    // It frees the id.
    scenario.perform("create 10.1.3.1 to 10.9.9.9:5000 id 5 backup").expect(0);
    links.wait_for_paths(&["10.1.1.1", "10.1.3.1"]);
    // Linux 6.1 opens it as a regular one.
    scenario.hears(&["remid=5", "daddr4=10.1.3.1", "backup=1"]);
}

#[track_caller]
fn is_refused(ran: Ran, words: &str) {
    let Ran { stdout, stderr, .. } = ran.expect(1);
    assert_eq!(stdout, "");
    assert!(stderr.starts_with("error: cannot ") && stderr.contains(words), "{stderr}");
}

#[test]
fn what_the_kernel_refuses_is_explained() {
    let scenario = Scenario::new();
    scenario.perform("create 10.1.2.1%c2 to 10.9.9.9:5000 id 5").expect(0);
    let refused = |operation: &str, words: &str| is_refused(scenario.perform(operation), words);
    refused("create 10.1.2.1 to 10.9.9.9:5000 id 5", "it has that subflow, from port ");
    let held = if lists_addresses() {
        "already holds 10.1.2.1 id 5 subflow dev c2"
    } else {
        "this id for another address"
    };
    refused("create 10.1.3.1 to 10.9.9.9:5000 id 5", held);
    refused("announce 10.1.3.1 id 5", held);
    refused("create 192.0.2.77 to 10.9.9.9:5000 id 6", "192.0.2.77 is on no interface of this host");
    refused("create 10.1.3.1 to 198.51.100.1:5000 id 6", "no route leads from 10.1.3.1 to 198.51.100.1");
    refused("create 2001:db8::1 to [2001:db8::2]:5000 id 6", "the kernel takes no such IPv6 address there");
    refused("create 10.1.3.1%gone0 to 10.9.9.9:5000 id 6", "there is no interface gone0");
    refused("remove id 77", "the connection holds no address with id 77");
    refused("destroy 10.1.2.1:1 to 10.9.9.9:5000", "no subflow between these ends");
    refused("set backup 10.1.2.77 to 10.9.9.9:5000", "no subflow between these ends");
    assert_eq!(scenario.links.paths(), ["10.1.1.1", "10.1.2.1"]);
}

/// The kernel says yes before the peer says no.
#[test]
fn a_subflow_that_the_peer_refuses_is_not_done() {
    let scenario = Scenario::new();
    let ran = scenario.perform("create 10.1.2.1 to 10.9.9.9:5999 id 8 --format json").expect(1);
    let document: Value = serde_json::from_str(&ran.stdout).expect("a document");
    let told = ["op", "result", "local"].map(|field| document[field].clone());
    assert_eq!(told, ["subflow-create".into(), "refused".into(), Value::Null]);
    assert_eq!(document["error"]["errno"], "ECONNREFUSED");
    assert_eq!((&document["token"], &document["netns"]), (&scenario.token.as_str().into(), &Value::Null));
    // The id is that address's until it is removed.
    is_refused(scenario.perform("create 10.1.3.1 to 10.9.9.9:5000 id 8"), "did not match address and id");
    scenario.perform("remove id 8").expect(0);
    scenario.perform("create 10.1.3.1 to 10.9.9.9:5000 id 8").expect(0);
    scenario.links.wait_for_paths(&["10.1.1.1", "10.1.3.1"]);
}

/// One that is full completes the handshake first.
#[test]
fn a_subflow_that_the_peer_resets_is_not_done() {
    let scenario = Scenario::new();
    scenario.links.server.ip("mptcp limits set subflows 0");
    let ran = scenario.perform("create 10.1.2.1 to 10.9.9.9:5000 id 8 --format json").expect(1);
    let document: Value = serde_json::from_str(&ran.stdout).expect("a document");
    assert_eq!(document["result"], "refused", "{document}");
    assert_eq!(scenario.links.paths(), ["10.1.1.1"]);
}

#[test]
fn a_peer_that_does_not_answer_is_waited_for_no_longer_than_said() {
    let scenario = Scenario::new();
    scenario.links.server.ip("route add blackhole 10.1.2.1/32");
    let ran = scenario.perform("create 10.1.2.1 to 10.9.9.9:5000 id 5 --format json").expect(1);
    let document: Value = serde_json::from_str(&ran.stdout).expect("a document");
    assert_eq!(
        (&document["result"], &document["error"]["code"]),
        (&"unanswered".into(), &"subflow-unanswered".into())
    );
    assert_eq!(scenario.links.paths(), ["10.1.1.1"]);
    // As the message says, the kernel goes on.
    is_refused(scenario.perform("create 10.1.2.1 to 10.9.9.9:5000 id 5"), "(syn-sent)");
    scenario.links.server.ip("route delete blackhole 10.1.2.1/32");
    scenario.links.wait_for_paths(&["10.1.1.1", "10.1.2.1"]);
}

#[test]
fn a_connection_without_data_is_not_established() {
    let links = Links::new();
    links.client.sh(USERSPACE);
    let _ends = (Peer::server(&links.server, SERVICE), Peer::silent_client(&links.client, SERVICE));
    let token = list(&links.client)["connections"][0]["token"].as_str().expect("a token").to_owned();
    let ran = perform(&links.client, &token, "create 10.1.2.1 to 10.9.9.9:5000 id 5");
    is_refused(ran, "the connection is not established yet");
}

#[test]
fn each_connection_keeps_its_path_manager() {
    let scenario = Scenario::new();
    let Scenario { links, token, .. } = &scenario;
    links.client.sh(KERNEL);
    let _other = Peer::quiet_client(&links.client, SERVICE);
    let listed = list(&links.client);
    let of = |wanted: bool| {
        let all = listed["connections"].as_array().expect("a list");
        all.iter().find(|one| (one["token"] == token.as_str()) == wanted).expect("a connection").clone()
    };
    assert_eq!([&of(true)["path-manager"], &of(false)["path-manager"]], ["userspace", "kernel"]);
    let kernels = of(false)["token"].as_str().expect("a token").to_owned();
    let mut show = links.client.command(program_path());
    show.args(["show", "--connections"]);
    let page = run(show, "").expect(0).stdout;
    for (token, word) in [(token, "userspace"), (&kernels, "kernel")] {
        assert!(page.contains(&format!("connection {token} path manager {word}\n")), "{page}");
    }
    is_refused(perform(&links.client, &kernels, "remove id 5"), "under the in-kernel path manager");
    let gone = perform(&links.client, "1", "remove id 5");
    is_refused(gone, "there is no live connection with this token");
    scenario.perform("create 10.1.2.1 to 10.9.9.9:5000 id 5").expect(0);
}

/// The kernel accepts what a connection that fell back cannot do, and the peer hears nothing of it: one that was plain TCP from
/// the first answer on, and one that a middlebox made so.
#[test]
fn what_plain_tcp_cannot_do_is_refused_in_words() {
    let links = Links::new();
    links.client.sh(USERSPACE);
    let mut nft = links.server.command("nft");
    nft.args(["-f", "-"]);
    let rule = "tcp dport 5000 tcp flags & syn == 0 reset tcp option mptcp";
    let hook = "type filter hook prerouting priority -300;";
    run(nft, &format!("table ip box {{\nchain in {{\n{hook}\n{rule}\n}}\n}}\n")).expect(0);
    const PLAIN: &str = "10.9.9.9:5001";
    let _servers = (Peer::server(&links.server, SERVICE), Peer::plain_server(&links.server, PLAIN));
    let _clients = (Peer::quiet_client(&links.client, SERVICE), Peer::quiet_client(&links.client, PLAIN));
    let connections = || list(&links.client)["connections"].as_array().expect("a list").clone();
    wait_for("two that fell back", || {
        let all = connections();
        all.len() == 2 && all.iter().all(|connection| connection["fallback"] == true)
    });
    for connection in connections() {
        assert_eq!(connection["path-manager"], "userspace");
        let token = connection["token"].as_str().expect("a token");
        let end = |field: &str| connection["subflows"][0][field].as_str().expect("an end").to_owned();
        let (local, remote) = (end("local"), end("remote"));
        for operation in [
            "announce 10.1.2.1 id 7".to_owned(),
            format!("create 10.1.2.1%c2 to {remote} id 5"),
            format!("set backup {local} to {remote}"),
        ] {
            is_refused(perform(&links.client, token, &operation), "it went on as plain TCP");
        }
        let json = perform(&links.client, token, "announce 10.1.2.1 id 7 --format json").expect(1).stdout;
        let document: Value = serde_json::from_str(&json).expect("a document");
        assert_eq!(
            (&document["result"], &document["error"]["code"]),
            (&"refused".into(), &"fell-back".into())
        );
        is_refused(perform(&links.client, token, "remove id 7"), "holds no address with id 7");
        perform(&links.client, token, &format!("destroy {local} to {remote}")).expect(0);
        wait_for("the end of its path", || !subflows(&links.client).contains(&format!("{local} {remote}")));
    }
    let kept = |connection: &Value| {
        connection["subflows"][0]["backup"] == true || connection["addresses"] != json!([])
    };
    assert!(!connections().iter().any(kept), "{:#?}", connections());
}

/// The endpoints of the kernel's table made no subflow of a connection under the userspace path manager, whatever address
/// they have; `ss` shows that it has the address.
#[test]
fn a_subflow_under_the_userspace_path_manager_has_no_endpoint() {
    let scenario = Scenario::new();
    let Scenario { links, token, .. } = &scenario;
    links.client.ip("mptcp endpoint add 10.1.2.1 id 77 subflow dev c2");
    scenario.perform("create 10.1.2.1%c2 to 10.9.9.9:5000 id 5").expect(0);
    links.wait_for_paths(&["10.1.1.1", "10.1.2.1"]);
    links.client.sh(KERNEL);
    let _other = Peer::client(&links.client, SERVICE);
    links.wait_for_paths(&["10.1.1.1", "10.1.1.1", "10.1.2.1", "10.1.2.1"]);
    let listed = list(&links.client);
    for connection in listed["connections"].as_array().expect("a list") {
        let joined = &connection["subflows"][1];
        assert!(joined["local"].as_str().expect("an end").starts_with("10.1.2.1:"), "{listed:#}");
        let made_it = if connection["token"] == token.as_str() { Value::Null } else { 77.into() };
        assert_eq!(joined["endpoint-id"], made_it, "{listed:#}");
    }
    let mut show = links.client.command(program_path());
    show.args(["show", "--connections", "--color", "never"]);
    let page = run(show, "").expect(0).stdout;
    // Linux 6.1 binds none of the userspace path manager to its interface.
    let is_joined = |row: &&str| ["  10.1.2.1%c2:", "  10.1.2.1:"].iter().any(|local| row.contains(local));
    let rows: Vec<&str> = page.lines().filter(is_joined).collect();
    assert_eq!(rows.iter().filter(|row| row.contains("id 77")).count(), 1, "{page}");
    assert_eq!(rows.len(), 2, "{page}");
}

#[test]
fn without_the_right_it_says_which() {
    let scenario = Scenario::new();
    let without = |arguments: &[&str]| {
        let mut command = scenario.links.client.command("setpriv");
        command.args(["--bounding-set=-net_admin", "--inh-caps=-net_admin", program_path(), "connection"]);
        command.args(arguments);
        run(command, "")
    };
    let ran = without(&[&scenario.token, "remove", "id", "5"]).expect(77);
    assert!(ran.stderr.contains("CAP_NET_ADMIN"), "{}", ran.stderr);
    // Up to 6.12 the kernel hides subflows, which is no lack of connections.
    let ran = without(&[]);
    if kernel_release() <= (6, 12) {
        let hidden = ran.expect(77).stderr;
        assert!(hidden.starts_with("error: cannot list the subflows of connections"), "{hidden}");
    } else {
        let page = ran.expect(0).stdout;
        let heading = format!("connection {} path manager userspace\n", scenario.token);
        assert!(page.starts_with(&heading), "{page}");
    }
}

/// The kernel opens no listener for it: a program has to.
#[test]
fn an_announced_port_without_a_listener_is_warned_of() {
    let scenario = Scenario::new();
    let warned = |operation: &str| {
        let ran = scenario.perform(&format!("{operation} --format json")).expect(0);
        let document: Value = serde_json::from_str(&ran.stdout).expect("a document");
        let codes =
            document["warnings"].as_array().expect("a list").iter().map(|one| one["code"].to_string());
        codes.collect::<Vec<_>>()
    };
    // The witness in the other namespace listens to events, which suffices.
    let _server = Peer::server(&scenario.links.client, "10.1.3.1:6001");
    assert_eq!(warned("announce 10.1.3.1 id 7 port 6000"), ["\"port-unserved\""]);
    assert_eq!(warned("announce 10.1.3.1 id 8 port 6001"), [""; 0]);
    scenario.hears(&["[     ANNOUNCED]", "remid=8", "dport=6001"]);
}

/// In a namespace of processes of its own, where no listener can be seen.
#[test]
fn a_host_without_listeners_to_events_is_warned_of() {
    let scenario = Scenario::new();
    let mut alone = scenario.links.client.command("unshare");
    alone.args(["--pid", "--fork", "--mount", "--mount-proc", program_path(), "connection", &scenario.token]);
    alone.args(["announce", "10.1.3.1", "id", "7"]);
    let ran = run(clean(alone), "").expect(0);
    assert!(ran.stderr.starts_with("warning: no program listens to path manager events"), "{}", ran.stderr);
    let seen = scenario.perform("announce 10.1.3.11 id 8").expect(0);
    assert_eq!(seen.stderr, "");
}
