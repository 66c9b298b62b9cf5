//! A machine with two uplinks, the watch, and one program that configures the links.

use std::fs;
use std::net::IpAddr;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

use crate::kernel::systemd::CONFIG;
use crate::kernel::systemd::machine::{Files, Machine, write};
use crate::support::{project, run, wait_for};

/// The managers, and what they and the tests start: one list, so that all machines have the same files.
const PACKAGES: [&str; 8] =
    ["busybox", "coreutils", "dash", "dbus", "dhcpcd-base", "dnsmasq-base", "network-manager", "udhcpc"];

const PASSWD: &str = "\
root:x:0:0::/root:/bin/sh
messagebus:x:100:100::/nonexistent:/usr/sbin/nologin
systemd-network:x:998:998::/:/usr/sbin/nologin
dhcpcd:x:101:101::/usr/lib/dhcpcd:/usr/sbin/nologin
";

const GROUP: &str = "root:x:0:\nmessagebus:x:100:\nsystemd-network:x:998:\n";

/// One of the routers, which `tests/managers/providers` starts.
const PROVIDER: &str = "\
[Service]
NetworkNamespacePath=/run/netns/r
ExecStart=/usr/sbin/dnsmasq --keep-in-foreground --conf-file=/etc/providers/%i.conf
ExecReload=busybox kill -HUP $MAINPID
";

/// The interfaces.
pub const DEVS: [&str; 2] = ["eth1", "eth2"];

/// The addresses that the providers give first.
pub const FIRST: [Option<&str>; 2] = [Some("10.0.1.50"), Some("10.0.2.50")];

/// The same once the second provider has [`Site::moves`].
pub const MOVED: [Option<&str>; 2] = [Some("10.0.1.50"), Some("10.0.2.60")];

/// When only the first interface has an IPv4 address.
pub const ONE: [Option<&str>; 2] = [Some("10.0.1.50"), None];

/// Within this time after the manager has done its part, all is right.
const BOUND: Duration = Duration::from_secs(1);

/// The time in which a manager has done its part: the longest lease and some.
const PATIENCE: Duration = Duration::from_secs(180);

/// A program that configures links.
pub struct Manager {
    /// Its name in the table.
    pub name: &'static str,
    /// The uplinks of the configuration.
    pub uplinks: &'static str,
    /// Whether it says that it has done all it wants to do at this interface.
    pub has_finished: fn(&Machine, &str) -> bool,
    /// The interfaces for which it makes an IPv4 default route.
    pub defaults: &'static [&'static str],
}

/// The machine. The monitor ends with it.
pub struct Site {
    pub machine: Machine,
    manager: Manager,
    monitor: Child,
    log: NamedTempFile,
}

/// What the watch has put back, which is in its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PutBack {
    /// Only another program removes rules.
    pub rules: usize,
    /// The kernel removes routes too, of all tables and silently, when an interface loses its last address.
    pub routes: usize,
}

impl Site {
    /// Boots it, makes the providers, and starts the watch. The manager is not started, and the links are down.
    #[track_caller]
    pub fn new(manager: Manager, prepare: impl FnOnce(&Files)) -> Site {
        let config = format!(
            "version: 1\nuplinks: {}\nendpoints:\n  \
             one: {{dev: eth1, flags: [subflow]}}\n  two: {{dev: eth2, flags: [subflow]}}\n",
            manager.uplinks
        );
        let machine = Machine::with(&PACKAGES, |files| {
            write(&files.root, "etc/passwd", PASSWD);
            write(&files.root, "etc/group", GROUP);
            write(&files.root, "etc/systemd/system/provider@.service", PROVIDER);
            let providers = fs::read_to_string(project().join("tests/managers/providers"));
            write(&files.root, "root/providers", &providers.expect("a script"));
            write(&files.root, CONFIG, &config);
            prepare(files);
        });
        machine.is_up();
        let log = NamedTempFile::new().expect("a temporary file");
        let mut monitor = machine.command("ip");
        monitor.args(["-ts", "monitor", "address", "route", "rule"]);
        monitor.stdout(log.reopen().expect("opened")).stdin(Stdio::null());
        let monitor = monitor.spawn().expect("ip starts");
        let site = Site { machine, manager, monitor, log };
        site.sh("sh /root/providers");
        site.machine.does("start mptcp-apply-watch");
        site
    }

    /// A command of a shell inside, which has to succeed.
    #[track_caller]
    pub fn sh(&self, script: &str) -> String {
        let mut command = self.machine.command("sh");
        command.args(["-euc", script]);
        let ran = run(command, "");
        assert_eq!(ran.code, 0, "{script}: {}{}", ran.stdout, ran.stderr);
        ran.stdout
    }

    /// The second provider has another address for the machine from now on, and says so at the next renewal.
    #[track_caller]
    pub fn moves(&self) {
        self.sh("echo 02:00:00:00:00:02,10.0.2.60 >/etc/providers/2.hosts; systemctl reload provider@2");
    }

    /// Lets something happen, after which the interfaces have these IPv4 addresses. Waits until the manager has done its
    /// part, of which `ip monitor` prints `sign`, and then a second at most until the rules and routes fit.
    #[track_caller]
    pub fn event(&self, name: &str, script: &str, sign: &str, expected: [Option<&str>; 2]) -> PutBack {
        let (already, before) = (self.monitored().len(), self.put_back());
        let log = || self.monitored()[already..].to_owned();
        let who = self.manager.name;
        let start = Instant::now();
        self.sh(script);
        while !(log().contains(sign) && self.has_finished(expected)) {
            assert!(start.elapsed() < PATIENCE, "{who}, {name}: the manager has not finished");
            std::thread::sleep(Duration::from_millis(20));
        }
        let finished = Instant::now();
        loop {
            let is_late = finished.elapsed() > BOUND;
            let faults = self.faults();
            if faults.is_empty() {
                break;
            }
            assert!(!is_late, "{who}, {name}: {faults:#?}");
        }
        // It is logged when it is done.
        let log = log();
        let status = || self.machine.property("mptcp-apply-watch", "StatusText");
        wait_for("the log", || status().starts_with("as declared"));
        let after = self.put_back();
        let put_back = PutBack { rules: after.rules - before.rules, routes: after.routes - before.routes };
        let took = took(&log).map_or("nothing to do".to_owned(), |took| format!("{} ms", took.as_millis()));
        let manager = format!("{:.1} s", (finished - start).as_secs_f32());
        println!("| {who} | {name} | {manager} | {took} | {} | {} |", put_back.rules, put_back.routes);
        put_back
    }

    fn monitored(&self) -> String {
        fs::read_to_string(self.log.path()).expect("UTF-8")
    }

    /// What the watch has put back so far.
    pub fn put_back(&self) -> PutBack {
        let journal = self.machine.journal_of("warning");
        let count = |what: &str| {
            journal.lines().filter(|line| line.starts_with("drift: ") && line.contains(what)).count()
        };
        PutBack { rules: count(" removed the rule "), routes: count(" the route ") }
    }

    /// Whether the interfaces have these IPv4 addresses, and those that have any all else that they get.
    fn has_finished(&self, expected: [Option<&str>; 2]) -> bool {
        let addresses = self.addresses();
        let of = |dev: &str, four: bool| -> Vec<String> {
            let own = addresses.iter().filter(|(on, address)| on == dev && address.is_ipv4() == four);
            own.map(|(_, address)| address.to_string()).collect()
        };
        let default = |family: &str, dev: &str| {
            !self.machine.ip(&format!("{family} route show default dev {dev}")).trim().is_empty()
        };
        DEVS.iter().zip(expected).all(|(dev, expected)| {
            let Some(expected) = expected else { return of(dev, true).is_empty() };
            of(dev, true) == [expected]
                && !of(dev, false).is_empty()
                && default("-6", dev)
                && (!self.manager.defaults.contains(dev) || default("-4", dev))
                && (self.manager.has_finished)(&self.machine, dev)
        })
    }

    /// The global addresses that can be used, and their interfaces.
    fn addresses(&self) -> Vec<(String, IpAddr)> {
        let listed = self.machine.ip("-o address show scope global");
        let usable = listed.lines().filter(|line| !line.contains("tentative"));
        let parse = |line: &str| {
            let mut words = line.split_whitespace().skip(1);
            let dev = words.next()?.to_owned();
            let (address, _) = words.nth(1)?.split_once('/')?;
            Some((dev, address.parse().ok()?))
        };
        usable.filter_map(parse).collect()
    }

    /// What is wrong with rules and routes: what the kernel lists, and where it would send packets to.
    fn faults(&self) -> Vec<String> {
        let ip = |arguments: &str| {
            let mut command = self.machine.command("ip");
            command.args(arguments.split(' '));
            run(command, "").stdout
        };
        let addresses = self.addresses();
        let mut faults = Vec::new();
        let mut expected = Vec::new();
        for (dev, address) in &addresses {
            let index = ip(&format!("-o link show dev {dev}"));
            let index = index.split(':').next().expect("an index");
            let table: u32 = 868_400_000 + index.parse::<u32>().unwrap_or_default();
            expected.push(format!("8684:\tfrom {address} lookup main suppress_prefixlength 0 proto 109"));
            expected.push(format!("8685:\tfrom {address} lookup {table} proto 109"));
            let target = if address.is_ipv4() { "203.0.113.9" } else { "2001:db8:9::9" };
            let way = ip(&format!("route get {target} from {address}"));
            if !way.contains(&format!(" dev {dev} table {table} ")) {
                faults.push(format!("{address} goes {way}"));
            }
        }
        expected.sort();
        let rules = ip("-4 rule") + &ip("-6 rule");
        let mut rules: Vec<&str> =
            rules.lines().filter(|rule| rule.contains(" proto 109")).map(str::trim).collect();
        rules.sort_unstable();
        if rules != expected {
            faults.push(format!("rules: {rules:#?}"));
        }
        for (family, four) in [("-4", true), ("-6", false)] {
            let mut devs: Vec<&String> =
                addresses.iter().filter(|(_, it)| it.is_ipv4() == four).map(|(dev, _)| dev).collect();
            devs.dedup();
            let routes = ip(&format!("{family} route show table all proto 109"));
            if routes.lines().count() != devs.len() {
                faults.push(format!("routes: {routes}"));
            }
        }
        faults
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("what changed in the machine:\n{}", self.monitored());
        }
        let _ = self.monitor.kill();
        let _ = self.monitor.wait();
    }
}

/// The time from the last change that another program made to the last that the watch made after it, by the clock of
/// `ip monitor`.
fn took(log: &str) -> Option<Duration> {
    let lines: Vec<&str> = log.lines().filter(|line| line.starts_with('[')).collect();
    let text = |line: &&str| line.split_once("] ").map_or(String::new(), |(_, text)| text.to_owned());
    // What comes back was removed by another program.
    let is_own = |at: usize| {
        let returns = |removed: &str| lines[at..].iter().any(|line| text(line) == removed);
        lines[at].contains(" proto 109") && !text(&lines[at]).strip_prefix("Deleted ").is_some_and(returns)
    };
    let last = (0..lines.len()).rfind(|at| is_own(*at))?;
    let cause = (0..last).rfind(|at| !is_own(*at))?;
    // The day has ended in between, at worst.
    let day = Duration::from_secs(24 * 60 * 60).as_micros();
    let micros = (moment(lines[last])? + day - moment(lines[cause])?) % day;
    Some(Duration::from_micros(micros.try_into().ok()?))
}

/// The time of day of a line such as `[2026-11-28T18:30:45.242363] ...`, in microseconds.
fn moment(line: &str) -> Option<u128> {
    let (time, _) = line.split_once('T')?.1.split_once(']')?;
    let (whole, micros) = time.split_once('.')?;
    let seconds = whole.split(':').try_fold(0, |sum, part| Some(60 * sum + part.parse::<u128>().ok()?))?;
    Some(1_000_000 * seconds + micros.parse::<u128>().ok()?)
}
