use super::{in_namespace, join_uplinks};
use crate::doctor::Finding;
use crate::model::code;

#[test]
fn remedies_are_carried_out_in_the_namespace() {
    for (remedy, expected) in [
        ("sysctl -w net.mptcp.enabled=1", "ip netns exec web sysctl -w net.mptcp.enabled=1"),
        (
            "limits: {subflows: 3}   # in the configuration, then:\nx",
            "limits: {subflows: 3}   # in the configuration, then:\nx",
        ),
        (
            "ss -lM   # on the server\nss -l\nping a # here: b",
            "ss -lM   # on the server\nss -l\nip netns exec web ping a # here: b",
        ),
        (
            "# on the peer:\nss -l\n# otherwise\nss -l",
            "# on the peer:\nss -l\n# otherwise\nip netns exec web ss -l",
        ),
        ("sysctl x   # on this host", "ip netns exec web sysctl x   # on this host"),
    ] {
        assert_eq!(in_namespace(remedy, "web"), expected);
    }
}

/// Each of the two could be pasted, and not both.
#[test]
fn uplinks_of_several_findings_are_one_key() {
    let finding = |uplink: &str| {
        let remedy = format!("# in the configuration: uplinks: {{{uplink}}}\n# or by hand:\nip rule add");
        Finding::fault(code::NO_ROUTE, "no route").remedy(remedy)
    };
    let mut findings = [finding("b: {dev: b}"), finding("a: {dev: a, gateway: none}")];
    join_uplinks(&mut findings);
    for found in findings {
        let wanted = "# in the configuration: uplinks: {a: {dev: a, gateway: none}, b: {dev: b}}\n# or by hand:\nip rule add";
        assert_eq!(found.remedy, wanted);
    }
}
