use std::num::NonZeroU16;

use crate::doctor::tests::fixture::{codes, declared, healthy, state};
use crate::doctor::{Configuration, Declared, Evidence, Table};
use crate::model::{Flags, Identity, Listener, Reason, Step, Sysctl, SysctlValue};

#[test]
fn without_mptcp_there_is_nothing_else_to_say() {
    let evidence =
        Evidence { path_manager: Table::Missing, counters: None, connections: Vec::new(), ..healthy() };
    assert_eq!(codes(&evidence), ["fault no-mptcp"]);
}

#[test]
fn a_table_that_only_root_may_read_is_a_hint() {
    let path_manager = Table::Unreadable("cannot read the endpoints: EPERM".to_owned());
    assert_eq!(codes(&Evidence { path_manager, ..healthy() }), ["hint table-unreadable"]);
}

/// A limit that the kernel does not obey is no matter.
#[test]
fn the_userspace_path_manager_obeys_no_limit() {
    let mut evidence = healthy();
    state(&mut evidence).limits.subflows = 0;
    evidence.connections[0].subflows.truncate(1);
    state(&mut evidence).sysctls.insert(Sysctl::PATH_MANAGER, SysctlValue::Word("userspace".to_owned()));
    assert_eq!(codes(&evidence), ["fault userspace-path-manager"]);
}

/// A socket that listens everywhere takes the port of its own family; one of IPv6 takes that of both.
#[test]
fn only_who_can_hold_a_port_holds_it() {
    let port = NonZeroU16::new(8443);
    for (listens, wanted, holds) in [
        ("0.0.0.0:8443", "192.0.2.1", true),
        ("[::]:8443", "192.0.2.1", true),
        ("[::]:8443", "2001:db8::1", true),
        ("0.0.0.0:8443", "2001:db8::1", false),
        ("192.0.2.9:8443", "192.0.2.1", false),
        ("192.0.2.1:8444", "192.0.2.1", false),
    ] {
        let mut evidence = healthy();
        let mut row = state(&mut evidence).endpoints[0].clone();
        row.identity = Identity { address: wanted.parse().expect("an address"), port };
        row.flags = Flags::SIGNAL;
        let steps = vec![Step::AddAddr { endpoint: row, why: Reason::Declared }];
        evidence.configuration = Configuration::Valid(Box::new(Declared { steps, ..declared(&[]) }));
        evidence.listeners =
            vec![Listener { local: listens.parse().expect("an address"), mptcp: false, inode: 1 }];
        let found = codes(&evidence).contains(&"fault port-held".to_owned());
        assert_eq!(found, holds, "{listens} and {wanted}");
    }
}
