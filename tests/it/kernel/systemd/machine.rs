//! A container with a systemd of its own as its first process, and a network of its own.
//!
//! Needs root, since control groups take it, and systemd-nspawn. Its systemd is this system's, or a newer one that
//! `tests/systemd/usr` gets; its files are of the test's own, but for `/usr`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use tempfile::TempDir;

use crate::support::{Ran, clean, ip_rows, is_root, program_path, project, run, wait_for};

/// It ends with the value, or with the process that made it.
pub struct Machine {
    usr: PathBuf,
    boot: Child,
    leader: String,
    folder: TempDir,
}

/// A `/usr` with a systemd that is new enough, and with packages of Debian's.
fn usr(packages: &[&str]) -> PathBuf {
    let mut command = Command::new(project().join("tests/systemd/usr"));
    command.args(packages);
    let ran = run(command, "");
    assert_eq!(ran.code, 0, "there is no systemd 253 or later here, and none to be had: {}", ran.stderr);
    ran.stdout.trim().into()
}

impl Machine {
    /// Boots one with the units installed, none of them enabled, waits until that is done, and gives it an interface
    /// `eth0` with the addresses 10.0.0.1 to 10.0.0.4.
    #[track_caller]
    pub fn new() -> Machine {
        let machine = Machine::boot(|_| ());
        machine.is_up();
        machine.link("eth0", &["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"]);
        machine
    }

    /// Starts one whose files are prepared, below its root, and does not wait for the end of its booting.
    ///
    /// # Panics
    /// When this machine does not allow it: a test that cannot run has not passed.
    #[track_caller]
    pub fn boot(prepare: impl FnOnce(&Path)) -> Machine {
        static USR: LazyLock<PathBuf> = LazyLock::new(|| usr(&[]));
        Machine::on(USR.clone(), |files| prepare(&files.root))
    }

    /// The same with packages of Debian's, which `prepare` has to set up.
    #[track_caller]
    pub fn with(packages: &[&str], prepare: impl FnOnce(&Files)) -> Machine {
        Machine::on(usr(packages), prepare)
    }

    #[track_caller]
    fn on(usr: PathBuf, prepare: impl FnOnce(&Files)) -> Machine {
        assert!(
            is_root(),
            "this test boots a systemd, which takes root; `--skip kernel::systemd::` leaves such tests out"
        );
        let folder = tempfile::Builder::new().prefix("mptcp-apply-").tempdir().expect("a temporary folder");
        let files = Files::of(&folder, &usr);
        fs::create_dir_all(&files.extra).expect("made");
        let mut skeleton = Command::new(project().join("tests/systemd/root"));
        skeleton.arg(&files.root);
        run(skeleton, "").expect(0);
        install(&files.extra);
        prepare(&files);
        let (boot, leader) = start(&files, &folder);
        Machine { usr, boot, leader, folder }
    }

    /// Ends it, and starts it again with the files that it has by now.
    #[track_caller]
    pub fn reboot(&mut self) {
        self.end();
        (self.boot, self.leader) = start(&Files::of(&self.folder, &self.usr), &self.folder);
    }

    fn end(&mut self) {
        // It ends by itself when its standard input closes.
        drop(self.boot.stdin.take());
        let _ = self.boot.wait();
    }

    /// Waits until it has started all that it is to start.
    #[track_caller]
    pub fn is_up(&self) {
        wait_for("the end of booting", || {
            let state = self.systemctl("is-system-running").stdout;
            assert!(!state.starts_with("degraded"), "{}", self.systemctl("--failed").stdout);
            state == "running\n"
        });
    }

    /// A command inside, by its name there.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.leader, "--all", "--root", "--wd", program]);
        let mut command = clean(command);
        command.env("PATH", "/usr/sbin:/usr/bin");
        command
    }

    /// `systemctl` inside.
    #[track_caller]
    pub fn systemctl(&self, arguments: &str) -> Ran {
        let mut command = self.command("systemctl");
        command.arg("--no-pager").args(arguments.split(' '));
        run(command, "")
    }

    /// The same, which has to succeed.
    #[track_caller]
    pub fn does(&self, arguments: &str) {
        let ran = self.systemctl(arguments);
        assert_eq!(ran.code, 0, "systemctl {arguments}: {}{}", ran.stderr, self.journal());
    }

    /// What systemd knows of a unit by a name.
    #[track_caller]
    pub fn property(&self, unit: &str, name: &str) -> String {
        let ran = self.systemctl(&format!("show --property {name} --value {unit}")).expect(0);
        ran.stdout.trim().to_owned()
    }

    /// What the units and systemd itself have logged.
    pub fn journal(&self) -> String {
        self.journal_of("debug")
    }

    /// That which is at least so important.
    pub fn journal_of(&self, priority: &str) -> String {
        let mut command = self.command("journalctl");
        command.args(["--no-pager", "--output=cat", "--unit=mptcp-apply*", "--priority", priority]);
        run(command, "").stdout
    }

    /// The program inside, started by hand.
    #[track_caller]
    pub fn by_hand(&self, arguments: &[&str]) -> Ran {
        let mut command = self.command("mptcp-apply");
        command.args(arguments);
        run(command, "")
    }

    /// `ip` inside: its words and what it printed.
    #[track_caller]
    pub fn ip(&self, arguments: &str) -> String {
        let mut command = self.command("ip");
        command.args(arguments.split(' '));
        let ran = run(command, "");
        assert_eq!(ran.code, 0, "ip {arguments}: {}", ran.stderr);
        ran.stdout
    }

    /// Makes an interface that is up, with these addresses.
    #[track_caller]
    pub fn link(&self, name: &str, addresses: &[&str]) {
        self.ip(&format!("link add {name} type veth peer name {name}-peer"));
        self.ip(&format!("link set {name}-peer up"));
        for address in addresses {
            self.ip(&format!("address add {address}/32 dev {name}"));
        }
        self.ip(&format!("link set {name} up"));
    }

    /// The table as `ip mptcp endpoint show` prints it, a line a row.
    #[track_caller]
    pub fn endpoints(&self) -> Vec<String> {
        ip_rows(&self.ip("mptcp endpoint show"))
    }

    /// The value of a sysctl, by its path below `/proc/sys/net`.
    #[track_caller]
    pub fn sysctl(&self, name: &str) -> String {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.leader, "--net", "cat"]).arg(Path::new("/proc/sys/net").join(name));
        run(command, "").expect(0).stdout.trim().to_owned()
    }

    /// A file below `/proc` as the machine sees it, with its own numbers of processes.
    #[track_caller]
    pub fn proc(&self, path: &str) -> String {
        let path = self.seen("proc").join(path);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The lock file that the runs so far have made.
    #[track_caller]
    pub fn lock_file(&self) -> fs::File {
        let entries = fs::read_dir(self.seen("run/mptcp-apply")).expect("the runtime folder");
        let mut paths = entries.map(|entry| entry.expect("an entry").path());
        let path = paths.find(|path| path.extension().is_some_and(|kind| kind == "lock"));
        fs::File::open(path.expect("a lock file")).expect("opened")
    }

    /// A file with the mounts of the machine.
    fn seen(&self, path: &str) -> PathBuf {
        Path::new("/proc").join(&self.leader).join("root").join(path)
    }

    /// Changes a unit, which takes effect when it is started.
    #[track_caller]
    pub fn drop_in(&self, unit: &str, text: &str) {
        self.write(&format!("etc/systemd/system/{unit}.service.d/test.conf"), text);
        self.does("daemon-reload");
    }

    /// Writes a file of the machine.
    #[track_caller]
    pub fn write(&self, path: &str, text: &str) {
        write(&self.folder.path().join("root"), path, text);
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the journal of the machine:\n{}", self.journal());
        }
        self.end();
    }
}

/// Where the files of a machine are, before it is booted.
pub struct Files {
    /// Its root, without `/usr`.
    pub root: PathBuf,
    /// What its `/usr` has beside the packages.
    pub extra: PathBuf,
    /// What the packages have outside `/usr`.
    pub outside: PathBuf,
}

impl Files {
    fn of(folder: &TempDir, usr: &Path) -> Files {
        let outside = usr.parent().expect("not the root").to_owned();
        Files { root: folder.path().join("root"), extra: folder.path().join("extra"), outside }
    }

    /// Where that `/usr` is.
    fn usr(&self) -> PathBuf {
        self.outside.join("usr")
    }
}

/// Boots: the process that ends it, and the number of the first process inside.
#[track_caller]
fn start(files: &Files, folder: &TempDir) -> (Child, String) {
    let console = folder.path().join("console");
    let mut command = Command::new("unshare");
    command.arg("--mount").arg(project().join("tests/systemd/boot"));
    command.args([&files.root, &files.usr(), &files.extra]).arg(program_path());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(fs::File::create(&console).expect("made"));
    let mut boot = command.spawn().expect("unshare (of util-linux) starts");
    let mut leader = String::new();
    let mut stdout = BufReader::new(boot.stdout.take().expect("piped"));
    stdout.read_line(&mut leader).expect("UTF-8");
    let console = fs::read_to_string(console).unwrap_or_default();
    assert!(!leader.is_empty(), "no systemd boots here (Debian package systemd-container): {console}");
    (boot, leader.trim().to_owned())
}

/// Writes a file below a folder, with the folders on the way.
#[track_caller]
pub fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().expect("not the root")).expect("made");
    fs::write(path, text).expect("written");
}

/// Enables a unit before the machine boots, as a package or an image does.
#[track_caller]
pub fn enable(root: &Path, unit: &str) {
    want(root, "multi-user.target", unit);
}

/// Lets a target start a unit.
#[track_caller]
pub fn want(root: &Path, target: &str, unit: &str) {
    let wants = root.join(format!("etc/systemd/system/{target}.wants"));
    fs::create_dir_all(&wants).expect("made");
    symlink(Path::new("/usr/lib/systemd/system").join(unit), wants.join(unit)).expect("linked");
}

/// The units, as a package would install them; the program itself follows at boot.
fn install(usr: &Path) {
    let target = usr.join("lib/systemd/system");
    fs::create_dir_all(&target).expect("made");
    for entry in fs::read_dir(project().join("packaging/systemd")).expect("a folder") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), target.join(entry.file_name())).expect("copied");
    }
}
