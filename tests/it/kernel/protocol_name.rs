//! The file that names the protocol of rules and routes for `ip`.

use mptcp_apply::model::UPLINK_PROTOCOL;

use crate::support::{Namespace, project, run};

const CONFIG: &str = "{version: 1, uplinks: {fiber: {dev: eth0, gateway: 192.0.2.1}}}";

#[test]
fn ip_prints_the_name_of_the_protocol() {
    let namespace = Namespace::new();
    namespace.links(&[("eth0", "peer0")]);
    namespace.ip("address add 192.0.2.10/24 dev eth0");
    namespace.apply(CONFIG, &[]).expect(0);
    let mut unshare = namespace.command("unshare");
    // Every version of `ip` reads the folder in /etc, and needs nothing else there.
    let script = "mount -t tmpfs none /etc && mkdir -p /etc/iproute2/rt_protos.d && \
                  cp mptcp-apply.conf /etc/iproute2/rt_protos.d/ && ip rule && ip route show table all";
    unshare.args(["--mount", "sh", "-euc", script]);
    unshare.current_dir(project().join("packaging/iproute2"));
    let printed = run(unshare, "").expect(0).stdout;
    // Two rules and a route.
    assert_eq!(printed.matches("proto mptcp-apply").count(), 3, "{printed}");
    let file = std::fs::read_to_string(project().join("packaging/iproute2/mptcp-apply.conf"));
    assert!(file.expect("a file").ends_with(&format!("\n{UPLINK_PROTOCOL}\tmptcp-apply\n")));
}
