//! Whether a second subflow comes up: on clients and servers, with and without `dev` on the endpoint, one and two default
//! routes, each `rp_filter`, IPv4 and IPv6. With uplinks it does in all 32 cases, and without them in three.

use super::*;
use crate::kernel::links::subflows;
use crate::peer::Peer;
use crate::support::wait_for;

/// Which end of the connection the host is, and has its second address as an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Client,
    Server,
}

/// Whether the endpoint names its interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dev {
    Named,
    Unset,
}

/// One case.
#[derive(Clone, Copy, Debug)]
struct Case {
    role: Role,
    /// How many providers have a default route in the main table.
    defaults: u8,
    dev: Dev,
    /// The host's `rp_filter`, which only IPv4 has.
    reverse_path: Option<u8>,
}

impl Case {
    /// A subflow that the host opens and binds to its interface finds the default route of that, unless answers that
    /// come there are taken for spoofed.
    fn comes_up_without_uplinks(self) -> bool {
        self.role == Role::Client
            && self.defaults == 2
            && self.dev == Dev::Named
            && self.reverse_path != Some(1)
    }

    fn addresses(self) -> [String; 2] {
        if self.reverse_path.is_some() { [ipv4(1), ipv4(2)] } else { [ipv6(1), ipv6(2)] }
    }

    fn config(self, uplinks: &str) -> String {
        let dev = if self.dev == Dev::Named { "dev: c2, " } else { "" };
        let flag = if self.role == Role::Client { "subflow" } else { "signal" };
        let [_, second] = self.addresses();
        format!(
            "version: 1\nlimits: {{subflows: 4, add-addr-accepted: 4}}\nuplinks: {uplinks}\n\
             endpoints: {{second: {{address: '{second}', {dev}flags: [{flag}]}}}}\n"
        )
    }

    /// Where the server listens, and what the client connects to: the first address, if the host is the server.
    fn service(self) -> [&'static str; 2] {
        match (self.role, self.reverse_path) {
            (Role::Client, Some(_)) => [FAR_IPV4; 2],
            (Role::Client, None) => [FAR_IPV6; 2],
            (Role::Server, Some(_)) => ["0.0.0.0:6004", "10.1.1.1:6004"],
            (Role::Server, None) => ["[::]:6006", "[2001:db8:11::1]:6006"],
        }
    }

    #[track_caller]
    fn server(self, providers: &Providers) -> Peer {
        let host = if self.role == Role::Server { &providers.host } else { &providers.far };
        Peer::server(host, self.service()[0])
    }

    #[track_caller]
    fn client(self, providers: &Providers) -> Peer {
        let host = if self.role == Role::Server { &providers.far } else { &providers.host };
        Peer::client(host, self.service()[1])
    }
}

/// Whether the host has an established subflow from this address.
fn is_up(host: &Namespace, address: &str) -> bool {
    subflows(host).iter().any(|pair| pair.trim_start_matches('[').starts_with(address))
}

/// How much goes over the first subflow before the second one is given up: what opens it does so within the first
/// exchanges.
const LONG_ENOUGH: u64 = 200_000;

impl Case {
    /// Tries it on new connections, without uplinks and with them.
    #[track_caller]
    fn try_out(self, providers: &Providers) {
        let [first, second] = self.addresses();
        let bytes = |from: &str| received_from(&providers.far, from).unwrap_or(0);
        let is_up = || is_up(&providers.host, &second) && bytes(&second) > 0;
        for (uplinks, comes_up) in [("{}", self.comes_up_without_uplinks()), (UPLINKS, true)] {
            providers.host.apply(&self.config(uplinks), &[]).expect(0);
            let connection = self.client(providers);
            if comes_up {
                wait_for(&format!("a second subflow with uplinks {uplinks}: {self:?}"), is_up);
            } else {
                let enough = bytes(&first) + LONG_ENOUGH;
                wait_for(&format!("the first subflow's data: {self:?}"), || bytes(&first) >= enough);
                assert!(!is_up(), "it came up without uplinks, which prove nothing then: {self:?}");
            }
            drop(connection);
            wait_for("the end of the connection", || subflows(&providers.host).is_empty());
        }
    }
}

/// The second provider's routers are declared, since it may have no default route that tells them.
const UPLINKS: &str = "{one: {dev: c1}, two: {dev: c2, gateway: [10.1.2.254, '2001:db8:12::fe']}}";

/// Eight cases.
#[track_caller]
fn try_out(role: Role, defaults: u8) {
    let providers = Providers::new(2);
    providers.default_routes(1..=defaults);
    for reverse_paths in [&[Some(0), Some(1), Some(2)][..], &[None]] {
        let case = |reverse_path, dev| Case { role, defaults, dev, reverse_path };
        let _server = case(reverse_paths[0], Dev::Unset).server(&providers);
        for &reverse_path in reverse_paths {
            providers.check_reverse_paths(reverse_path.unwrap_or(0));
            for dev in [Dev::Unset, Dev::Named] {
                case(reverse_path, dev).try_out(&providers);
            }
        }
    }
}

#[test]
fn a_client_with_one_default_route() {
    try_out(Role::Client, 1);
}

#[test]
fn a_client_with_two_default_routes() {
    try_out(Role::Client, 2);
}

#[test]
fn a_server_with_one_default_route() {
    try_out(Role::Server, 1);
}

#[test]
fn a_server_with_two_default_routes() {
    try_out(Role::Server, 2);
}
