use crate::doctor::tests::fixture::{codes, declared, healthy, state};
use crate::doctor::{Configuration, Evidence, examine};
use crate::model::{DefaultRoute, MAIN_TABLE, code};

/// A link that leads to some networks only may well be meant so, until a peer is known that it does not lead to.
#[test]
fn a_link_to_some_networks_is_a_hint() {
    let mut evidence = healthy();
    evidence.connections.clear();
    let home = evidence.interfaces[1].index;
    let check = &mut evidence.routes[1];
    (check.by_device, check.peer) = (Some(Err("no route to host".to_owned())), false);
    assert_eq!(codes(&evidence), ["fault no-route"]);
    evidence.routing.partial.insert((true, home));
    assert_eq!(codes(&evidence), ["hint no-route"]);
    evidence.routes[1].peer = true;
    assert_eq!(codes(&evidence), ["fault no-route"]);
    evidence.routes[1].peer = false;
    let default =
        DefaultRoute { ipv4: true, table: 120, gateway: None, onlink: false, interface: Some(home) };
    evidence.routing.defaults.push(default);
    assert_eq!(codes(&evidence), ["fault no-route"]);
}

/// Uplinks without `gateway` heed the default routes of the main table alone.
#[test]
fn a_router_of_a_private_table_is_written_down() {
    for (table, gateway, yaml) in [
        (MAIN_TABLE, Some([192, 0, 2, 254].into()), "uplinks: {eth2: {dev: eth2}}"),
        (120, Some([192, 0, 2, 254].into()), "uplinks: {eth2: {dev: eth2, gateway: 192.0.2.254}}"),
        (120, None, "uplinks: {eth2: {dev: eth2, gateway: none}}"),
    ] {
        for strays in [false, true] {
            let mut evidence = healthy();
            evidence.connections.clear();
            let home = evidence.interfaces[1].index;
            let taken = Err("no route to host".to_owned());
            let other = Ok(evidence.interfaces[0].index);
            evidence.routes[1].by_device = Some(if strays { other } else { taken });
            evidence.routing.defaults.push(DefaultRoute {
                ipv4: true,
                table,
                gateway,
                onlink: false,
                interface: Some(home),
            });
            let remedy = examine(&evidence).remove(0).remedy;
            assert!(remedy.starts_with(&format!("# in the configuration: {yaml}\n")), "{remedy}");
        }
    }
}

/// There is no router on the bridge of containers.
#[test]
fn nothing_is_routed_through_a_bridge_of_containers() {
    let mut evidence = healthy();
    evidence.connections.clear();
    evidence.interfaces[1].name = "docker0".to_owned();
    evidence.routes[1].by_device = Some(Err("no route to host".to_owned()));
    let remedy = |evidence: &Evidence| {
        let finding = examine(evidence).remove(0);
        assert_eq!(finding.code, code::NO_ROUTE);
        finding.remedy.lines().take(2).collect::<Vec<_>>().join(" | ")
    };
    let none = |evidence: &Evidence| remedy(evidence).starts_with("ip mptcp endpoint delete id 2");
    assert!(none(&evidence), "{}", remedy(&evidence));
    let identity = state(&mut evidence).endpoints[1].identity;
    evidence.names = [(identity, "all".to_owned())].into_iter().collect();
    for (words, expected) in [
        (
            Some(&["*"][..]),
            "endpoints: {all: {dev: [\"*\", \"!docker0\"]}}   # in the configuration, then: | mptcp-apply x.yaml",
        ),
        (
            Some(&[]),
            "endpoints: {all: {dev: [\"!docker0\"]}}   # in the configuration, then: | mptcp-apply x.yaml",
        ),
        (Some(&["docker0"]), "# leave all out of the configuration, then: | mptcp-apply x.yaml"),
        (None, "# leave all out of the configuration, then: | mptcp-apply x.yaml"),
    ] {
        let mut declared = declared(&["all"]);
        let words = words.map(|words| words.iter().map(|word| (*word).to_owned()).collect());
        declared.selectors = words.map(|words| ("all".to_owned(), words)).into_iter().collect();
        evidence.configuration = Configuration::Valid(Box::new(declared));
        assert_eq!(remedy(&evidence), expected);
    }
}
