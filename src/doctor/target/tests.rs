use super::ProbeTarget;

#[test]
fn hosts_and_ports_are_told_apart() {
    for good in
        ["www.example.org:443", "192.0.2.1:1", "[2001:db8::1]:65535", "localhost:80", "[fe80::1%eth0]:80"]
    {
        assert_eq!(good.parse::<ProbeTarget>().map(|target| target.to_string()).ok().as_deref(), Some(good));
    }
    for bad in [
        "",
        ":",
        "www",
        "www:",
        ":443",
        "www:0",
        "www:65536",
        "www:https",
        "2001:db8::1:443",
        "[::1]",
        "[www]:1",
        "[192.0.2.1]:1",
        "-x:1",
        "a/b:1",
        "[::1:1",
        "[2001:db8::1%eth0]:1",
        "[fe80::1%]:1",
        "www%eth0:1",
    ] {
        assert!(bad.parse::<ProbeTarget>().is_err(), "{bad}");
    }
}
