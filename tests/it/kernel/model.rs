//! The model judged by the real kernel: both get the same random operations, and have to give the same answers and to
//! be in the same state after each of them. `ip mptcp` looks at the end of every sequence too.

use std::fmt;
use std::net::IpAddr;
use std::num::{NonZeroU16, NonZeroU32};
use std::process::Command;

use mptcp_apply::linux::LinuxPathManager;
use mptcp_apply::model::{
    AddressId, Device, Endpoint, Flags, Identity, Limits, Reason, Step, Sysctl, SysctlValue,
};
use mptcp_apply::system::{PathManager, Refusal, Scope};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::model::{Model, Version};
use crate::support::{Namespace, ip_rows, kernel_release, repeatable, run, seed};

use super::live::Implicit;
use super::seam::{inside, inside_with_seed, is_inside};

/// Addresses of the namespace's own, mapped ones, one that no host has, wildcards, and one that needs an interface.
const ADDRESSES: [&str; 11] = [
    "10.0.0.1",
    "10.0.0.2",
    "10.0.0.3",
    "10.0.0.4",
    "::ffff:10.0.0.1",
    "::ffff:10.0.0.2",
    "2001:db8::1",
    "10.9.9.9",
    "0.0.0.0",
    "::",
    "fe80::5",
];

/// Those of a namespace in which the kernel made an endpoint for the first one.
const BESIDE_IMPLICIT: [&str; 4] = ["10.1.2.1", "::ffff:10.1.2.1", "10.1.1.1", "10.9.9.9"];

/// The index that lo has in every namespace, and one that no interface has.
const INDEXES: [u32; 2] = [1, 999];

/// Which flags are asked for: useful ones, useless ones, forbidden ones and unknown ones.
const FLAGS: [u32; 16] =
    [0, 0x1, 0x1, 0x2, 0x2, 0x3, 0x5, 0x6, 0x8, 0x9, 0xa, 0x12, 0x20, 0x22, 0x42, 0x8000_0001];

/// One operation, as far as it can be drawn without knowing the table.
#[derive(Clone)]
enum Operation {
    Add(Endpoint, Reason),
    /// The row of this number in the dump, counted round and round.
    Delete(usize),
    /// A removal of what may not be there.
    DeleteAsExpected(Endpoint),
    SetFlags(usize, Flags),
    SetFlagsAsExpected(Endpoint, Flags),
    SetLimits(u32, u32),
    Enable(u64),
    /// Additions until one is refused.
    Fill,
}

fn flags() -> impl Strategy<Value = Flags> {
    prop::sample::select(&FLAGS[..]).prop_map(Flags::from_bits)
}

fn endpoint(addresses: &'static [&'static str]) -> impl Strategy<Value = Endpoint> {
    let ids = prop_oneof![4 => 1u8..10, 1 => 254u8..];
    let ports = prop_oneof![4 => Just(0u16), 1 => 8080u16..8082];
    let indexes = prop::option::weighted(0.2, prop::sample::select(&INDEXES[..]));
    (prop::sample::select(addresses), ports, prop::option::of(ids), indexes, flags()).prop_map(
        |(address, port, id, dev, flags)| Endpoint {
            identity: Identity { address: ip(address), port: NonZeroU16::new(port) },
            id: id.and_then(AddressId::new),
            dev: dev.and_then(NonZeroU32::new).map(|index| Device { index, name: None }),
            // A port is taken with few flags only.
            flags: if port > 0 && flags.bits() % 2 == 0 { Flags::SIGNAL } else { flags },
        },
    )
}

fn operation(addresses: &'static [&'static str]) -> impl Strategy<Value = Operation> {
    let endpoint = || endpoint(addresses);
    let reasons = prop_oneof![9 => Just(Reason::Declared), 1 => Just(Reason::Adopted)];
    let limit = || prop_oneof![8 => 0u32..9, 2 => 9u32..70, 1 => any::<u32>()];
    prop_oneof![
        24 => (endpoint(), reasons).prop_map(|(row, why)| Operation::Add(row, why)),
        // Every removal costs the kernel about 8 ms.
        3 => any::<usize>().prop_map(Operation::Delete),
        2 => endpoint().prop_map(Operation::DeleteAsExpected),
        5 => (any::<usize>(), flags()).prop_map(|(row, to)| Operation::SetFlags(row, to)),
        2 => (endpoint(), flags()).prop_map(|(row, to)| Operation::SetFlagsAsExpected(row, to)),
        2 => (limit(), limit()).prop_map(|(subflows, accepted)| Operation::SetLimits(subflows, accepted)),
        1 => (0u64..2).prop_map(Operation::Enable),
        1 => Just(Operation::Fill),
    ]
}

/// In a line each.
impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Operation::Add(row, why) => write!(f, "add {row} ({})", why.words()),
            Operation::Delete(number) => write!(f, "remove row {number}"),
            Operation::DeleteAsExpected(row) => write!(f, "remove {row}"),
            Operation::SetFlags(number, to) => write!(f, "change row {number} to {to}"),
            Operation::SetFlagsAsExpected(row, to) => write!(f, "change {row} to {to}"),
            Operation::SetLimits(subflows, accepted) => write!(f, "set limits {subflows} {accepted}"),
            Operation::Enable(to) => write!(f, "enabled = {to}"),
            Operation::Fill => write!(f, "fill"),
        }
    }
}

impl Operation {
    /// The steps that it comes to in this state.
    fn steps(&self, model: &Model) -> Vec<Step> {
        let why = Reason::NotDeclared;
        let state = model.state();
        let row = |number: usize| {
            let rows = &state.endpoints;
            rows.get(number % rows.len().max(1)).cloned()
        };
        let step = match self.clone() {
            Operation::Add(endpoint, why) => Some(Step::AddAddr { endpoint, why }),
            Operation::Delete(number) => row(number).map(|endpoint| Step::DelAddr { endpoint, why }),
            Operation::DeleteAsExpected(endpoint) => Some(Step::DelAddr { endpoint, why }),
            Operation::SetFlags(number, to) => {
                row(number).map(|endpoint| Step::SetFlags { endpoint, to, why })
            }
            Operation::SetFlagsAsExpected(endpoint, to) => Some(Step::SetFlags { endpoint, to, why }),
            Operation::SetLimits(subflows, add_addr_accepted) => {
                Some(Step::SetLimits { from: state.limits, to: Limits { subflows, add_addr_accepted } })
            }
            Operation::Enable(to) => {
                let [from, to] = [1 - to, to].map(SysctlValue::Number);
                Some(Step::SetSysctl { sysctl: Sysctl::ENABLED, from, to })
            }
            Operation::Fill => return fill(model, state.endpoints.len()).collect(),
        };
        step.into_iter().collect()
    }
}

/// Two additions more than there is room for.
fn fill(model: &Model, rows: usize) -> impl Iterator<Item = Step> {
    let missing = model.version().capabilities.endpoints_max + 2 - rows;
    (0..missing).map(|number| {
        let [high, low] = u16::try_from(number).expect("a small number").to_be_bytes();
        let identity = Identity { address: [10, 7, high, low].into(), port: None };
        let endpoint = Endpoint { identity, id: None, dev: None, flags: Flags::SUBFLOW };
        Step::AddAddr { endpoint, why: Reason::Declared }
    })
}

fn ip(address: &str) -> IpAddr {
    address.parse().expect("an address")
}

/// What is compared of an answer. The model does not know which attribute the kernel points at.
fn answer(result: Result<(), Refusal>) -> Result<(), String> {
    result.map_err(|refusal| format!("{:?} {:?}", refusal.errno, refusal.text))
}

fn managed() -> Vec<Sysctl> {
    vec![Sysctl::ENABLED, Sysctl::named("stale_loss_cnt").expect("a sysctl")]
}

/// A model of what is there.
fn model_of(host: &mut LinuxPathManager, own_addresses: &[&str]) -> Model {
    let state = host.observe(&Scope { sysctls: managed(), uplinks: true }).expect("a state").state;
    let mut model = Model::holding(Version::of(kernel_release()), &state);
    own_addresses.iter().for_each(|address| model.assign(ip(address)));
    model.link(1, "lo");
    model
}

/// Has `ip` print everything, and brings the namespace back to where it began.
fn printed_by_ip_and_reset(host: &mut LinuxPathManager) -> Vec<String> {
    let mut command = Command::new("ip");
    command.args(["-batch", "-"]);
    let lines = "mptcp endpoint show\nmptcp limits show\nmptcp endpoint flush\n\
                 mptcp limits set subflows 2 add_addr_accepted 0\n";
    let printed = run(command, lines).expect(0).stdout;
    let [from, to] = [0, 1].map(SysctlValue::Number);
    host.execute(&Step::SetSysctl { sysctl: Sysctl::ENABLED, from, to }).expect("enabled again");
    ip_rows(&printed)
}

fn as_ip_prints(model: &Model) -> Vec<String> {
    let Limits { subflows, add_addr_accepted } = model.state().limits;
    let mut lines: Vec<String> = model.dump().iter().map(ToString::to_string).collect();
    lines.push(format!("add_addr_accepted {add_addr_accepted} subflows {subflows}"));
    lines
}

fn carry_out_both(
    host: &mut LinuxPathManager,
    model: &mut Model,
    operations: &[Operation],
) -> Result<(), TestCaseError> {
    let mut so_far = Vec::new();
    for operation in operations {
        for step in operation.steps(model) {
            let answers = [answer(host.execute(&step)), answer(model.execute(&step))];
            so_far.push(format!("{step} -> {:?}", answers[0]));
            prop_assert_eq!(&answers[0], &answers[1], "the kernel, then the model; {:#?}", so_far);
        }
        let now = host
            .observe(&Scope { sysctls: managed(), uplinks: true })
            .map_err(|error| TestCaseError::fail(error.to_string()))?
            .state;
        prop_assert_eq!(now, model.state(), "the kernel, then the model; {:#?}", so_far);
    }
    Ok(())
}

/// One sequence, at the end of which the namespace is as new.
fn compare(own_addresses: &[&str], operations: &[Operation]) -> Result<(), TestCaseError> {
    let mut host = LinuxPathManager::open().expect("a path manager");
    let mut model = model_of(&mut host, own_addresses);
    let judged = carry_out_both(&mut host, &mut model, operations);
    let printed = printed_by_ip_and_reset(&mut host);
    judged?;
    prop_assert_eq!(printed, as_ip_prints(&model), "`ip`, then the model");
    Ok(())
}

#[test]
fn the_model_is_like_the_kernel() {
    let namespace = Namespace::new();
    for address in ["10.0.0.1/32", "10.0.0.2/32", "10.0.0.3/32", "10.0.0.4/32", "2001:db8::1/128"] {
        namespace.ip(&format!("address add {address} dev lo"));
    }
    let ran = inside(&namespace, "kernel::model::compare_with_the_model");
    assert!(ran.stdout.contains("sequences were compared"), "{}", ran.stdout);
    assert_eq!(namespace.endpoints(), [""; 0]);
}

#[test]
#[ignore = "runs inside a namespace, started by the_model_is_like_the_kernel"]
fn compare_with_the_model() {
    if !is_inside() {
        return;
    }
    let config = repeatable(120);
    let sequences = config.cases;
    let operations = prop::collection::vec(operation(&ADDRESSES), 1..40);
    let verdict =
        TestRunner::new(config).run(&operations, |operations| compare(&ADDRESSES[..7], &operations));
    verdict.unwrap_or_else(|failure| panic!("{failure}"));
    println!("{sequences} sequences were compared");
}

/// Implicit endpoints come by connections alone, one by each. The first sequence is that of the seed itself.
#[test]
fn the_model_is_like_the_kernel_about_implicit_endpoints() {
    for sequence in 0..5 {
        let mut host = Implicit::new();
        host.leave_behind();
        assert_eq!(host.client.endpoints(), ["10.1.2.1 id 1 implicit"]);
        let test = "kernel::model::compare_beside_an_implicit_endpoint";
        let ran = inside_with_seed(&host.client, test, seed().wrapping_add(sequence));
        assert!(ran.stdout.contains("one sequence was compared"), "{}", ran.stdout);
    }
}

/// What an implicit endpoint stands in the way of, or takes, and stays; random operations would soon have adopted it.
fn refused_by_implicit() -> Vec<Operation> {
    let row = |id| Endpoint {
        identity: Identity { address: ip(BESIDE_IMPLICIT[0]), port: None },
        id: AddressId::new(id),
        dev: None,
        flags: Flags::SUBFLOW,
    };
    let changed = [Flags::FULLMESH, Flags::FULLMESH.union(Flags::BACKUP), Flags::BACKUP];
    let added = [1, 2].map(|id| Operation::Add(row(id), Reason::Declared));
    changed.map(|flags| Operation::SetFlags(0, flags)).into_iter().chain(added).collect()
}

/// Nothing is made simpler when it fails: the endpoint is there but once.
#[test]
#[ignore = "runs inside a namespace, started by the_model_is_like_the_kernel_about_implicit_endpoints"]
fn compare_beside_an_implicit_endpoint() {
    if !is_inside() {
        return;
    }
    let mut runner = TestRunner::new(ProptestConfig { max_shrink_iters: 0, ..repeatable(1) });
    let operations = prop::collection::vec(operation(&BESIDE_IMPLICIT), 60);
    let verdict = runner.run(&operations, |random| {
        let operations: Vec<Operation> = refused_by_implicit().into_iter().chain(random).collect();
        compare(&BESIDE_IMPLICIT[..3], &operations)
    });
    verdict.unwrap_or_else(|failure| panic!("{failure}"));
    println!("one sequence was compared");
}
