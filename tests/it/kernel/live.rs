//! Live connections: what a change does to their subflows.

use crate::kernel::links::{Links, SERVICE, subflows};
use crate::peer::Peer;
use crate::support::{Namespace, Ran, program_path, run, table_size, wait_for};

/// A client whose second link leads to an address that only the server announces, so that the client's kernel makes
/// an implicit endpoint for its own address there.
pub struct Implicit {
    /// Where it is.
    pub client: Namespace,
    ends: Option<(Peer, Peer)>,
    _server: Namespace,
}

impl Implicit {
    /// Waits until it is there.
    pub fn new() -> Implicit {
        let client = Namespace::new();
        let server = client.beside();
        for (number, (ours, theirs)) in [("c1", "s1"), ("c2", "s2")].into_iter().enumerate() {
            let net = number + 1;
            client.ip(&format!("link add {ours} type veth peer name {theirs} netns {}", server.pid()));
            client.ip(&format!("address add 10.1.{net}.1/24 dev {ours}"));
            server.ip(&format!("address add 10.1.{net}.2/24 dev {theirs}"));
            client.ip(&format!("link set {ours} up"));
            server.ip(&format!("link set {theirs} up"));
        }
        server.ip("mptcp endpoint add 10.1.2.2 signal");
        client.ip("mptcp limits set subflows 2 add_addr_accepted 1");
        let ends = (Peer::server(&server, "0.0.0.0:5000"), Peer::client(&client, "10.1.1.2:5000"));
        wait_for("an implicit endpoint", || client.endpoints().iter().any(|row| row.contains("implicit")));
        wait_for("two subflows", || subflows(&client).len() == 2);
        Implicit { client, ends: Some(ends), _server: server }
    }

    /// Ends the connection, which leaves the endpoint as it is.
    pub fn leave_behind(&mut self) {
        self.ends = None;
        wait_for("no subflow", || subflows(&self.client).is_empty());
    }
}

/// There may be more meanwhile: an endpoint with the flag `subflow` opens some.
#[track_caller]
fn assert_still_there(namespace: &Namespace, before: &[String]) {
    let now = subflows(namespace);
    assert!(before.iter().all(|subflow| now.contains(subflow)), "{before:?} -> {now:?}");
}

#[test]
fn an_implicit_endpoint_is_adopted_with_its_subflow() {
    let host = Implicit::new();
    let before = subflows(&host.client);
    assert_eq!(host.client.endpoints(), ["10.1.2.1 id 1 implicit"]);
    let config = "{version: 1, endpoints: {second: {address: 10.1.2.1, flags: [subflow]}}}";
    let ran = host.client.apply(config, &[]).expect(0);
    assert_eq!(
        ran.stdout,
        "\
+ 10.1.2.1 id 1 subflow   second, adopts the implicit endpoint
applied: 1 added, 0 changed, 0 removed
"
    );
    assert_eq!(host.client.endpoints(), ["10.1.2.1 id 1 subflow"]);
    assert_still_there(&host.client, &before);
    assert_eq!(host.client.apply(config, &[]).expect(0).stdout, "no changes\n");
}

/// Equal ids too: the kernel would call the id taken if it were sent.
#[test]
fn an_implicit_endpoint_with_the_declared_id_is_adopted() {
    let host = Implicit::new();
    let before = subflows(&host.client);
    let config = "{version: 1, endpoints: {second: {address: 10.1.2.1, id: 1, flags: [subflow, backup]}}}";
    host.client.apply(config, &[]).expect(0);
    assert_eq!(host.client.endpoints(), ["10.1.2.1 id 1 subflow backup"]);
    assert_still_there(&host.client, &before);
}

#[test]
fn an_implicit_endpoint_with_another_id_is_replaced() {
    let host = Implicit::new();
    let config = "{version: 1, endpoints: {second: {address: 10.1.2.1, id: 9, flags: [subflow]}}}";
    let ran = host.client.apply(config, &[]).expect(0);
    assert!(
        ran.stdout.contains("- 10.1.2.1 id 1 implicit   second, id differs, closes its subflows"),
        "{}",
        ran.stdout
    );
    assert_eq!(host.client.endpoints(), ["10.1.2.1 id 9 subflow"]);
}

#[test]
fn an_implicit_endpoint_is_no_drift() {
    let host = Implicit::new();
    let before = subflows(&host.client);
    assert_eq!(host.client.apply("{version: 1, endpoints: {}}", &[]).expect(0).stdout, "no changes\n");
    // It goes only when a declared endpoint needs its id.
    let config = "{version: 1, endpoints: {other: {address: 10.7.7.7, flags: [signal]}}}";
    host.client.apply(config, &[]).expect(0);
    assert_eq!(host.client.endpoints().len(), 2);
    assert_eq!(subflows(&host.client), before);
    let config = "{version: 1, endpoints: {other: {address: 10.7.7.7, id: 1, flags: [signal]}}}";
    host.client.apply(config, &[]).expect(0);
    assert_eq!(host.client.endpoints(), ["10.7.7.7 id 1 signal"]);
}

/// In a full table a declared endpoint comes before an implicit one, and adoption, for which the kernel wants a free
/// place, still works.
#[test]
fn implicit_endpoints_give_way_in_a_full_table() {
    let host = Implicit::new();
    let size = table_size();
    let taken: String = (1..size).map(|n| format!("mptcp endpoint add 10.7.7.{n} signal\n")).collect();
    host.client.ip_batch(&taken);
    let rows: String =
        (1..size).map(|n| format!("  e{n}: {{address: 10.7.7.{n}, flags: [signal]}}\n")).collect();
    let adopt = format!("version: 1\nendpoints:\n  second: {{address: 10.1.2.1, flags: [subflow]}}\n{rows}");
    host.client.apply(&adopt, &[]).expect(0);
    let after = host.client.endpoints();
    assert_eq!((after.len(), after[0].as_str()), (size, "10.1.2.1 id 1 subflow"));

    let host = Implicit::new();
    let full = format!("version: 1\nendpoints:\n{rows}  last: {{address: 10.7.7.{size}, flags: [signal]}}\n");
    host.client.apply(&full, &[]).expect(0);
    assert!(host.client.endpoints().iter().all(|row| row.starts_with("10.7.7.")));
    assert_eq!(host.client.endpoints().len(), size);
}

#[test]
fn a_backup_flag_changes_without_closing_a_subflow() {
    let host = Implicit::new();
    // Those to come are left aside: the endpoint is allowed a subflow of its own, which older peers may refuse.
    let before = subflows(&host.client);
    let remaining = || {
        let now = subflows(&host.client);
        before.iter().filter(|pair| now.contains(pair)).cloned().collect::<Vec<_>>()
    };
    let config = "{version: 1, endpoints: {second: {address: 10.1.2.1, flags: [subflow]}}}";
    host.client.apply(config, &[]).expect(0);
    host.client.apply(&config.replace("subflow]", "subflow, backup]"), &[]).expect(0);
    assert_eq!(remaining(), before);
}

/// Endpoints of the client on each link, by the last number of their addresses.
fn endpoints(host: u8) -> String {
    let row = |n| format!("  link{n}: {{address: 10.1.{n}.{host}, dev: c{n}, flags: [subflow]}}\n");
    let rows: String = (1..=3).map(row).collect();
    format!("version: 1\nlimits: {{subflows: 8}}\nendpoints:\n{rows}")
}

/// The first path is the connection's own; the first endpoint has its address.
const THREE: [&str; 3] = ["10.1.1.1", "10.1.2.1", "10.1.3.1"];

#[test]
fn replacing_an_endpoint_leaves_the_subflows_of_others_alone() {
    let links = Links::new();
    links.client.apply(&endpoints(1), &[]).expect(0);
    let (_server, client) = links.connect();
    links.wait_for_paths(&THREE);
    let others =
        |all: Vec<String>| all.into_iter().filter(|pair| !pair.contains("10.1.2.")).collect::<Vec<_>>();
    let before = others(subflows(&links.client));
    let witness = Peer::witness(&links.client, SERVICE);
    let config = endpoints(1).replace("10.1.2.1,", "10.1.2.11,");
    links.client.apply(&config, &[]).expect(0);
    links.wait_for_paths(&["10.1.1.1", "10.1.2.11", "10.1.3.1"]);
    assert_eq!(others(subflows(&links.client)), before);
    assert_eq!(witness.ask(), 0, "microseconds without a path");
    assert!(client.ask() > 0);
}

#[test]
fn toggling_backup_closes_no_subflow() {
    let links = Links::new();
    links.client.apply(&endpoints(1), &[]).expect(0);
    let (_server, _client) = links.connect();
    links.wait_for_paths(&THREE);
    let before = subflows(&links.client);
    let backup = endpoints(1).replace("c2, flags: [subflow]", "c2, flags: [subflow, backup]");
    for config in [&backup, &endpoints(1)] {
        links.client.apply(config, &[]).expect(0);
        assert_eq!(subflows(&links.client), before);
    }
}

/// Whatever is replaced, by other addresses or by other flags of the same ones, there is a path all the time, and
/// afterwards as many as before.
#[test]
fn replacing_all_endpoints_never_leaves_a_connection_without_a_path() {
    let links = Links::new();
    links.client.apply(&endpoints(1), &[]).expect(0);
    let (_server, client) = links.connect();
    links.wait_for_paths(&THREE);
    let witness = Peer::witness(&links.client, SERVICE);
    links.client.apply(&endpoints(11), &[]).expect(0);
    links.wait_for_paths(&["10.1.1.11", "10.1.2.11", "10.1.3.11"]);
    links.client.apply(&endpoints(11).replace("[subflow]", "[subflow, signal]"), &[]).expect(0);
    links.wait_for_paths(&["10.1.1.11", "10.1.2.11", "10.1.3.11"]);
    assert_eq!(witness.ask(), 0, "microseconds without a path");
    assert!(client.ask() > 0);
}

/// With no room for a new path beside the old ones, each removal makes room for one.
#[test]
fn replacing_all_endpoints_within_tight_limits_leaves_a_path_too() {
    let links = Links::new();
    let tight = |host| endpoints(host).replace("subflows: 8", "subflows: 2");
    links.client.apply(&tight(1), &[]).expect(0);
    let (_server, client) = links.connect();
    links.wait_for_paths(&THREE);
    let witness = Peer::witness(&links.client, SERVICE);
    links.client.apply(&tight(11), &[]).expect(0);
    let new = |path: &String| path.ends_with(".11");
    wait_for("two new subflows", || links.paths().len() == 2 && links.paths().iter().all(new));
    assert_eq!(witness.ask(), 0, "microseconds without a path");
    assert!(client.ask() > 0);
}

/// A trial that nobody confirms.
#[track_caller]
fn tried_in_vain(client: &Namespace, config: &str, code: i32) -> Ran {
    let mut command = client.command(program_path());
    command.args(["try", "--timeout", "1", "-"]);
    run(command, config).expect(code)
}

/// The kernel closes subflows by their address, the first one of a connection too. So what a trial added stays where a
/// connection has nothing else, and goes where it has.
#[test]
fn a_trial_leaves_a_connection_its_last_path() {
    let links = Links::new();
    let _ends = links.connect();
    links.wait_for_paths(&["10.1.1.1"]);
    let before = subflows(&links.client);
    let config = "{version: 1, limits: {subflows: 2}, endpoints: {a: {address: 10.1.1.1, dev: c1, flags: [subflow]}, b: {address: 10.1.2.1, dev: c2, flags: [subflow]}}}";
    let ran = tried_in_vain(&links.client, config, 3);
    assert_eq!(links.client.endpoints(), ["10.1.1.1 id 1 subflow dev c1"]);
    assert_eq!(subflows(&links.client), before);
    let said = "10.1.1.1 stays: removing it would close the last path of 1 live connection";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
}

/// Only the kernel makes implicit endpoints, but what their subflows are for can be put back.
#[test]
fn a_trial_that_adopts_says_what_it_could_not_put_back() {
    let host = Implicit::new();
    let before = subflows(&host.client);
    let config = "{version: 1, endpoints: {second: {address: 10.1.2.1, flags: [subflow, backup]}}}";
    let ran = tried_in_vain(&host.client, config, 3);
    assert_eq!(host.client.endpoints(), ["10.1.2.1 id 1 subflow"]);
    assert_still_there(&host.client, &before);
    assert!(ran.stderr.contains("could not put back 10.1.2.1 id 1 implicit"), "{}", ran.stderr);
}

/// What is not declared goes, a connection's last path too; that its data stands still then is said.
#[test]
fn a_connection_that_loses_its_last_path_is_named() {
    let links = Links::new();
    let config = "{version: 1, endpoints: {a: {address: 10.1.1.1, dev: c1, flags: [subflow]}}}";
    links.client.apply(config, &[]).expect(0);
    let _ends = links.connect();
    links.wait_for_paths(&["10.1.1.1"]);
    let ran = links.client.apply("{version: 1, endpoints: {}}", &[]).expect(0);
    assert!(ran.stderr.contains("does not move any more"), "{}", ran.stderr);
}
