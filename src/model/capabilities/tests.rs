use super::*;

#[test]
fn releases() {
    for (release, expected) in [
        ("6.1.0-53-cloud-amd64", Capabilities::SMALL),
        ("6.18.44", Capabilities::SMALL),
        ("7.1.5", Capabilities::SMALL),
        ("7.2.12+deb13-amd64", Capabilities::LARGE),
        ("7.10.0", Capabilities::LARGE),
        ("10.0-rc1", Capabilities::LARGE),
        ("", Capabilities::SMALL),
        ("x", Capabilities::SMALL),
        ("99999999999999999999.1", Capabilities::SMALL),
    ] {
        assert_eq!(Capabilities::of_release(release), expected, "{release}");
    }
}
