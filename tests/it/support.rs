//! What the tests share: the program under test in a clean environment, and network namespaces of their own.

use std::io::{PipeReader, PipeWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use proptest::prelude::ProptestConfig;
use proptest::test_runner::RngSeed;
use tempfile::TempDir;

/// The folder of the project.
pub fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where the program under test lies: the one that cargo built beside the tests, unless the environment names another,
/// such as the release build on another kernel.
pub fn program_path() -> &'static str {
    static PATH: LazyLock<String> = LazyLock::new(|| {
        let named = std::env::var("MPTCP_APPLY_TEST_PROGRAM");
        named.unwrap_or_else(|_| env!("CARGO_BIN_EXE_mptcp-apply").to_owned())
    });
    &PATH
}

/// The program under test, without anything of the caller's environment.
pub fn program() -> Command {
    clean(Command::new(program_path()))
}

/// A command without anything of the caller's environment.
pub fn clean(mut command: Command) -> Command {
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("LC_ALL", "C.UTF-8");
    command
}

/// What a run printed, and how it ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Ran {
    /// Exit code; a signal is none of ours.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// Everything on one page, for messages.
    #[track_caller]
    pub fn expect(self, code: i32) -> Ran {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

/// Runs a command to its end with this standard input.
#[track_caller]
pub fn run(mut command: Command, input: &str) -> Ran {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    // A program that needs no input may end before it has read any.
    let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
    finish(child)
}

/// Waits for the end of what was started with its output piped.
#[track_caller]
pub fn finish(child: Child) -> Ran {
    let Output { status, stdout, stderr } = child.wait_with_output().expect("waited");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    let (stdout, stderr) = (text(stdout), text(stderr));
    let code = status.code().unwrap_or_else(|| panic!("ended by {status}:\n{stdout}{stderr}"));
    Ran { code, stdout, stderr }
}

/// A network namespace, with a runtime folder of its own. It ends with the value.
pub struct Namespace {
    holder: Child,
    /// What commands enter beside the network namespace.
    entered: &'static [&'static str],
    /// For files of the test.
    pub folder: TempDir,
}

impl Namespace {
    /// Makes one, through a user namespace unless this is root.
    ///
    /// # Panics
    /// When the machine does not allow it: a test that cannot run has not passed.
    #[track_caller]
    pub fn new() -> Namespace {
        let unshare: &[&str] = if is_root() { &["--net"] } else { &["--net", "--user", "--map-root-user"] };
        Namespace::held_by(Command::new("unshare"), unshare, "true")
    }

    /// Makes one whose `/run` is its own too, so that named namespaces in it meet no other program's, and end with it.
    #[track_caller]
    pub fn with_own_run() -> Namespace {
        let unshare: &[&str] = if is_root() {
            &["--net", "--mount"]
        } else {
            &["--net", "--mount", "--user", "--map-root-user"]
        };
        let mut made = Namespace::held_by(Command::new("unshare"), unshare, "mount -t tmpfs none /run");
        made.entered = &["--mount"];
        made
    }

    /// Makes another one beside this one, which links can reach.
    #[track_caller]
    pub fn beside(&self) -> Namespace {
        Namespace::held_by(self.command("unshare"), &["--net"], "true")
    }

    #[track_caller]
    fn held_by(mut unshare: Command, arguments: &[&str], prepare: &str) -> Namespace {
        let mut holder = unshare
            .args(arguments)
            .args(["sh", "-c", &format!("{prepare} && echo ready && exec cat")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("unshare (of util-linux) starts");
        let mut first = [0; 6];
        let ready = std::io::Read::read_exact(holder.stdout.as_mut().expect("piped"), &mut first);
        if ready.is_err() {
            let output = holder.wait_with_output().expect("waited");
            panic!(
                "this machine allows no network namespace, so this test cannot run: {}\n\
                 run the tests as root, or allow user namespaces (sysctl user.max_user_namespaces)",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        let namespace =
            Namespace { holder, entered: &[], folder: TempDir::new().expect("a temporary folder") };
        namespace.ip("link set lo up");
        let limits = namespace.ip("mptcp limits show");
        assert!(limits.contains("subflows"), "`ip mptcp` does not work here: {limits}");
        namespace
    }

    /// The process that holds it, for `ip link ... netns PID`.
    pub fn pid(&self) -> u32 {
        self.holder.id()
    }

    /// A command inside.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.holder.id().to_string(), "--net"]).args(self.entered);
        if !is_root() {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.arg(program);
        let mut command = clean(command);
        command.env("RUNTIME_DIRECTORY", self.runtime());
        command
    }

    /// The runtime folder of runs inside.
    pub fn runtime(&self) -> PathBuf {
        self.folder.path().join("runtime")
    }

    /// A second instance of the test binary inside, which runs one ignored test. A process has to be inside before it
    /// opens a socket, and a thread of the tests cannot be moved there by an ordinary user.
    pub fn second_instance(&self, test: &str) -> Command {
        let program = std::env::current_exe().expect("this program");
        let mut command = self.command(program.to_str().expect("UTF-8"));
        command.args(["--exact", test, "--ignored", "--nocapture"]);
        command
    }

    /// The program under test inside, with this configuration on standard input.
    #[track_caller]
    pub fn apply(&self, config: &str, options: &[&str]) -> Ran {
        let mut command = self.command(program_path());
        command.args(options).arg("-");
        run(command, config)
    }

    /// `ip` inside, the second client that judges: its words and what it printed.
    #[track_caller]
    pub fn ip(&self, arguments: &str) -> String {
        let mut command = self.command("ip");
        command.args(arguments.split_whitespace());
        let ran = run(command, "");
        assert_eq!(ran.code, 0, "ip {arguments}: {}", ran.stderr);
        ran.stdout
    }

    /// A script of the shell inside: what it printed.
    #[track_caller]
    pub fn sh(&self, script: &str) -> String {
        let mut command = self.command("sh");
        command.args(["-euc", script]);
        run(command, "").expect(0).stdout
    }

    /// Many commands of `ip` in one run of it, a line each.
    #[track_caller]
    pub fn ip_batch(&self, commands: &str) {
        let mut command = self.command("ip");
        command.args(["-batch", "-"]);
        run(command, commands).expect(0);
    }

    /// The table as `ip mptcp endpoint show` prints it, a line a row.
    #[track_caller]
    pub fn endpoints(&self) -> Vec<String> {
        ip_rows(&self.ip("mptcp endpoint show"))
    }

    /// The limits as `ip mptcp limits show` prints them.
    #[track_caller]
    pub fn limits(&self) -> String {
        self.ip("mptcp limits show").trim().to_owned()
    }

    /// The lock file that the runs so far made.
    #[track_caller]
    pub fn lock_file(&self) -> PathBuf {
        let entries = std::fs::read_dir(self.runtime()).expect("the runtime folder");
        let mut paths = entries.map(|entry| entry.expect("an entry").path());
        paths.find(|path| path.extension().is_some_and(|kind| kind == "lock")).expect("a lock file")
    }

    /// Makes interfaces that are up: pairs of veth, one name a side.
    #[track_caller]
    pub fn links(&self, pairs: &[(&str, &str)]) {
        for (one, other) in pairs {
            self.ip(&format!("link add {one} type veth peer name {other}"));
            self.ip(&format!("link set {one} up"));
            self.ip(&format!("link set {other} up"));
        }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // It ends by itself when its standard input closes; waiting keeps no zombie.
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}

/// A pipe that is full, and that nothing reads until the test does.
pub fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    writer.write_all(&[b'\n'; 65536]).expect("written");
    (reader, writer)
}

/// The lines that `ip mptcp` printed, without blanks at the ends; flags that an older `ip` has no word for get theirs.
pub fn ip_rows(printed: &str) -> Vec<String> {
    let table = printed.replace("rawflags 10", "implicit").replace("rawflags 20", "laminar");
    table.lines().map(|line| line.trim().to_owned()).collect()
}

/// Whether the tests run as root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Major and minor version of the running kernel. What has it decides what a test may expect, and then only.
pub fn kernel_release() -> (u32, u32) {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// How many endpoints this kernel holds.
pub fn table_size() -> usize {
    if kernel_release() >= (7, 2) { 255 } else { 8 }
}

/// The largest value that either limit may have in this kernel.
pub fn limits_max() -> u32 {
    if kernel_release() >= (7, 2) { 64 } else { 8 }
}

/// How long something may take that is to be so quick: longer where `MPTCP_APPLY_TEST_SLOWNESS` says that the machine is
/// so many times slower, as an emulated one is.
pub fn allowed(quick: Duration) -> Duration {
    let named = std::env::var("MPTCP_APPLY_TEST_SLOWNESS").ok().and_then(|text| text.parse::<u32>().ok());
    quick * named.unwrap_or(1)
}

/// Looks again and again, for a minute at most: an emulated machine is slow.
#[track_caller]
pub fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what} did not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What random cases come from: the same every time, so that a change alone decides; `PROPTEST_RNG_SEED` gives others.
pub fn seed() -> u64 {
    match ProptestConfig::default().rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => 1,
    }
}

/// As many random cases, of [`seed`].
pub fn repeatable(cases: u32) -> ProptestConfig {
    let seed = seed();
    println!("random cases of seed {seed}; PROPTEST_RNG_SEED={seed} in the environment gives them again");
    let rng_seed = RngSeed::Fixed(seed);
    ProptestConfig { cases, rng_seed, failure_persistence: None, ..ProptestConfig::default() }
}
