//! Selectors against the addresses of real interfaces.

use crate::support::{Namespace, run};

fn host() -> Namespace {
    let namespace = Namespace::new();
    namespace.links(&[("eth0", "wwan0"), ("wwan9", "eth9")]);
    for address in ["192.0.2.10/24 dev eth0", "10.1.0.1/16 dev eth0", "198.51.100.3/24 dev wwan0"] {
        namespace.ip(&format!("address add {address}"));
    }
    namespace.ip("address add 2001:db8::3/64 dev wwan0 nodad");
    namespace.ip("address add 198.51.100.9/24 dev wwan9");
    namespace
}

#[test]
fn interfaces_by_glob_and_exclusion() {
    let namespace = host();
    let config = "{version: 1, endpoints: {lte: {dev: ['wwan*', '!wwan9'], flags: [subflow, backup]}}}";
    let ran = namespace.apply(config, &[]).expect(0);
    assert_eq!(
        ran.stdout,
        "\
+ 198.51.100.3 subflow backup dev wwan0   lte
+ 2001:db8::3 subflow backup dev wwan0   lte
applied: 2 added, 0 changed, 0 removed
"
    );
    assert_eq!(
        namespace.endpoints(),
        ["198.51.100.3 id 1 subflow backup dev wwan0", "2001:db8::3 id 2 subflow backup dev wwan0"]
    );
    assert_eq!(namespace.apply(config, &[]).expect(0).stdout, "no changes\n");
    let only_ipv4 = config.replace("flags:", "family: ipv4, flags:");
    namespace.apply(&only_ipv4, &[]).expect(0);
    assert_eq!(namespace.endpoints(), ["198.51.100.3 id 1 subflow backup dev wwan0"]);
}

/// A prefix speaks of no interface, so its endpoints are bound to none.
#[test]
fn addresses_by_prefix() {
    let namespace = host();
    let config = "{version: 1, endpoints: {net: {address: 198.51.100.0/24, flags: [signal]}}}";
    namespace.apply(config, &[]).expect(0);
    let mut rows = namespace.endpoints();
    rows.sort();
    let addresses: Vec<&str> = rows.iter().filter_map(|row| row.split(' ').next()).collect();
    assert_eq!(addresses, ["198.51.100.3", "198.51.100.9"]);
    assert!(rows.iter().all(|row| row.ends_with(" signal")), "{rows:?}");
}

/// Loopback, link-local, tentative and deprecated addresses are not usable, nor those of interfaces that are down.
#[test]
fn only_usable_addresses_are_picked() {
    let namespace = host();
    namespace.ip("address add 2001:db8::d/64 dev eth0 nodad preferred_lft 0 valid_lft 1000");
    namespace.ip("address add 169.254.7.7/16 dev eth0");
    namespace.ip("address add 203.0.113.77/24 dev eth0 scope link");
    namespace.ip("link set wwan9 down");
    let config = "{version: 1, endpoints: {all: {dev: '*', flags: [subflow]}}}";
    namespace.apply(config, &[]).expect(0);
    let mut addresses: Vec<String> =
        namespace.endpoints().iter().filter_map(|row| Some(row.split(' ').next()?.to_owned())).collect();
    addresses.sort();
    assert_eq!(addresses, ["10.1.0.1", "192.0.2.10", "198.51.100.3", "2001:db8::3"]);

    // A new IPv6 address is tentative until no other host has claimed it, which takes a minute here.
    let mut slow = namespace.command("sh");
    slow.args(["-c", "echo 60 >/proc/sys/net/ipv6/conf/eth0/dad_transmits"]);
    run(slow, "").expect(0);
    namespace.ip("address add 2001:db8::e/64 dev eth0");
    assert!(
        namespace.ip("address show dev eth0").contains("tentative"),
        "duplicate address detection is off"
    );
    assert_eq!(namespace.apply(config, &[]).expect(0).stdout, "no changes\n");
    namespace.ip("address delete 2001:db8::e/64 dev eth0");
    namespace.ip("address add 2001:db8::e/64 dev eth0 nodad");
    let ran = namespace.apply(config, &[]).expect(0);
    assert!(ran.stdout.starts_with("+ 2001:db8::e subflow dev eth0   all\n"), "{}", ran.stdout);
}

/// What the kernel would keep forever: the endpoint of an address that is gone, or has moved.
#[test]
fn addresses_that_move_or_go_are_followed() {
    let namespace = host();
    let config = "{version: 1, endpoints: {all: {dev: '*', family: ipv4, flags: [subflow]}}}";
    namespace.apply(config, &[]).expect(0);
    namespace.ip("address delete 10.1.0.1/16 dev eth0");
    namespace.ip("address delete 198.51.100.3/24 dev wwan0");
    namespace.ip("address add 198.51.100.3/24 dev eth0");
    namespace.apply(config, &[]).expect(0);
    let mut rows: Vec<String> = namespace.endpoints();
    rows.sort();
    let on =
        |address: &str| rows.iter().find(|row| row.starts_with(address)).map(|row| row.rsplit(' ').next());
    assert_eq!(rows.len(), 3, "{rows:?}");
    assert_eq!(on("198.51.100.3 "), Some(Some("eth0")));
    assert_eq!(on("192.0.2.10 "), Some(Some("eth0")));
    assert_eq!(on("198.51.100.9 "), Some(Some("wwan9")));
}

#[test]
fn what_matches_nothing_waits() {
    let namespace = host();
    let config = "\
version: 1
endpoints:
  modem: {dev: 'ppp*', flags: [subflow]}
  fiber: {address: 192.0.2.10, dev: eth0, flags: [subflow]}
";
    let ran = namespace.apply(config, &[]).expect(0);
    assert!(ran.stderr.contains("endpoint `modem` waits: there is no interface ppp*"), "{}", ran.stderr);
    assert!(ran.stderr.contains("<stdin>:3:16"), "{}", ran.stderr);
    assert_eq!(namespace.endpoints(), ["192.0.2.10 id 1 subflow dev eth0"]);
}

/// A rehearsal sees the same addresses as the host.
#[test]
fn a_rehearsal_selects_the_same() {
    let namespace = host();
    namespace.ip("address add 2001:db8::d/64 dev eth0 nodad preferred_lft 0 valid_lft 1000");
    namespace.ip("address add 203.0.113.77/24 dev eth0 scope link");
    let config = "{version: 1, endpoints: {all: {dev: '*', flags: [subflow]}}}";
    let steps = |option: &str| {
        let ran = namespace.apply(config, &[option]).expect(0);
        ran.stdout.lines().filter(|line| line.starts_with('+')).map(str::to_owned).collect::<Vec<_>>()
    };
    let rehearsed = steps("--rehearse");
    assert_eq!(rehearsed.len(), 5, "{rehearsed:?}");
    assert_eq!(rehearsed, steps("--dry-run"));
    assert_eq!(namespace.endpoints(), [""; 0]);
}
