use super::*;

#[test]
fn prefixes() {
    for good in ["10.0.0.0/8", "0.0.0.0/0", "192.0.2.1/32", "2001:db8::/32", "::/0", "2001:db8::1/128"] {
        assert_eq!(AddressPattern::parse(good).map(|pattern| pattern.to_string()).as_deref(), Ok(good));
    }
    for bad in [
        "10.0.0.1/8",
        "10.0.0.0/33",
        "2001:db8::1/64",
        "::/129",
        "10.0.0.0/",
        "10.0.0.0/-1",
        "10.0.0.0/+8",
        "/8",
    ] {
        assert!(AddressPattern::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn globs_and_exclusions() {
    let means = |globs: &[&str], name: &str| {
        let pattern = DevicePattern { globs: globs.iter().map(|glob| (*glob).to_owned()).collect() };
        pattern.matches(&Interface::working(std::num::NonZeroU32::MIN, name))
    };
    assert!(means(&["wwan*", "!wwan9"], "wwan0"));
    assert!(!means(&["wwan*", "!wwan9"], "wwan9"));
    assert!(!means(&["wwan*"], "eth0"));
    assert!(means(&["eth[0-3]", "wl?n0"], "wlan0"));
    assert!(!means(&["eth[!0]"], "eth0"));
    assert!(means(&["!docker*"], "eth0"));
    assert!(!means(&["!docker*"], "docker0"));
    assert!(means(&["eth0"], "eth0"));
}

#[test]
fn prefixes_contain_their_addresses() {
    let contains = |prefix: &str, address: &str| {
        AddressPattern::parse(prefix).map(|prefix| prefix.matches(address.parse().unwrap()).is_some())
    };
    assert_eq!(contains("10.0.0.0/8", "10.255.0.1"), Ok(true));
    assert_eq!(contains("10.0.0.0/8", "11.0.0.1"), Ok(false));
    assert_eq!(contains("0.0.0.0/0", "192.0.2.1"), Ok(true));
    assert_eq!(contains("0.0.0.0/0", "2001:db8::1"), Ok(false));
    assert_eq!(contains("::/0", "2001:db8::1"), Ok(true));
    assert_eq!(contains("2001:db8::/32", "2001:db9::1"), Ok(false));
}

#[test]
fn unique_local_addresses_are_asked_for() {
    let matches = |words: &[&str], address: &str| {
        let prefixes = words.iter().map(|word| AddressPrefix::parse(word).unwrap()).collect();
        AddressPattern::Prefixes(prefixes).matches(address.parse().unwrap())
    };
    assert_eq!(matches(&["::/0"], "fd00::1"), None);
    assert_eq!(matches(&["::/0"], "2001:db8::1"), Some(0));
    assert_eq!(matches(&["::/0", "fd00::/8"], "fd00::1"), Some(8));
    assert_eq!(matches(&["!fe80::/10"], "fd00::1"), None);
    assert_eq!(matches(&["10.0.0.0/8", "!10.0.0.100"], "10.0.0.100"), None);
    assert_eq!(matches(&["10.0.0.0/8", "!10.0.0.100", "10.1.0.0/16"], "10.1.0.1"), Some(16));
    assert_eq!(matches(&["!10.0.0.100"], "192.0.2.1"), Some(0));
}

#[test]
fn mapped_addresses_become_ipv4() {
    let mapped = AddressPattern::parse("::ffff:192.0.2.1");
    assert_eq!(mapped, Ok(AddressPattern::Exact(IpAddr::from([192, 0, 2, 1]))));
    let mapped = AddressPattern::parse("::ffff:192.0.2.0/120");
    assert_eq!(mapped.map(|prefix| prefix.to_string()).as_deref(), Ok("192.0.2.0/24"));
    assert!(AddressPattern::parse("::ffff:10.0.0.0/8").is_err());
}
