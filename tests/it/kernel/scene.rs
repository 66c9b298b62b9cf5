//! A change of every kind, in a namespace that can be put back to where it starts, as often as a test likes.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;

use crate::support::Namespace;

use super::strace::{self, Traced};

/// What is there before: two uplinks and three endpoints of the program's own, beside a foreign rule and a foreign endpoint.
const START: &str = "\
version: 1
prune: false
uplinks:
  left: {dev: v1, gateway: 10.2.0.254}
  kept: {dev: v0, gateway: 10.1.0.253}
endpoints:
  a: {address: 10.0.0.1, id: 1, flags: [subflow]}
  b: {address: 10.0.0.2, id: 2, flags: [subflow]}
  e: {address: 10.0.0.5, id: 5, flags: [subflow]}
";

/// From there it takes every kind of step, and every way to ask the kernel.
pub const GOAL: &str = "\
version: 1
prune: false
limits: {subflows: 4}
sysctls: {stale_loss_cnt: 9}
uplinks:
  kept: {dev: v0, gateway: 10.1.0.254}
  more: {dev: w0, gateway: [10.3.0.254, '2001:db8:3::fe']}
endpoints:
  a: {address: 10.0.0.1, id: 1, flags: [subflow, backup]}
  b: {address: 10.0.0.2, id: 12, flags: [subflow]}
  c: {address: 10.0.0.3, dev: v0, flags: [subflow]}
  d: {address: 10.0.0.4, port: 8443, id: 14, flags: [signal]}
  f: {dev: v0, family: ipv4, flags: [signal]}
";

/// Its rules and routes: each address has two rules, and each family of an uplink a route.
const GOAL_ROUTING: usize = 3 * 2 + 3;

/// Its endpoints.
const GOAL_ADDRESSES: [&str; 5] = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.1.0.1"];

/// Removes what the record says is the program's own.
const NOTHING: &str = "{version: 1, prune: false, endpoints: {}}";

/// The one endpoint that the program never made.
pub const FOREIGN: &str = "10.9.9.9 id 9 signal";

/// The row that the goal has no endpoint for.
pub const SURPLUS: &str = "10.0.0.5 id 5 subflow";

const RESET: &str = "\
echo 4 >/proc/sys/net/mptcp/stale_loss_cnt
ip -6 -batch - <<END
rule flush protocol 109
route flush table all proto 109
END
ip -batch - <<END
mptcp endpoint flush
mptcp limits set subflows 2 add_addr_accepted 0
mptcp endpoint add 10.0.0.1 id 1 subflow
mptcp endpoint add 10.0.0.2 id 2 subflow
mptcp endpoint add 10.0.0.5 id 5 subflow
mptcp endpoint add 10.9.9.9 id 9 signal
rule flush protocol 109
route flush table all proto 109
route add default via 10.2.0.254 dev v1 table TABLE_OF_V1 proto 109
route add default via 10.1.0.253 dev v0 table TABLE_OF_V0 proto 109
rule add from 10.2.0.1 lookup main suppress_prefixlength 0 priority 8684 protocol 109
rule add from 10.2.0.1 lookup TABLE_OF_V1 priority 8685 protocol 109
rule add from 10.1.0.1 lookup main suppress_prefixlength 0 priority 8684 protocol 109
rule add from 10.1.0.1 lookup TABLE_OF_V0 priority 8685 protocol 109
END
";

const SHOW: &str = "\
cat /proc/sys/net/mptcp/stale_loss_cnt
ip -6 -batch - <<END
rule
route show table all
END
ip -4 -batch - <<END
mptcp endpoint show
mptcp limits show
rule
route show table all
END
";

/// The system calls of an undisturbed run to the goal.
#[track_caller]
pub fn undisturbed() -> Vec<String> {
    let Traced { ran, calls } = strace::apply(&Scene::new().namespace, &[], GOAL);
    ran.expect(0);
    calls
}

/// Tries each case from the start of a scene, several at once: most of the time the kernel waits.
pub fn for_each<T: Send>(cases: Vec<T>, judge: impl Fn(&Scene, T) + Sync) {
    const THREADS: usize = 8;
    assert!(!cases.is_empty());
    let threads = THREADS.min(cases.len());
    let left = Mutex::new(cases.into_iter());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let scene = Scene::new();
                loop {
                    let next = left.lock().expect("no panic holds it").next();
                    let Some(case) = next else { break };
                    scene.reset();
                    judge(&scene, case);
                }
            });
        }
    });
}

/// The namespace, and what is known of it.
pub struct Scene {
    /// Where it happens.
    pub namespace: Namespace,
    /// The record of the program's own endpoints at the start: path and contents.
    record: (PathBuf, Vec<u8>),
    /// The script that puts everything back to the start.
    reset: String,
    /// The state at the start.
    pub before: Vec<String>,
    /// The state that an undisturbed run reaches.
    pub goal: Vec<String>,
}

impl Scene {
    /// Sets it, and leaves it at the start.
    #[track_caller]
    pub fn new() -> Scene {
        let namespace = Namespace::new();
        namespace.links(&[("v0", "v1"), ("w0", "w1")]);
        namespace.ip_batch(
            "address add 10.0.0.4/32 dev lo\naddress add 10.1.0.1/24 dev v0\naddress add 10.2.0.1/24 dev v1\n\
             address add 10.3.0.1/24 dev w0\naddress add 2001:db8:3::1/64 dev w0 nodad\n\
             rule add from 10.3.0.1 lookup 100 priority 8685\n",
        );
        namespace.ip(&format!("mptcp endpoint add {FOREIGN}"));
        namespace.apply(START, &[]).expect(0);
        let path = namespace.lock_file().with_extension("owned");
        let record = (path.clone(), fs::read(path).expect("a record"));
        let reset = ["v0", "v1"].iter().fold(RESET.to_owned(), |script, dev| {
            script.replace(&format!("TABLE_OF_{}", dev.to_uppercase()), &uplink_table(&namespace, dev))
        });
        let mut scene = Scene { namespace, record, reset, before: Vec::new(), goal: Vec::new() };
        scene.before = scene.state();
        scene.reset();
        assert_eq!(scene.state(), scene.before);
        scene.namespace.apply(GOAL, &[]).expect(0);
        scene.goal = scene.state();
        assert_eq!(scene.namespace.endpoints().len(), GOAL_ADDRESSES.len() + 1, "{:?}", scene.goal);
        let is_own = |row: &&String| row.contains(" proto 109");
        assert_eq!(scene.goal.iter().filter(is_own).count(), GOAL_ROUTING, "{:?}", scene.goal);
        scene.reset();
        scene
    }

    /// Puts everything back to the start.
    #[track_caller]
    pub fn reset(&self) {
        self.namespace.sh(&self.reset);
        for left in self.runtime_files() {
            fs::remove_file(self.namespace.runtime().join(left)).expect("removed");
        }
        let (path, bytes) = &self.record;
        fs::write(path, bytes).expect("written");
    }

    /// Endpoints, limits and the sysctl, as `ip` and the kernel show them; without the ids that the kernel chose.
    #[track_caller]
    pub fn state(&self) -> Vec<String> {
        let without_id = |row: &str| match row.split_once(" id ") {
            Some((address, rest)) if ["10.0.0.3", "10.1.0.1"].contains(&address) => {
                format!("{address} {}", rest.split_once(' ').map_or("", |(_, rest)| rest))
            }
            _ => row.to_owned(),
        };
        // The kernel's own routes come and go.
        let is_kernels = |line: &&str| line.contains(" proto kernel ");
        let shown = self.namespace.sh(SHOW);
        let lines = shown.lines().filter(|line| !is_kernels(line));
        let mut rows: Vec<String> = lines.map(|line| without_id(line.trim())).collect();
        rows.sort();
        rows
    }

    /// What the next run must find: a goal within reach, then every own endpoint known as one and no other program's, and
    /// no file that stays for good.
    #[track_caller]
    pub fn heals(&self, context: &str) {
        self.reaches_the_goal(context);
        assert_eq!(self.own(), GOAL_ADDRESSES.map(str::to_owned).into(), "{context}\nown endpoints");
    }

    /// The same, where the record could not be kept: less may be known, never more.
    #[track_caller]
    pub fn reaches_the_goal(&self, context: &str) {
        let ran = self.namespace.apply(GOAL, &["-q"]);
        assert_eq!((ran.code, self.state()), (0, self.goal.clone()), "{context}\nthen: {}", ran.stderr);
        assert!(!self.own().contains("10.9.9.9"), "{context}\na foreign endpoint is claimed");
        let kinds: Vec<String> = self
            .runtime_files()
            .iter()
            .map(|file| file.rsplit('.').next().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(kinds, ["lock", "owned"], "{context}\nfiles in the runtime folder");
    }

    /// Wherever a run has stopped, every row is known as the program's own, and not the foreign one.
    #[track_caller]
    pub fn knows_its_own(&self, context: &str) {
        let rows = self.namespace.endpoints();
        let own = rows.iter().filter(|row| *row != FOREIGN);
        let own: BTreeSet<String> =
            own.map(|row| row.split(' ').next().unwrap_or_default().to_owned()).collect();
        assert_eq!(self.own(), own, "{context}\nown endpoints");
    }

    /// The addresses of the endpoints that the program takes for its own.
    #[track_caller]
    pub fn own(&self) -> BTreeSet<String> {
        let plan = self.namespace.apply(NOTHING, &["--dry-run"]).expect(0).stdout;
        let removed = plan.lines().filter_map(|line| line.strip_prefix("- "));
        removed.map(|row| row.split(' ').next().unwrap_or_default().to_owned()).collect()
    }

    fn runtime_files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.namespace.runtime()).expect("the runtime folder");
        let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
        let mut names: Vec<String> =
            entries.map(|entry| name(entry).to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

/// The table of the uplink that an interface is: what the program calls it.
#[track_caller]
fn uplink_table(namespace: &Namespace, dev: &str) -> String {
    let line = namespace.ip(&format!("-o link show {dev}"));
    let index: u32 = line.split(':').next().and_then(|index| index.parse().ok()).expect("an index");
    (868_400_000 + index).to_string()
}
