//! `monitor`: events of real connections, beside `ip mptcp monitor`.

mod output;
mod scenario;

use std::process::Command;

use serde_json::Value;

use crate::kernel::watcher::Watcher;
use crate::support::{Namespace, program_path, run, wait_for};

/// The program under test and `ip mptcp monitor`, which hear the same in one namespace.
pub struct Both {
    /// The program under test.
    pub ours: Watcher,
    /// The judge.
    pub theirs: Watcher,
}

impl Both {
    #[track_caller]
    pub fn start(namespace: &Namespace, options: &[&str]) -> Both {
        let mut ip = namespace.command("ip");
        ip.args(["mptcp", "monitor"]);
        let both = Both { ours: start(namespace, options), theirs: Watcher::run(ip) };
        wait_for("two that listen", || listeners(namespace) == 2);
        both
    }

    /// Waits until an event of that word came.
    #[track_caller]
    pub fn wait_for(&self, word: &str, condition: impl Fn(&Value) -> bool) {
        let came = || self.ours.runs().iter().any(|event| event["event"] == word && condition(event));
        wait_for(&format!("{word}, among {:?}", self.ours.lines()), came);
    }

    /// Waits until both have told equally much, which must be the same. The kernel goes from listener to listener, and
    /// may begin with another connection's event in between; those of one connection stay in order.
    #[track_caller]
    pub fn agree(&self) {
        let count = || (self.ours.count(), self.theirs.count());
        wait_for("as many events of both", || count().0 == count().1);
        let token = |digits: &str| u32::from_str_radix(digits, 16).unwrap_or(0);
        let (mut ours, mut theirs) = (self.ours.runs(), self.theirs.lines());
        ours.sort_by_key(|event| event["token"].as_str().map_or(0, token));
        theirs.sort_by_key(|line| {
            let digits = line.split("token=").nth(1).and_then(|rest| rest.split_whitespace().next());
            digits.map_or(0, token)
        });
        ours.iter().zip(&theirs).for_each(|(ours, theirs)| scenario::assert_same(ours, theirs));
    }

    /// The words of all events so far.
    pub fn words(&self) -> Vec<String> {
        self.ours.runs().iter().map(|event| event["event"].as_str().expect("a word").to_owned()).collect()
    }
}

/// The program under test, which prints JSON and need not listen yet.
#[track_caller]
fn start(namespace: &Namespace, options: &[&str]) -> Watcher {
    let mut command = command(namespace);
    command.args(["--format", "json"]).args(options);
    Watcher::run(command)
}

/// The program under test where no configuration is installed, unless options say where one is.
fn command(namespace: &Namespace) -> Command {
    let mut command = namespace.command(program_path());
    command.arg("monitor");
    command
}

/// How many sockets are in a group of generic netlink there.
#[track_caller]
pub fn listeners(namespace: &Namespace) -> usize {
    const GENERIC: &str = "16";
    let mut cat = namespace.command("cat");
    cat.arg("/proc/net/netlink");
    let table = run(cat, "").expect(0).stdout;
    let is_one = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.get(1) == Some(&GENERIC) && words.get(3).is_some_and(|groups| groups.contains(|c| c != '0'))
    };
    table.lines().filter(|line| is_one(line)).count()
}
