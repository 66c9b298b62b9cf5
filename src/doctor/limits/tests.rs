use crate::doctor::tests::fixture::{codes, declared, healthy, state};
use crate::doctor::{Configuration, Evidence, examine};
use crate::model::{Flags, HostAddress, Identity, code};

/// A mesh that is larger than the kernel can make it is no mistake, and no command helps.
#[test]
fn a_mesh_beyond_the_kernel_is_a_hint() {
    let mut evidence = healthy();
    let mut second = evidence.connections[0].subflows[1].clone();
    second.remote.set_ip([198, 51, 100, 2].into());
    evidence.connections[0].subflows.push(second);
    for row in &mut state(&mut evidence).endpoints {
        row.flags = Flags::SUBFLOW.union(Flags::FULLMESH);
    }
    assert_eq!(codes(&evidence), ["fault fullmesh-limits"]);
    evidence.capabilities.limits_max = 2;
    assert_eq!(codes(&evidence), ["hint fullmesh-limits"]);
    let finding = &examine(&evidence)[0];
    assert!(!finding.remedy.contains("limits set"), "{}", finding.remedy);
}

/// Declared order decides, not that of the ids; also within a line.
#[test]
fn what_is_declared_behind_the_limit_is_never_used() {
    let mut evidence = healthy();
    evidence.first_addresses = vec![[203, 0, 113, 1].into()];
    evidence.connections.clear();
    let state = state(&mut evidence);
    state.limits.subflows = 1;
    let identities: Vec<Identity> = state.endpoints.iter().map(|row| row.identity).collect();
    evidence.names = identities.into_iter().zip(["late", "early"].map(str::to_owned)).collect();
    assert_eq!(codes(&evidence), ["fault subflows-limit-low"], "the order is unknown");
    evidence.configuration = Configuration::Valid(Box::new(declared(&["early", "late"])));
    assert_eq!(codes(&evidence), ["fault subflows-limit-low", "hint never-used"]);
    let finding = examine(&evidence).remove(1);
    assert_eq!(finding.endpoint.as_deref(), Some("late"));
    assert_eq!(finding.location.map(|location| location.span.column()), Some(2));
    assert!(
        finding.remedy.ends_with("ip mptcp endpoint delete id 2\nmptcp-apply x.yaml"),
        "{}",
        finding.remedy
    );
}

/// A connection has its first subflow anyhow.
#[test]
fn the_first_subflow_needs_none_of_the_limit() {
    let mut evidence = healthy();
    for (limit, expected) in [(2, &[][..]), (1, &[]), (0, &["fault subflows-limit-zero"])] {
        state(&mut evidence).limits.subflows = limit;
        assert_eq!(codes(&evidence), expected, "{limit}");
    }
}

/// The endpoint that carries the first subflow is used wherever it is declared, and so is one with any other live subflow.
#[test]
fn what_a_live_subflow_uses_is_used() {
    let mut evidence = healthy();
    let mut third = state(&mut evidence).endpoints[1].clone();
    third.identity.address = [192, 0, 2, 3].into();
    let state = state(&mut evidence);
    state.endpoints.push(third);
    state.limits.subflows = 1;
    let identities: Vec<Identity> = state.endpoints.iter().map(|row| row.identity).collect();
    evidence.names = identities.into_iter().zip(["wifi", "lan", "lte"].map(str::to_owned)).collect();
    evidence.addresses.push(HostAddress { address: [192, 0, 2, 3].into(), ..evidence.addresses[1] });
    let never = |evidence: &Evidence| -> Vec<String> {
        let findings = examine(evidence).into_iter().filter(|finding| finding.code == code::NEVER_USED);
        findings.filter_map(|finding| finding.endpoint).collect()
    };
    evidence.configuration = Configuration::Valid(Box::new(declared(&["lan", "lte", "wifi"])));
    assert_eq!(never(&evidence), ["lte"]);
    evidence.first_addresses.clear();
    assert_eq!(never(&evidence), ["lte"], "the live connection tells the first address");
    evidence.configuration = Configuration::Valid(Box::new(declared(&["lte", "lan", "wifi"])));
    assert_eq!(never(&evidence), [""; 0]);
}
