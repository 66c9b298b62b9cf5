//! Links on top of links: VLANs, and interfaces in routing tables of their own (VRF). Debian's kernels have both, which is
//! where these run for real; another kernel has to say itself that it lacks them.

use super::doctor::situations::{LAYERED, judge};
use crate::support::Namespace;

#[test]
fn vlans_and_vrfs_are_diagnosed() {
    let namespace = Namespace::new();
    namespace.ip("link add below type veth peer name other");
    let kinds = ["link add link below name above type vlan id 7", "link add above type vrf table 7"];
    let refusals: Vec<String> = kinds
        .iter()
        .filter_map(|add| {
            let script = format!("ip {add} 2>&1 || exit 0; ip link delete above");
            Some(namespace.sh(&script)).filter(|said| !said.is_empty())
        })
        .collect();
    for refusal in &refusals {
        assert!(refusal.contains("Unknown device type"), "{refusal}");
        println!("left out: {refusal}");
    }
    if refusals.is_empty() {
        judge(LAYERED);
    }
}
