//! `--watch` hears routes and rules.

use crate::kernel::watcher::Watcher;
use crate::support::{Namespace, wait_for};

const CONFIG: &str = "{version: 1, uplinks: {fibre: {dev: e0}}}";

#[test]
fn the_watch_follows_routes_and_rules() {
    let namespace = Namespace::new();
    namespace.links(&[("e0", "e1")]);
    namespace.ip("address add 10.1.1.1/24 dev e0");
    namespace.ip("address add fd01::1/64 dev e0 nodad");
    let routes =
        || namespace.sh("ip -4 route show table all proto 109; ip -6 route show table all proto 109");
    let rules = || namespace.sh("(ip -N rule; ip -6 -N rule) | sed -n '/proto 109/p'");
    let settled = |namespace: &Namespace| !namespace.ip("-o address").contains("tentative");
    wait_for("link-local addresses", || settled(&namespace));
    // It waits for no time: only a notice wakes it.
    let (watcher, _) = Watcher::of(&namespace, CONFIG);
    assert_eq!((routes(), rules()), (String::new(), String::new()));
    for (command, router) in [
        ("-4 route add default via 10.1.1.254 dev e0", "via 10.1.1.254"),
        ("-4 route replace default via 10.1.1.253 dev e0", "via 10.1.1.253"),
        ("-6 route add default via fd01::fe dev e0", "via fd01::fe"),
        ("-6 route replace default via fe80::1 dev e0", "via fe80::1"),
    ] {
        namespace.ip(command);
        wait_for(router, || routes().contains(router));
    }
    for (family, own) in [("-4", 2), ("-6", 1)] {
        let counts = || (rules().lines().count(), routes().lines().count());
        wait_for("all", || counts() == (2 * own, own));
        // Again, since a pass that is due anyway can find what went the first time.
        for _ in 0..3 {
            namespace.ip(&format!("{family} rule delete pref 8685"));
            wait_for("the rule", || counts() == (2 * own, own));
        }
        for _ in 0..3 {
            namespace.ip(&format!("{family} route flush table all proto 109"));
            wait_for("the route", || counts() == (2 * own, own));
        }
        namespace.ip(&format!("{family} route delete default"));
        wait_for("the end of both", || counts() == (2 * (own - 1), own - 1));
    }
    watcher.stop();
}
