//! Two hosts with three links between them, each in a network namespace that ends with this process.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns, unshare};
use tempfile::TempDir;

use super::Result;

/// How many links there are.
pub const LINKS: usize = 3;
/// Where the server listens: every link leads there.
pub const SERVICE: &str = "10.9.9.9:5000";
/// How long subflows may take to come or to go.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the links are like.
#[derive(Clone, clap::Args)]
pub struct Links {
    /// Milliseconds that a packet takes, each way.
    #[arg(long, default_value_t = 20)]
    pub delay: u32,
    /// Megabits a second that a link carries, each way.
    #[arg(long, default_value_t = 8)]
    pub rate: u32,
    /// How TCP finds out how much a path can carry.
    #[arg(long, default_value = "cubic")]
    pub congestion: String,
}

/// The hosts, and what carries their packets.
pub struct Scene {
    /// Where endpoints change: 10.1.N.1 on the link cN.
    pub client: Host,
    /// The other end.
    pub server: Host,
    /// The program under test.
    pub program: PathBuf,
    /// For its files.
    pub folder: TempDir,
    relay: Child,
}

/// One network namespace.
pub struct Host {
    namespace: File,
}

impl Scene {
    /// # Errors
    /// Without root, TUN devices, `ip`, `tc` or sch_tbf.
    pub fn new(program: &Path, relay: &Path, links: &Links) -> Result<Scene> {
        let (client, server) = (Host::new()?, Host::new()?);
        let mut ours = "link set lo up\nmptcp limits set subflows 8 add_addr_accepted 8\n".to_owned();
        let mut theirs = ours.clone() + "address add 10.9.9.9/32 dev lo\n";
        for n in 1..=LINKS {
            ours += &format!(
                "tuntap add dev c{n} mode tun\naddress add 10.1.{n}.1/24 dev c{n}\nlink set c{n} up\n\
                 route add 10.9.9.9 via 10.1.{n}.2 dev c{n} metric {n}\nrule add from 10.1.{n}.1 table 10{n}\n\
                 route add default via 10.1.{n}.2 dev c{n} table 10{n}\n"
            );
            theirs += &format!(
                "tuntap add dev s{n} mode tun\naddress add 10.1.{n}.2/24 dev s{n}\nlink set s{n} up\n"
            );
        }
        for (host, batch, prefix) in [(&client, ours, 'c'), (&server, theirs, 's')] {
            host.ip(&batch)?;
            let queues: String = (1..=LINKS)
                .map(|n| {
                    format!(
                        "qdisc add dev {prefix}{n} root tbf rate {}mbit burst 16kb latency 50ms\n",
                        links.rate
                    )
                })
                .collect();
            host.batch("tc", &queues)?;
            host.inside(|| fs::write("/proc/sys/net/ipv4/conf/all/rp_filter", "0"))?;
        }
        let path = |host: &Host| format!("/proc/{}/fd/{}", std::process::id(), host.namespace.as_raw_fd());
        let mut relay = Command::new(relay)
            .args([path(&client), path(&server), (links.delay * 1000).to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        BufReader::new(relay.stdout.take().expect("piped")).read_line(&mut String::new())?;
        Ok(Scene { client, server, program: program.to_owned(), folder: TempDir::new()?, relay })
    }

    /// How many subflows the client has, those aside that end.
    pub fn subflows(&self) -> Result<usize> {
        let table = self.client.inside(|| fs::read_to_string("/proc/thread-self/net/tcp"))?;
        let is_established = |line: &&str| line.split_ascii_whitespace().nth(3) == Some("01");
        Ok(table.lines().filter(is_established).count())
    }

    /// Waits until there are that many; how many there are.
    pub fn wait_for_subflows(&self, count: usize) -> Result<usize> {
        let start = Instant::now();
        while self.subflows()? != count && start.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(20));
        }
        self.subflows()
    }
}

impl Drop for Scene {
    /// The relay ends with its standard input.
    fn drop(&mut self) {
        drop(self.relay.stdin.take());
        let _ = self.relay.wait();
    }
}

impl Host {
    fn new() -> Result<Host> {
        let new = || -> Result<File> {
            unshare(CloneFlags::CLONE_NEWNET)?;
            Ok(File::open("/proc/thread-self/ns/net")?)
        };
        let new = || new().map_err(|error| error.to_string());
        let namespace = std::thread::scope(|scope| scope.spawn(new).join().expect("no panic"))?;
        Ok(Host { namespace })
    }

    /// Does something inside. Processes that it starts are inside too.
    pub fn inside<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        let inside = || {
            setns(&self.namespace, CloneFlags::CLONE_NEWNET).expect("the namespace is there");
            act()
        };
        std::thread::scope(|scope| scope.spawn(inside).join().expect("no panic"))
    }

    /// Lets `ip` carry out some lines.
    pub fn ip(&self, lines: &str) -> Result<()> {
        self.batch("ip", lines)
    }

    fn batch(&self, program: &str, lines: &str) -> Result<()> {
        let mut command = Command::new(program);
        command.args(["-batch", "-"]).stdin(Stdio::piped());
        let mut child = self.inside(|| command.spawn())?;
        child.stdin.take().expect("piped").write_all(lines.as_bytes())?;
        let status = child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("{program} ended by {status}:\n{lines}").into()) }
    }
}
