//! What a server sees of subflows that come to nothing, and the programs that could use MPTCP.

use crate::kernel::links::subflows;
use crate::kernel::providers::{Providers, gateway_ipv4, ipv4};
use crate::peer::Peer;
use crate::support::{Namespace, wait_for};

use super::{findings, found, mend, wait_for_findings};

const CONFIG: &str = "{version: 1, limits: {subflows: 4}, \
                      endpoints: {second: {address: 10.1.2.1, dev: c2, flags: [signal]}}}";

/// A server behind two providers, of which only the first is a way out, and a client that is connected to it.
struct Server {
    scene: Providers,
    _service: Peer,
    _client: Peer,
}

impl Server {
    #[track_caller]
    fn new() -> Server {
        let scene = Providers::new(2);
        scene.default_routes(1..=1);
        // Or IPv6 would need a router too.
        scene.host.ip("-6 address flush dev c2");
        scene.host.apply(CONFIG, &[]).expect(0);
        let service = Peer::server(&scene.host, "0.0.0.0:5000");
        let client = Peer::client(&scene.far, &format!("{}:5000", ipv4(1)));
        Server { scene, _service: service, _client: client }
    }

    /// Whether a subflow to the second address is established.
    fn has_second(&self) -> bool {
        subflows(&self.scene.host).iter().any(|pair| pair.starts_with(&format!("{}:5000 ", ipv4(2))))
    }
}

/// The answers leave by the other provider, which drops them.
#[test]
fn answers_leave_by_the_other_uplink() {
    let server = Server::new();
    let host = &server.scene.host;
    wait_for_findings(host, CONFIG, &["fault answers-astray second"]);
    let remedy = findings(host, CONFIG)[0]["remedy"].as_str().expect("text").to_owned();
    let (yaml, _) = remedy.split_once('\n').expect("several lines");
    let yaml =
        yaml.strip_prefix("# in the configuration: ").expect("YAML").replace("GATEWAY", &gateway_ipv4(2));
    let with_uplinks = CONFIG.replace("limits:", &format!("{yaml}, limits:"));
    host.apply(&with_uplinks, &[]).expect(0);
    wait_for("the subflow", || server.has_second());
    assert_eq!(found(host, &with_uplinks), [""; 0]);
}

/// The commands do the same, and the loss of the request before is no matter.
#[test]
fn the_commands_for_answers_work() {
    let server = Server::new();
    let host = &server.scene.host;
    wait_for_findings(host, "", &["fault answers-astray 10.1.2.1"]);
    mend(host, "", "answers-astray", &[("via GATEWAY", &format!("via {}", gateway_ipv4(2)))]);
    wait_for("the subflow", || server.has_second());
    assert_eq!(found(host, ""), [""; 0]);
}

/// Where the other way carries the answers too, only the second path is not what it seems.
#[test]
fn answers_by_another_way_that_works_are_a_hint() {
    let scene = Providers::new(2);
    scene.default_routes(1..=1);
    scene.router.ip(&format!("rule add iif l1 from {} priority 90 lookup main", ipv4(2)));
    scene.host.apply(CONFIG, &[]).expect(0);
    let service = Peer::server(&scene.host, "0.0.0.0:5000");
    let client = Peer::client(&scene.far, &format!("{}:5000", ipv4(1)));
    let server = Server { scene, _service: service, _client: client };
    wait_for("the subflow", || server.has_second());
    assert_eq!(found(&server.scene.host, CONFIG), ["hint answers-astray second"]);
}

/// The answers leave where they should, and are lost behind.
#[test]
fn answers_are_lost_on_the_way() {
    let scene = Providers::new(2);
    scene.default_routes(1..=1);
    scene.host.ip_batch(&format!(
        "rule add from {} lookup 102\nroute add default via {} dev c2 table 102\n",
        ipv4(2),
        gateway_ipv4(2)
    ));
    scene.router.ip(&format!("rule add iif l2 from {} priority 90 blackhole", ipv4(2)));
    scene.host.apply(CONFIG, &[]).expect(0);
    let _service = Peer::server(&scene.host, "0.0.0.0:5000");
    let _client = Peer::client(&scene.far, &format!("{}:5000", ipv4(1)));
    wait_for_findings(&scene.host, CONFIG, &["fault joins-incomplete second"]);
}

/// Programs that listen without MPTCP are named, each with its own switch.
#[test]
fn programs_that_listen_without_mptcp_are_named() {
    let host = Namespace::new();
    host.ip("mptcp endpoint add 127.0.0.1 signal");
    let remedy = |host: &Namespace| {
        let findings = findings(host, "");
        let finding = findings.iter().find(|finding| finding["code"] == "no-application").expect("found");
        format!("{} | {}", finding["evidence"], finding["remedy"])
    };
    assert!(!remedy(&host).contains("plain TCP"));
    let _lighttpd = Peer::plain_program(&host, "lighttpd", "0.0.0.0:8080");
    let _other = Peer::plain_program(&host, "diary", "0.0.0.0:8081");
    let _local = Peer::plain_program(&host, "cupsd", "127.0.0.1:631");
    let seen = remedy(&host);
    assert!(seen.contains("plain TCP: diary (8081), lighttpd (8080)\""), "{seen}");
    assert!(seen.contains("# lighttpd: server.feature-flags = "), "{seen}");
    assert!(seen.contains("# diary: mptcpize enable UNIT"), "{seen}");
}
