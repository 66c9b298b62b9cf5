//! The library's own view of the real kernel, from inside a namespace.

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};

use mptcp_apply::linux::LinuxPathManager;
use mptcp_apply::model::{AddressId, Endpoint, Flags, Identity, Limits, Reason, Step};
use mptcp_apply::system::{Errno, PathManager, Refusal, Scope};

use crate::peer::Peer;
use crate::support::{Namespace, Ran, kernel_release, run, seed};

const INSIDE: &str = "MPTCP_APPLY_TEST_INSIDE";

/// Runs an ignored test in a second instance of this program, which is inside the namespace.
#[track_caller]
pub fn inside(namespace: &Namespace, test: &str) -> Ran {
    inside_with_seed(namespace, test, seed())
}

/// The same, with random cases of this seed.
#[track_caller]
pub fn inside_with_seed(namespace: &Namespace, test: &str, seed: u64) -> Ran {
    let mut command = namespace.second_instance(test);
    command.env(INSIDE, test).env("PROPTEST_RNG_SEED", seed.to_string());
    let ran = run(command, "").expect(0);
    assert!(ran.stdout.contains("1 passed"), "{}", ran.stdout);
    ran
}

/// Whether this is the second instance; `cargo test -- --ignored` must not touch the host.
pub fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

fn row(address: [u8; 4], id: u8) -> Endpoint {
    let identity = Identity { address: IpAddr::from(address), port: None };
    Endpoint { identity, id: AddressId::new(id), dev: None, flags: Flags::SUBFLOW }
}

/// DEL_ADDR looks at the id alone, and another program may have given it to another row since it was read.
#[test]
fn a_row_that_is_another_one_now_is_not_removed() {
    let namespace = Namespace::new();
    namespace.ip("mptcp endpoint add 10.0.0.2 id 1 subflow");
    inside(&namespace, "kernel::seam::remove_rows_that_are_others");
    assert_eq!(namespace.endpoints(), ["10.0.0.2 id 1 subflow"]);
}

#[test]
#[ignore = "runs inside a namespace, started by a_row_that_is_another_one_now_is_not_removed"]
fn remove_rows_that_are_others() {
    if !is_inside() {
        return;
    }
    let mut host = LinuxPathManager::open().expect("a path manager");
    for endpoint in [row([10, 0, 0, 1], 1), row([10, 0, 0, 2], 2)] {
        let step = Step::DelAddr { endpoint, why: Reason::NotDeclared };
        assert_eq!(host.execute(&step), Err(Refusal::changed()));
    }
}

/// The kernel's words come through, and which attribute they are about.
#[test]
fn a_refusal_carries_the_kernels_words() {
    inside(&Namespace::new(), "kernel::seam::exceed_a_limit");
}

#[test]
#[ignore = "runs inside a namespace, started by a_refusal_carries_the_kernels_words"]
fn exceed_a_limit() {
    if !is_inside() {
        return;
    }
    let mut host = LinuxPathManager::open().expect("a path manager");
    let from = host.observe(&Scope::default()).expect("a state").state.limits;
    let to = Limits { subflows: 100_000, ..from };
    let refusal = host.execute(&Step::SetLimits { from, to }).expect_err("too many");
    assert_eq!(refusal.errno, Errno::EINVAL);
    assert!(refusal.text.is_some_and(|text| text.starts_with("limit greater than maximum")));
    let named = Some(mptcp_apply::system::ATTR_SUBFLOWS);
    assert!(refusal.attribute == named || (refusal.attribute.is_none() && kernel_release() < (6, 18)));
    assert_eq!(host.observe(&Scope::default()).expect("a state").state.limits, from);
}

/// Who does not see what is live would interrupt it. Both ends of the one connection are here.
#[test]
fn the_subflows_of_a_connection_are_seen() {
    let namespace = Namespace::new();
    let _server = Peer::server(&namespace, "127.0.0.1:8000");
    let _client = Peer::client(&namespace, "127.0.0.1:8000");
    inside(&namespace, "kernel::seam::see_subflows");
}

#[test]
#[ignore = "runs inside a namespace, started by the_subflows_of_a_connection_are_seen"]
fn see_subflows() {
    if !is_inside() {
        return;
    }
    let subflows = LinuxPathManager::open().expect("a path manager").subflows().expect("subflows");
    let [one, other] = subflows[..] else { panic!("{subflows:?}") };
    assert_ne!(one.connection, other.connection);
    assert!(
        subflows.iter().all(|subflow| subflow.established && subflow.local.is_loopback()),
        "{subflows:?}"
    );
}

/// While a port has connections, an endpoint that is removed there cannot come back.
#[test]
fn the_connections_at_a_port_are_counted() {
    inside(&Namespace::new(), "kernel::seam::count_connections");
}

#[test]
#[ignore = "runs inside a namespace, started by the_connections_at_a_port_are_counted"]
fn count_connections() {
    if !is_inside() {
        return;
    }
    let mut host = LinuxPathManager::open().expect("a path manager");
    let mut count = |address: IpAddr, port: u16| {
        let identity = Identity { address, port: port.try_into().ok() };
        host.connections(identity).expect("a number")
    };
    // The second listener has IPv6 sockets for connections of IPv4.
    for (at, to) in [("127.0.0.1", "127.0.0.1"), ("::", "127.0.0.1"), ("::1", "::1")] {
        let listener = TcpListener::bind((at, 0)).expect("a listener");
        let port = listener.local_addr().expect("an address").port();
        let to: IpAddr = to.parse().expect("an address");
        assert_eq!(count(to, port), 0, "a listener is no connection");
        let client = TcpStream::connect(SocketAddr::new(to, port)).expect("connected");
        assert_eq!(count(to, port), 1, "not accepted yet");
        let (server, _) = listener.accept().expect("a connection");
        let clients = client.local_addr().expect("an address").port();
        assert_eq!((count(to, port), count(to, clients)), (1, 1));
        assert_eq!(count([127, 0, 0, 2].into(), port), 0, "another address");
        drop((server, listener));
        drop(client);
        assert_eq!((count(to, port), count(to, clients)), (1, 0), "TIME_WAIT");
    }
}
