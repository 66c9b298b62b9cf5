//! The table changes at one certain moment of a run: between reading and writing, and between two writes.
//!
//! `strace` holds the program behind a system call of its own; meanwhile `ip mptcp` does what another program might.

use crate::support::{Namespace, Ran};

use super::scene::{self, FOREIGN, GOAL, Scene};
use super::strace::{self, Held};

/// The state is read, the plan is made and announced, and nothing is written yet.
fn held_before_the_first_step<'n>(namespace: &'n Namespace, config: &str) -> Held<'n> {
    strace::hold(namespace, "rename:when=1", config)
}

/// Holds a run from the start to the goal there, changes the table, and lets it go on.
#[track_caller]
fn disturbed(changes: &[&str]) -> (Scene, Ran) {
    let scene = Scene::new();
    let held = held_before_the_first_step(&scene.namespace, GOAL);
    for change in changes {
        scene.namespace.ip(&format!("mptcp {change}"));
    }
    let ran = held.release();
    (scene, ran)
}

/// The goal, without some rows that another program has removed, and with some that are nobody's but theirs.
#[track_caller]
fn assert_goal_beside(scene: &Scene, gone: &[&str], foreign: &[&str]) {
    let left = scene.goal.iter().map(String::as_str).filter(|row| !gone.contains(row));
    let mut expected: Vec<&str> = left.chain(foreign.iter().copied()).collect();
    expected.sort();
    assert_eq!(scene.state(), expected);
    assert!(foreign.iter().all(|row| !scene.own().contains(row.split(' ').next().unwrap_or_default())));
}

/// DEL_ADDR goes by the id alone, and the id of a row that was to go is another one's now.
#[test]
fn an_id_that_was_given_to_another_row() {
    let (scene, ran) = disturbed(&["endpoint delete id 5", "endpoint add 10.7.7.7 id 5 signal"]);
    ran.expect(0);
    assert_goal_beside(&scene, &[], &["10.7.7.7 id 5 signal"]);
}

#[test]
fn rows_that_vanished() {
    let (scene, ran) = disturbed(&["endpoint delete id 1", "endpoint delete id 5"]);
    ran.expect(0);
    assert_goal_beside(&scene, &[], &[]);
}

#[test]
fn a_table_that_was_flushed_and_filled_by_somebody_else() {
    let (scene, ran) = disturbed(&["endpoint flush", "endpoint add 10.7.7.7 id 5 signal"]);
    ran.expect(0);
    assert_goal_beside(&scene, &[FOREIGN], &["10.7.7.7 id 5 signal"]);
}

/// Nobody can tell whose it is but the record, and it was not this run that made it.
#[test]
fn an_address_that_somebody_else_has_added() {
    let (scene, ran) = disturbed(&["endpoint add 10.0.0.3 dev v0 id 33 subflow"]);
    ran.expect(0);
    assert_goal_beside(&scene, &[], &[]);
    assert!(!scene.own().contains("10.0.0.3"), "{:?}", scene.own());
}

#[test]
fn an_address_that_somebody_else_has_added_otherwise() {
    let (scene, ran) = disturbed(&["endpoint add 10.0.0.3 id 33 signal"]);
    ran.expect(0);
    // It had to be replaced, and is the program's own then.
    assert_goal_beside(&scene, &[], &[]);
    assert!(scene.own().contains("10.0.0.3"), "{:?}", scene.own());
}

/// An id that is fixed in the file, and that `prune: false` leaves to the process that has it.
#[test]
fn an_id_that_somebody_else_has_taken() {
    let (scene, ran) = disturbed(&["endpoint add 10.7.7.7 id 12 signal"]);
    // The foreign row is not as before.
    let ran = ran.expect(3);
    assert!(ran.stderr.contains("the id is held by 10.7.7.7 id 12 signal"), "{}", ran.stderr);
    let mut expected = scene.before.clone();
    expected.push("10.7.7.7 id 12 signal".to_owned());
    expected.sort();
    assert_eq!(scene.state(), expected);
    scene.namespace.ip("mptcp endpoint delete id 12");
    scene.heals("afterwards");
}

#[test]
fn settings_that_somebody_else_has_changed() {
    let (scene, ran) =
        disturbed(&["limits set subflows 7 add_addr_accepted 3", "endpoint change id 1 backup"]);
    ran.expect(0);
    let state: Vec<String> =
        scene.state().iter().map(|row| row.replace("add_addr_accepted 3", "add_addr_accepted 0")).collect();
    assert_eq!(state, scene.goal);
}

/// The steps so far stand, and are not what the plan saw.
#[test]
fn a_change_in_the_middle_of_the_steps() {
    let sends = strace::count(&scene::undisturbed(), "sendto");
    scene::for_each((1..=sends).collect(), |scene, number| {
        let held = strace::hold(&scene.namespace, &format!("sendto:when={number}"), GOAL);
        for change in ["endpoint flush", "limits set subflows 1", "endpoint add 10.7.7.7 id 77 signal"] {
            scene.namespace.ip(&format!("mptcp {change}"));
        }
        let ran = held.release();
        // Behind the last reading nobody can know.
        if number < sends {
            assert_eq!(ran.code, 0, "{number}: {}", ran.stderr);
        }
        scene.namespace.apply(GOAL, &["-q"]).expect(0);
        assert_goal_beside(scene, &[FOREIGN], &["10.7.7.7 id 77 signal"]);
    });
}

/// Somebody who flushes the table whenever something was added. The plans have an end.
#[test]
fn a_writer_that_always_comes_in_between_is_given_up_on() {
    let namespace = Namespace::new();
    let config = "{version: 1, endpoints: {a: {address: 10.0.0.1, flags: [subflow]}}}";
    // The family, the state, links and addresses, and then by turns an addition and these three again.
    let held = strace::hold(&namespace, "sendto:when=5..25+4", config);
    for _ in 0..5 {
        namespace.ip("mptcp endpoint flush");
        held.to_the_next();
    }
    namespace.ip("mptcp endpoint flush");
    let ran = held.release().expect(1);
    assert!(ran.stderr.contains("gave up after 5 new plans"), "{}", ran.stderr);
    assert!(ran.stderr.contains("everything was put back as it was"), "{}", ran.stderr);
    assert_eq!(namespace.endpoints(), [""; 0]);
    namespace.apply(config, &[]).expect(0);
    assert_eq!(namespace.endpoints(), ["10.0.0.1 id 1 subflow"]);
}

/// While it holds the lock the others are turned away at once, however long it takes; when it is killed, none is.
#[test]
fn a_run_that_stands_still_keeps_the_others_out() {
    let scene = Scene::new();
    let other = "{version: 1, endpoints: {}}";
    let held = held_before_the_first_step(&scene.namespace, GOAL);
    for _ in 0..16 {
        scene.namespace.apply(other, &[]).expect(75);
    }
    assert_eq!(scene.state(), scene.before);
    held.release().expect(0);
    assert_eq!(scene.state(), scene.goal);
    scene.reset();
    drop(held_before_the_first_step(&scene.namespace, GOAL));
    scene.heals("after the one that stood still was killed");
}

/// The folder is removed under a run, lock and all.
#[test]
fn a_runtime_folder_that_vanishes_is_made_again() {
    let scene = Scene::new();
    let held = held_before_the_first_step(&scene.namespace, GOAL);
    std::fs::remove_dir_all(scene.namespace.runtime()).expect("removed");
    assert_eq!(held.release().expect(0).stderr.matches("cannot").count(), 0);
    scene.heals("afterwards");
}
