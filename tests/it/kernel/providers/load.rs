//! Changes of routes under load: no data path is lost.

use std::cell::Cell;

use super::*;
use crate::peer::Peer;
use crate::support::wait_for;

/// How many bytes prove that a path carries data: more than can be on their way.
const PROOF: u64 = 1_000_000;

/// Bulk data by both uplinks, each of which takes 20 Mbit/s in either direction.
struct Load {
    providers: Providers,
    /// The remote ends of both subflows, as the far end sees them.
    subflows: [SocketAddr; 2],
    client: Peer,
    _server: Peer,
}

impl Load {
    /// Starts with these uplinks.
    #[track_caller]
    fn new(providers: Providers, uplinks: &str) -> Load {
        providers.slow_down(1..=2);
        providers.host.apply(&config(uplinks), &[]).expect(0);
        let server = Peer::server(&providers.far, FAR_IPV4);
        let client = Peer::bulk_client(&providers.host, FAR_IPV4);
        let subflow = |n| {
            let is_of = |remote: &SocketAddr| remote.ip().to_string() == ipv4(n);
            wait_for("both subflows", || received(&providers.far).keys().any(is_of));
            received(&providers.far).into_keys().find(is_of).expect("a subflow")
        };
        let load = Load { subflows: [subflow(1), subflow(2)], providers, client, _server: server };
        load.goes_on_by_both();
        load
    }

    /// What has come by the same two subflows.
    #[track_caller]
    fn received(&self) -> [u64; 2] {
        let all = received(&self.providers.far);
        self.subflows.map(|subflow| *all.get(&subflow).unwrap_or_else(|| panic!("{subflow} was closed")))
    }

    /// Waits for the proof that the same two subflows carry data.
    #[track_caller]
    fn goes_on_by_both(&self) {
        let enough = self.received().map(|count| count + PROOF);
        wait_for("data by both subflows", || {
            self.received().iter().zip(enough).all(|(count, enough)| *count >= enough)
        });
    }

    /// Waits for the proof that only the second one does.
    #[track_caller]
    fn goes_on_by_the_second(&self) {
        let since = Cell::new(self.received());
        wait_for("data by the second subflow alone", || {
            let [first, second] = self.received();
            if since.get()[0] != first {
                since.set([first, second]);
            }
            second >= since.get()[1] + PROOF
        });
    }
}

fn config(uplinks: &str) -> String {
    let endpoint = "{address: 10.1.2.1, dev: c2, flags: [subflow]}";
    format!("version: 1\nuplinks: {uplinks}\nendpoints: {{second: {endpoint}}}\n")
}

/// As a network manager does it that prefers the other uplink from now on.
const FLIP: &str = "\
route add default via 10.1.1.254 dev c1 metric 300
route delete default via 10.1.1.254 dev c1 metric 100
";

#[test]
fn other_metrics_move_nothing() {
    let two_providers = || {
        let providers = Providers::new(2);
        providers.default_routes(1..=2);
        providers
    };
    let load = Load::new(two_providers(), "{}");
    load.providers.host.ip_batch(FLIP);
    load.goes_on_by_the_second();
    drop(load);

    let load = Load::new(two_providers(), "{one: {dev: c1}, two: {dev: c2}}");
    load.providers.host.ip_batch(FLIP);
    load.goes_on_by_both();
    assert!(load.client.ask() > 0);
}

/// A second router on the link of the second provider, which takes the place of the first.
#[test]
fn another_router_loses_nothing() {
    let providers = Providers::new(2);
    let router = &providers.router;
    // Both are interfaces of one namespace, and each answers for its own address.
    router.sh("echo 1 >/proc/sys/net/ipv4/conf/all/arp_ignore");
    router.ip_batch(
        "link add b2 type bridge\naddress flush dev l2\nlink set l2 master b2\nlink set b2 up\n\
         link add p2 type veth peer name q2\nlink set p2 master b2 up\nlink set q2 up\n\
         address add 10.1.2.254/24 dev b2\naddress add 10.1.2.253/24 dev q2\n\
         route replace 10.1.2.1 dev q2\n\
         rule add iif b2 priority 200 blackhole\nrule add iif b2 from 10.1.2.1 priority 100 lookup main\n",
    );
    providers.default_routes(1..=2);
    let load = Load::new(providers, "{}");
    let Providers { host, router, .. } = &load.providers;
    let (watcher, _) = Watcher::of(host, &config("{one: {dev: c1}, two: {dev: c2}}"));
    load.goes_on_by_both();
    host.ip("route replace default via 10.1.2.253 dev c2 metric 200");
    within_a_second("the other router", host, &watcher, |ways| ways["10.1.2.1"] == "via 10.1.2.253 dev c2");
    router.ip("rule delete iif b2 from 10.1.2.1 priority 100");
    load.goes_on_by_both();
    assert!(load.client.ask() > 0);
    watcher.stop();
}
