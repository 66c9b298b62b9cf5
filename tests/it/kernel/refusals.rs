//! What a refusal means. The kernel's words and numbers differ from version to version, and up to Linux 6.1 most are a
//! plain EINVAL; the meaning must not differ. A run meets these only when another program writes at the same moment, so
//! the steps are taken here one by one.

use std::net::IpAddr;
use std::num::NonZeroU16;
use std::process::Command;

use mptcp_apply::linux::LinuxPathManager;
use mptcp_apply::model::{AddressId, Endpoint, Flags, Identity, Limits, Reason, Step};
use mptcp_apply::reconcile::{self, Explanation, FailureKind};
use mptcp_apply::system::{Errno, PathManager, Scope};

use crate::support::{Namespace, kernel_release, limits_max, run, table_size};

use super::live::Implicit;
use super::seam::{inside, is_inside};

fn endpoint(address: [u8; 4], id: u8, port: u16) -> Endpoint {
    let identity = Identity { address: IpAddr::from(address), port: NonZeroU16::new(port) };
    let flags = if port == 0 { Flags::SUBFLOW } else { Flags::SIGNAL };
    Endpoint { identity, id: AddressId::new(id), dev: None, flags }
}

fn add(address: [u8; 4], id: u8, port: u16) -> Step {
    Step::AddAddr { endpoint: endpoint(address, id, port), why: Reason::Declared }
}

/// The number where the kernel has one for each reason, which it has not up to Linux 6.1.
fn since_6_6(errno: Errno) -> Errno {
    if kernel_release() >= (6, 6) { errno } else { Errno::EINVAL }
}

/// Takes the step, which the kernel refuses with this number, and says what that means.
#[track_caller]
fn explained(step: &Step, errno: Errno) -> Explanation {
    let mut host = LinuxPathManager::open().expect("a path manager");
    let refusal = host.execute(step).expect_err("refused");
    assert_eq!(refusal.errno, errno, "{step}: {refusal}");
    reconcile::explain(step, &refusal, &host.observe(&Scope::default()).expect("a state").state)
}

#[track_caller]
fn assert_means(step: &Step, errno: Errno, kind: FailureKind, meaning: &str) {
    let explanation = explained(step, errno);
    assert_eq!((explanation.kind, explanation.meaning.as_str()), (kind, meaning), "{step}");
    assert!(explanation.remedy.is_some_and(|remedy| !remedy.is_empty()), "{step}");
}

#[test]
fn every_refusal_says_what_it_means() {
    let namespace = Namespace::new();
    namespace.ip("address add 203.0.113.1/32 dev lo");
    namespace.ip_batch(
        "\
mptcp endpoint add 10.0.0.1 id 1 subflow
mptcp endpoint add 0.0.0.0 port 8443 id 9 signal
",
    );
    inside(&namespace, "kernel::refusals::be_refused");
}

#[test]
#[ignore = "runs inside a namespace, started by every_refusal_says_what_it_means"]
fn be_refused() {
    if !is_inside() {
        return;
    }
    let other = FailureKind::Refused;
    // The id, the address, and both.
    for (address, errno) in [([10, 0, 0, 2], Errno::EBUSY), ([10, 0, 0, 1], Errno::EBUSY)] {
        assert_means(&add(address, 1, 0), since_6_6(errno), other, "its id is held by 10.0.0.1 id 1 subflow");
    }
    let meaning = "an endpoint with this address and port was added meanwhile";
    assert_means(&add([10, 0, 0, 1], 0, 0), since_6_6(Errno::EEXIST), other, meaning);
    assert_means(&add([10, 0, 0, 1], 7, 0), since_6_6(Errno::EEXIST), other, meaning);
    // The port.
    let meaning = "something listens on port 8443, or connections to it closed less than a minute ago";
    assert_means(&add([203, 0, 113, 1], 0, 8443), Errno::EADDRINUSE, other, meaning);
    let meaning = "203.0.113.9 is on no interface of this host, or is still tentative";
    assert_means(&add([203, 0, 113, 9], 0, 8444), Errno::EADDRNOTAVAIL, other, meaning);
    // What is not there.
    let gone = Step::SetFlags {
        endpoint: endpoint([10, 0, 0, 5], 5, 0),
        to: Flags::SUBFLOW,
        why: Reason::FlagsDiffer,
    };
    let meaning = "10.0.0.5 is not there any more, or cannot have these flags";
    assert_means(&gone, Errno::EINVAL, other, meaning);
    // Sizes.
    let from = Limits { subflows: 2, add_addr_accepted: 0 };
    let to = Limits { subflows: limits_max() + 1, ..from };
    let explanation = explained(&Step::SetLimits { from, to }, Errno::EINVAL);
    assert_eq!(explanation.kind, FailureKind::Unsupported);
    let number = format!("of {}", to.subflows);
    assert!(explanation.meaning.starts_with("this kernel allows no limit"), "{}", explanation.meaning);
    assert!(explanation.meaning.ends_with(&number), "{}", explanation.meaning);
    fill();
    let meaning = format!("the kernel's table is full with {} endpoints, 0 of them implicit", table_size());
    assert_means(&add([10, 9, 9, 9], 0, 0), since_6_6(Errno::ERANGE), FailureKind::Unsupported, &meaning);
}

/// Takes the places that are left, two being taken.
fn fill() {
    let mut command = Command::new("ip");
    command.args(["-batch", "-"]);
    let rows = (3..=table_size()).map(|n| format!("mptcp endpoint add 10.7.7.{n} subflow\n"));
    run(command, &rows.collect::<String>()).expect(0);
}

/// The kernel adopts its own implicit endpoint, but only without another id.
#[test]
fn an_implicit_endpoint_in_the_way_is_named() {
    let host = Implicit::new();
    assert_eq!(host.client.endpoints(), ["10.1.2.1 id 1 implicit"]);
    inside(&host.client, "kernel::refusals::meet_an_implicit_endpoint");
}

#[test]
#[ignore = "runs inside a namespace, started by an_implicit_endpoint_in_the_way_is_named"]
fn meet_an_implicit_endpoint() {
    if !is_inside() {
        return;
    }
    let meaning = "the kernel itself added an implicit endpoint with this address meanwhile";
    assert_means(&add([10, 1, 2, 1], 9, 0), Errno::EINVAL, FailureKind::Refused, meaning);
}
