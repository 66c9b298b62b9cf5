//! `doctor --probe`: a real connection, and what becomes of each endpoint on it.

use serde_json::Value;

use crate::kernel::links::{Links, SERVICE};
use crate::peer::Peer;
use crate::support::{Namespace, Ran, program_path, run};

use super::{doctor, sh};

const CONFIG: &str = "{version: 1, limits: {subflows: 8}, endpoints: {one: {address: 10.1.1.1, dev: c1, flags: [subflow]}, \
                      two: {address: 10.1.2.1, dev: c2, flags: [subflow]}, \
                      three: {address: 10.1.3.1, dev: c3, flags: [subflow]}}}";

/// What a probe of this service shows, and what is found.
struct Probed {
    document: Value,
    ran: Ran,
}

impl Probed {
    #[track_caller]
    fn of(namespace: &Namespace, config: &str, service: &str) -> Probed {
        let ran = doctor(namespace, config, &["--format", "json", "--probe", service]);
        let document = serde_json::from_str(&ran.stdout).expect("one document");
        Probed { document, ran }
    }

    /// As `two established`, in the order of the table.
    fn stages(&self) -> Vec<String> {
        let endpoints = self.document["probe"]["endpoints"].as_array().expect("a list");
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        endpoints
            .iter()
            .map(|endpoint| format!("{} {}", text(&endpoint["endpoint"]), text(&endpoint["stage"])))
            .collect()
    }

    /// As `fault subflow-refused three`.
    fn found(&self) -> Vec<String> {
        let findings = self.document["findings"].as_array().expect("a list");
        let word = |finding: &Value, key: &str| finding[key].as_str().unwrap_or("-").to_owned();
        findings
            .iter()
            .map(|finding| {
                format!(
                    "{} {} {}",
                    word(finding, "severity"),
                    word(finding, "code"),
                    word(finding, "endpoint")
                )
            })
            .collect()
    }

    fn detail(&self, endpoint: usize) -> &str {
        self.document["probe"]["endpoints"][endpoint]["detail"].as_str().expect("text")
    }

    /// No fault, and these stages.
    #[track_caller]
    fn expect_health(&self, stages: &[&str]) {
        assert_eq!(self.stages(), stages, "{:#}", self.document);
        assert_eq!((self.found(), self.ran.code), (Vec::new(), 0), "{:#}", self.document);
    }
}

#[test]
fn every_endpoint_gets_its_subflow() {
    let links = Links::new();
    links.client.apply(CONFIG, &[]).expect(0);
    let _server = Peer::server(&links.server, SERVICE);
    let probed = Probed::of(&links.client, CONFIG, SERVICE);
    probed.expect_health(&["one established", "two established", "three established"]);
    let probe = &probed.document["probe"];
    assert_eq!((&probe["peer"], &probe["protocol"]), (&SERVICE.into(), &"mptcp".into()));
    assert_eq!(probed.detail(0), "the first subflow");
    assert!(probe["endpoints"][2]["rtt-us"].is_u64() && probe["endpoints"][2]["id"] == 3, "{probe:#}");
    assert!(probe["watched-ms"].as_u64().is_some_and(|time| time < 5_000), "it is over when all are there");
    assert_eq!(links.paths(), [""; 0], "nothing is left behind");
}

#[test]
fn the_page_shows_it() {
    let links = Links::new();
    links.client.apply(CONFIG, &[]).expect(0);
    let _server = Peer::server(&links.server, SERVICE);
    let page = doctor(&links.client, CONFIG, &["--probe", SERVICE]).expect(0).stdout;
    let lines: Vec<&str> = page.lines().collect();
    let starts = [
        "probe of 10.9.9.9:5000: 10.9.9.9:5000 speaks MPTCP, watched for ",
        "  established  10.1.1.1  one    rtt ",
        "  established  10.1.2.1  two    rtt ",
        "  established  10.1.3.1  three  rtt ",
        "",
        "no problems found; checked 3 endpoints and 1 live connection",
    ];
    assert_eq!(lines.len(), starts.len(), "{page}");
    assert!(lines.iter().zip(starts).all(|(line, start)| line.starts_with(start)), "{page}");
}

/// A user who may not hear events sees subflows all the same, where the kernel shows them to everybody.
#[test]
fn nobody_sees_it_too() {
    let links = Links::new();
    links.client.apply(CONFIG, &[]).expect(0);
    let _server = Peer::server(&links.server, SERVICE);
    let mut command = links.client.command("setpriv");
    command.args(["--bounding-set", "-all", "--inh-caps", "-all", "--ambient-caps", "-all", program_path()]);
    command.args(["doctor", "-", "--format", "json", "--probe", SERVICE]);
    let ran = run(command, CONFIG);
    let document: Value = serde_json::from_str(&ran.stdout).expect("one document");
    let probed = Probed { document, ran };
    if probed.document["probe"]["protocol"] == "unknown" {
        assert_eq!(probed.found(), ["hint probe-unseen -"]);
    } else {
        probed.expect_health(&["one established", "two established", "three established"]);
    }
}

#[test]
fn the_peer_refuses_a_subflow() {
    let links = Links::new();
    links.server.ip("mptcp limits set subflows 1");
    links.client.apply(CONFIG, &[]).expect(0);
    let _server = Peer::server(&links.server, SERVICE);
    let probed = Probed::of(&links.client, CONFIG, SERVICE);
    let stages = probed.stages();
    let (up, down): (Vec<&String>, Vec<&String>) =
        stages.iter().partition(|stage| stage.ends_with(" established"));
    assert_eq!((up.len(), down.len()), (2, 1), "{stages:?}");
    let (name, stage) = down[0].split_once(' ').expect("two words");
    assert!(["refused", "closed"].contains(&stage), "{stage}");
    assert_eq!(probed.found(), [format!("fault subflow-refused {name}")]);
    let evidence = probed.document["findings"][0]["evidence"].as_str().expect("text");
    // This kernel does not pass on the reason, although the peer gave one.
    assert!(evidence.contains("the peer reset it"), "{evidence}");
    assert_eq!(probed.ran.code, 1);
}

/// Whether there are paths is not known then, and that is no fault.
#[test]
fn a_service_closes_at_once() {
    let links = Links::new();
    links.client.apply(CONFIG, &[]).expect(0);
    let _server = Peer::closing_server(&links.server, SERVICE);
    let probed = Probed::of(&links.client, CONFIG, SERVICE);
    assert_eq!(probed.stages(), ["one established", "two not-tried", "three not-tried"]);
    assert_eq!(probed.detail(1), "the peer closed the connection before");
    assert_eq!((probed.found(), probed.ran.code), (vec!["hint probe-unseen -".to_owned()], 0));
}

#[test]
fn nobody_answers_a_subflow() {
    let links = Links::new();
    links.server.ip("rule add to 10.1.3.1 blackhole");
    links.client.apply(CONFIG, &[]).expect(0);
    let _server = Peer::server(&links.server, SERVICE);
    let probed = Probed::of(&links.client, CONFIG, SERVICE);
    assert_eq!(probed.stages(), ["one established", "two established", "three unanswered"]);
    let detail = probed.detail(2);
    assert!(detail.starts_with("SYN sent ") && detail.ends_with(" times"), "{detail}");
    assert_eq!(probed.found(), ["fault joins-unanswered three"]);
}

#[test]
fn an_endpoint_has_no_address() {
    let links = Links::new();
    links.client.ip("address delete 10.1.3.1/24 dev c3");
    links.client.apply(CONFIG, &[]).expect(0);
    let _server = Peer::server(&links.server, SERVICE);
    let probed = Probed::of(&links.client, CONFIG, SERVICE);
    assert_eq!(probed.stages(), ["one established", "two established", "three not-sent"]);
    assert_eq!(probed.detail(2), "10.1.3.1 is not on this host");
    assert_eq!(probed.found(), ["fault address-missing three"]);
}

#[test]
fn the_limit_is_reached() {
    let links = Links::new();
    let config = CONFIG.replace("subflows: 8", "subflows: 1");
    links.client.apply(&config, &[]).expect(0);
    let _server = Peer::server(&links.server, SERVICE);
    let probed = Probed::of(&links.client, &config, SERVICE);
    assert_eq!(probed.stages(), ["one established", "two established", "three not-tried"]);
    assert_eq!(probed.detail(2), "the limit of 1 subflow is reached");
    assert_eq!(probed.found(), ["fault subflows-limit-low -", "hint never-used three"]);
}

/// An address of the other family, and one that is only announced, are no faults.
#[test]
fn what_cannot_be_used_here_is_no_fault() {
    let links = Links::new();
    links.client.ip("address add 2001:db8::1/64 dev c1 nodad");
    let config = "{version: 1, limits: {subflows: 8}, endpoints: {two: {address: 10.1.2.1, dev: c2, flags: [subflow]}, \
                  six: {address: '2001:db8::1', dev: c1, flags: [subflow]}, \
                  told: {address: 10.1.3.1, flags: [signal]}}}";
    links.client.apply(config, &[]).expect(0);
    let _server = Peer::server(&links.server, SERVICE);
    let probed = Probed::of(&links.client, config, SERVICE);
    assert_eq!(probed.stages(), ["two established", "six not-tried", "told announced"]);
    assert_eq!(probed.detail(1), "the connection was opened to an address of the other family");
}

#[test]
fn the_peer_has_no_mptcp() {
    let links = Links::new();
    links.client.apply(CONFIG, &[]).expect(0);
    let _server = Peer::plain_server(&links.server, SERVICE);
    let probed = Probed::of(&links.client, CONFIG, SERVICE);
    assert_eq!(probed.document["probe"]["protocol"], "tcp");
    assert_eq!(probed.stages(), [""; 0]);
    assert_eq!(probed.found(), ["fault peer-without-mptcp -"]);
}

#[test]
fn there_is_no_connection() {
    let links = Links::new();
    links.client.apply(CONFIG, &[]).expect(0);
    for (service, error) in [
        (SERVICE, "10.9.9.9:5000: Connection refused"),
        ("[2001:db8::99]:5000", "[2001:db8::99]:5000: Network is unreachable"),
        ("no-such-host.invalid:5000", "`getent ahosts no-such-host.invalid` knows no address"),
    ] {
        let probed = Probed::of(&links.client, CONFIG, service);
        assert_eq!(probed.found(), ["fault probe-failed -"], "{service}");
        assert_eq!(probed.document["probe"]["errors"][0], error);
        assert_eq!((&probed.document["probe"]["peer"], probed.ran.code), (&Value::Null, 1));
    }
    sh(&links.client, "echo 0 > /proc/sys/net/mptcp/enabled");
    let probed = Probed::of(&links.client, CONFIG, SERVICE);
    assert!(probed.found().contains(&"fault mptcp-disabled -".to_owned()), "{:?}", probed.found());
    assert!(!probed.found().contains(&"fault probe-failed -".to_owned()), "that says it all");
}

/// The host's own names count.
#[test]
fn names_are_looked_up() {
    let namespace = Namespace::new();
    let _server = Peer::server(&namespace, "127.0.0.1:5000");
    let probed = Probed::of(&namespace, "", "localhost:5000");
    assert_eq!(probed.document["probe"]["peer"], "127.0.0.1:5000", "{:#}", probed.document);
}

#[test]
fn a_service_has_a_host_and_a_port() {
    let namespace = Namespace::new();
    for bad in ["10.9.9.9", "10.9.9.9:", ":5000", "10.9.9.9:0", "2001:db8::1:5000"] {
        let ran = doctor(&namespace, "", &["--probe", bad]).expect(64);
        assert!(ran.stderr.contains("HOST:PORT is expected"), "{}", ran.stderr);
    }
}

/// A link-local address is on the link of the interface that is named, in the network namespace that is examined: here two
/// links have the same one, and one of them leads to a service.
#[test]
fn a_link_local_address_is_on_the_link_that_is_named() {
    let links = Links::new();
    for (n, address) in [(1, "fe80::1:1"), (2, "fe80::2:1")] {
        links.client.ip(&format!("address add {address}/64 dev c{n} nodad"));
    }
    links.server.ip("address add fe80::5/64 dev s2 nodad");
    let _server = Peer::server(&links.server, "[::]:5000");
    let index = links.client.sh("ip -o link show c2 | cut -d: -f1");
    for zone in ["c2", index.trim()] {
        let target = format!("[fe80::5%{zone}]:5000");
        let Probed { document, ran } = Probed::of(&links.client, "", &target);
        let probe = &document["probe"];
        assert_eq!((&probe["target"], &probe["protocol"]), (&target.into(), &"mptcp".into()), "{document:#}");
        assert_eq!(probe["peer"], format!("[fe80::5%{}]:5000", index.trim()), "{document:#}");
        assert_eq!(ran.stderr, "");
    }
    for (target, evidence) in [
        ("[fe80::5%gone0]:5000", "there is no interface gone0"),
        ("[fe80::5]:5000", "a link-local address needs its interface, as in `[fe80::5%eth0]:5000`"),
    ] {
        let Probed { document, ran } = Probed::of(&links.client, "", target);
        assert_eq!((ran.code, &document["findings"][0]["code"]), (1, &"probe-failed".into()), "{document:#}");
        assert!(document["findings"][0]["evidence"].to_string().contains(evidence), "{document:#}");
    }
}
