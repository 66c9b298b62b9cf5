use super::in_namespace;

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
