//! From one table to another with the fewest operations.

use crate::support::{Namespace, kernel_release, table_size};

fn endpoints(rows: &[(&str, &str)]) -> String {
    let rows: Vec<String> = rows
        .iter()
        .enumerate()
        .map(|(number, (address, rest))| format!("  e{number}: {{address: {address}, {rest}}}\n"))
        .collect();
    format!("version: 1\nendpoints:\n{}", rows.concat())
}

/// The signs of the steps, such as `-+~`.
fn signs(stdout: &str) -> String {
    stdout.lines().filter_map(|line| line.chars().next()).filter(|sign| "+-~".contains(*sign)).collect()
}

#[test]
fn flags_change_in_place_without_moving_ids() {
    let namespace = Namespace::new();
    for (address, id) in [("10.0.0.1", 5), ("10.0.0.2", 3), ("10.0.0.3", 9)] {
        namespace.ip(&format!("mptcp endpoint add {address} id {id} subflow backup"));
    }
    let config = endpoints(&[
        ("10.0.0.1", "flags: [subflow, fullmesh]"),
        ("10.0.0.2", "flags: [subflow]"),
        ("10.0.0.3", "flags: [subflow, backup]"),
    ]);
    let ran = namespace.apply(&config, &[]).expect(0);
    assert_eq!(
        ran.stdout,
        "\
~ 10.0.0.1 id 5 subflow backup -> subflow fullmesh   e0, re-creates its subflows
~ 10.0.0.2 id 3 subflow backup -> subflow   e1
applied: 0 added, 2 changed, 0 removed
"
    );
    assert_eq!(
        namespace.endpoints(),
        ["10.0.0.2 id 3 subflow", "10.0.0.1 id 5 subflow fullmesh", "10.0.0.3 id 9 subflow backup"]
    );
}

#[test]
fn ids_are_swapped() {
    let namespace = Namespace::new();
    namespace.ip("mptcp endpoint add 10.0.0.1 id 1 subflow");
    namespace.ip("mptcp endpoint add 10.0.0.2 id 2 subflow");
    let config =
        endpoints(&[("10.0.0.1", "id: 2, flags: [subflow]"), ("10.0.0.2", "id: 1, flags: [subflow]")]);
    let ran = namespace.apply(&config, &[]).expect(0);
    assert_eq!(signs(&ran.stdout), "--++");
    assert_eq!(namespace.endpoints(), ["10.0.0.2 id 1 subflow", "10.0.0.1 id 2 subflow"]);
}

/// Rows for `ip -batch`: as many as there is room for, at the addresses 10.0.0.1 and on with the ids 1 and on.
fn full_table() -> String {
    (1..=table_size()).map(|n| format!("mptcp endpoint add 10.0.0.{n} id {n} subflow\n")).collect()
}

/// Endpoints in the same order at the addresses of a network, with what else is said of each.
fn network(net: u8, rest: impl Fn(usize) -> String) -> String {
    let rows: Vec<(String, String)> =
        (1..=table_size()).map(|n| (format!("10.0.{net}.{n}"), rest(n))).collect();
    endpoints(&rows.iter().map(|(address, rest)| (address.as_str(), rest.as_str())).collect::<Vec<_>>())
}

#[test]
fn ids_rotate_through_a_full_table() {
    let namespace = Namespace::new();
    namespace.ip_batch(&full_table());
    let size = table_size();
    namespace.apply(&network(0, |n| format!("id: {}, flags: [subflow]", n % size + 1)), &[]).expect(0);
    let expected: Vec<String> =
        (1..=size).map(|id| format!("10.0.0.{} id {id} subflow", (id + size - 2) % size + 1)).collect();
    assert_eq!(namespace.endpoints(), expected);
}

/// New endpoints come before old ones go, one for one once the table is full, so that there is never more than one
/// missing.
#[test]
fn a_full_table_is_replaced_by_another_full_one() {
    let namespace = Namespace::new();
    namespace.ip_batch(&full_table());
    let ran = namespace.apply(&network(1, |_| "flags: [subflow]".to_owned()), &[]).expect(0);
    let size = table_size();
    assert_eq!(signs(&ran.stdout), "-+".repeat(size));
    let after = namespace.endpoints();
    assert_eq!(after.len(), size);
    assert!(after.iter().all(|row| row.starts_with("10.0.1.")), "{after:?}");
}

/// Every place of the table, up to the highest id, is there to be used; one more is refused before anything is written.
#[test]
fn a_table_can_be_filled_to_the_last_place() {
    let namespace = Namespace::new();
    let config = network(0, |n| format!("id: {}, flags: [signal]", 256 - n));
    let ran = namespace.apply(&config, &["-q"]).expect(0);
    assert_eq!(ran.stderr, "");
    let size = table_size();
    let expected: Vec<String> =
        (1..=size).rev().map(|n| format!("10.0.0.{n} id {} signal", 256 - n)).collect();
    assert_eq!(namespace.endpoints(), expected);
    assert_eq!(namespace.apply(&config, &[]).expect(0).stdout, "no changes\n");

    let more = format!("{config}  more: {{address: 10.9.9.9, flags: [signal]}}\n");
    let ran = namespace.apply(&more.replace("[signal]", "[subflow]"), &["-q"]).expect(5);
    let told = format!("{} endpoints are needed, but this kernel holds at most {size}", size + 1);
    assert!(ran.stderr.contains(&told), "{}", ran.stderr);
    assert_eq!(namespace.endpoints(), expected);
}

#[test]
fn with_room_additions_come_first() {
    let namespace = Namespace::new();
    namespace.ip("mptcp endpoint add 10.0.0.1 subflow");
    namespace.ip("mptcp endpoint add 10.0.0.2 subflow");
    let config = endpoints(&[("10.0.1.1", "flags: [subflow]"), ("10.0.1.2", "flags: [subflow]")]);
    assert_eq!(signs(&namespace.apply(&config, &[]).expect(0).stdout), "++--");
}

#[test]
fn only_the_endpoint_that_differs_is_replaced() {
    let namespace = Namespace::new();
    namespace.links(&[("v0", "v1")]);
    for row in ["10.0.0.1 id 1 subflow dev v0", "10.0.0.2 id 2 subflow", "10.0.0.3 id 3 signal"] {
        namespace.ip(&format!("mptcp endpoint add {row}"));
    }
    let config = endpoints(&[
        ("10.0.0.1", "dev: v1, flags: [subflow]"),
        ("10.0.0.2", "flags: [subflow]"),
        ("10.0.0.3", "flags: [subflow, backup]"),
    ]);
    let ran = namespace.apply(&config, &[]).expect(0);
    assert_eq!(
        ran.stdout,
        "\
- 10.0.0.1 id 1 subflow dev v0   e0, dev differs, closes its subflows
+ 10.0.0.1 id 1 subflow dev v1   e0
- 10.0.0.3 id 3 signal   e2, flags differ, closes its subflows
+ 10.0.0.3 id 3 subflow backup   e2
applied: 2 added, 0 changed, 2 removed
"
    );
    assert_eq!(
        namespace.endpoints(),
        ["10.0.0.1 id 1 subflow dev v1", "10.0.0.2 id 2 subflow", "10.0.0.3 id 3 subflow backup"]
    );
}

#[test]
fn an_interface_that_was_recreated_is_drift() {
    let namespace = Namespace::new();
    namespace.links(&[("v0", "v1")]);
    let config = endpoints(&[("10.0.0.1", "dev: v0, flags: [subflow]")]);
    namespace.apply(&config, &[]).expect(0);
    namespace.ip("link delete v0");
    namespace.links(&[("w0", "w1"), ("v0", "v1")]);
    let ran = namespace.apply(&config, &[]).expect(0);
    assert_eq!(signs(&ran.stdout), "-+");
    assert!(ran.stdout.contains("e0, its interface is gone, closes its subflows"), "{}", ran.stdout);
    assert_eq!(namespace.endpoints(), ["10.0.0.1 id 1 subflow dev v0"]);
    // A new name for the same interface is none.
    namespace.ip("link set v0 down");
    namespace.ip("link set v0 name v9");
    let renamed = config.replace("dev: v0", "dev: v9");
    assert_eq!(namespace.apply(&renamed, &[]).expect(0).stdout, "no changes\n");
}

#[test]
fn an_id_that_is_declared_for_another_endpoint_is_taken_over() {
    let namespace = Namespace::new();
    namespace.ip("mptcp endpoint add 10.0.0.1 id 7 subflow");
    let config = endpoints(&[("10.0.0.1", "flags: [subflow]"), ("10.0.0.2", "id: 7, flags: [subflow]")]);
    let ran = namespace.apply(&config, &[]).expect(0);
    assert!(ran.stdout.contains("its id is declared for another endpoint"), "{}", ran.stdout);
    let after = namespace.endpoints();
    assert!(after.contains(&"10.0.0.2 id 7 subflow".to_owned()), "{after:?}");
    assert_eq!(after.len(), 2);
    assert_eq!(namespace.apply(&config, &[]).expect(0).stdout, "no changes\n");
}

/// The kernel cannot listen on an address's port while the endpoint that goes listens there on all addresses.
#[test]
fn a_port_moves_from_the_wildcard_to_an_address() {
    let namespace = Namespace::new();
    namespace.ip("address add 203.0.113.1/32 dev lo");
    namespace.ip("mptcp endpoint add 0.0.0.0 port 8443 id 9 signal");
    let config = endpoints(&[("203.0.113.1", "port: 8443, flags: [signal]")]);
    assert_eq!(signs(&namespace.apply(&config, &[]).expect(0).stdout), "-+");
    let after = namespace.endpoints();
    assert!(after.len() == 1 && after[0].starts_with("203.0.113.1 port 8443 id "), "{after:?}");
}

/// Linux 6.18 and later keep the flag; those before drop it without a word, which must not become a loop.
#[test]
fn a_flag_that_the_kernel_drops_is_exit_5() {
    let namespace = Namespace::new();
    namespace.ip("mptcp endpoint add 10.0.0.1 id 1 subflow");
    let config = endpoints(&[("10.0.0.1", "flags: [subflow, laminar]"), ("10.0.0.2", "flags: [signal]")]);
    let ran = namespace.apply(&config, &[]);
    if kernel_release() >= (6, 18) {
        ran.expect(0);
        assert_eq!(namespace.endpoints(), ["10.0.0.1 id 1 subflow laminar", "10.0.0.2 id 2 signal"]);
    } else {
        let ran = ran.expect(5);
        assert!(ran.stderr.contains("this kernel does not know the flag laminar"), "{}", ran.stderr);
        assert_eq!(namespace.endpoints(), ["10.0.0.1 id 1 subflow"]);
    }
}

/// Small and repeatable; what it draws is printed when a test fails.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    /// Some of the addresses 10.0.0.1 to 10.0.0.9, each with an id of its own, perhaps left to the kernel, and flags.
    fn rows(&mut self, most: usize) -> Vec<(String, Option<usize>, &'static str)> {
        const FLAGS: [&str; 6] =
            ["subflow", "subflow backup", "subflow fullmesh", "signal", "signal backup", "subflow"];
        let mut rows = Vec::new();
        let mut ids: Vec<usize> = (1..=9).collect();
        for address in 1..=9 {
            if rows.len() < most && self.roll(3) > 0 {
                let id = ids.remove(self.roll(ids.len()));
                let id = (self.roll(2) == 0).then_some(id);
                rows.push((format!("10.0.0.{address}"), id, FLAGS[self.roll(FLAGS.len())]));
            }
        }
        rows
    }
}

/// Each change is reached in one run, is what `ip mptcp` then shows, and leaves nothing for a second run.
#[test]
fn any_table_becomes_any_other() {
    let namespace = Namespace::new();
    for seed in 0..25 {
        let mut dice = Dice(seed);
        namespace.ip("mptcp endpoint flush");
        for (address, id, flags) in dice.rows(8) {
            let id = id.map(|id| format!("id {id}")).unwrap_or_default();
            // An id that the kernel has given away already is no table that could be.
            let mut command = namespace.command("ip");
            command.args(format!("mptcp endpoint add {address} {id} {flags}").split_whitespace());
            crate::support::run(command, "");
        }
        let before = namespace.endpoints();
        let wanted = dice.rows(8);
        let rows: Vec<(String, String)> = wanted
            .iter()
            .map(|(address, id, flags)| {
                let id = id.map(|id| format!("id: {id}, ")).unwrap_or_default();
                (address.clone(), format!("{id}flags: [{}]", flags.replace(' ', ", ")))
            })
            .collect();
        let rows: Vec<(&str, &str)> = rows.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        let config =
            if rows.is_empty() { "{version: 1, endpoints: {}}".to_owned() } else { endpoints(&rows) };
        let ran = namespace.apply(&config, &[]).expect(0);
        let after = namespace.endpoints();
        assert_eq!(after.len(), wanted.len(), "seed {seed}: {before:?}\n{config}{}{after:?}", ran.stdout);
        for (address, id, flags) in &wanted {
            let found =
                after.iter().find(|row| row.starts_with(&format!("{address} "))).expect("the address");
            assert!(found.ends_with(&format!(" {flags}")), "seed {seed}: {found} is not {flags}");
            let fixed = id.map(|id| format!(" id {id} ")).unwrap_or_default();
            assert!(found.contains(&fixed), "seed {seed}: {found} has not the id{fixed}");
            // What was there with these flags, and no other id is asked for, was not touched.
            let there = before.iter().find(|row| row.starts_with(&format!("{address} ")));
            let kept = there.is_some_and(|row| {
                row.ends_with(&format!(" {flags}")) && id.is_some() && row.contains(&fixed)
            });
            assert!(!kept || !ran.stdout.contains(&format!(" {address} ")), "seed {seed}: {}", ran.stdout);
        }
        assert_eq!(namespace.apply(&config, &[]).expect(0).stdout, "no changes\n", "seed {seed}");
    }
}
