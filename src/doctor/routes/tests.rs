use crate::doctor::tests::fixture::{codes, healthy};
use crate::model::DefaultRoute;

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
    let default = DefaultRoute { ipv4: true, table: 120, gateway: None, interface: Some(home) };
    evidence.routing.defaults.push(default);
    assert_eq!(codes(&evidence), ["fault no-route"]);
}
