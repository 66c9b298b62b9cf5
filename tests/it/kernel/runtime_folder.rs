//! The runtime folder in all its ways to be of no use: full, read-only, gone, or not what it should be.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use crate::support::{Namespace, Ran, is_root, program_path, run};

use super::strace;

const TWO: &str = "\
version: 1
prune: false
endpoints:
  a: {address: 10.0.0.1, id: 1, flags: [signal]}
  b: {address: 10.0.0.2, id: 2, flags: [signal]}
";

const NOTHING: &str = "{version: 1, prune: false, endpoints: {}}";

/// A line of the record that claims the foreign endpoint of these tests.
const CLAIM: &str = "10.9.9.9 0 9\n";

/// A record of this boot with that line.
fn claim() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("a boot");
    format!("boot {boot}{CLAIM}")
}

/// The program with this configuration; ended by `timeout` where it waits for something that never comes.
#[track_caller]
fn apply(namespace: &Namespace, config: &str) -> Ran {
    let mut command = namespace.command("timeout");
    command.args(["10", program_path(), "-"]);
    run(command, config)
}

/// Runs a script that sees `$APPLY FILE`, and the runtime folder as a file system of its own with these options.
#[track_caller]
fn on_a_file_system(namespace: &Namespace, options: &str, script: &str) -> Ran {
    for (name, config) in [("two", TWO), ("nothing", NOTHING)] {
        fs::write(namespace.folder.path().join(name), config).expect("written");
    }
    fs::create_dir(namespace.runtime()).expect("made");
    let mut command = namespace.command("unshare");
    command.args(["--mount", "sh", "-e", "-c"]);
    let mount = format!("mount -t tmpfs -o mode=755,{options} none \"$RUNTIME_DIRECTORY\"");
    command.arg(format!("{mount}\ncd {}\n{script}", namespace.folder.path().display()));
    command.env("APPLY", program_path());
    run(command, "")
}

#[test]
fn a_full_disk_keeps_nobody_from_applying() {
    let namespace = Namespace::new();
    namespace.ip("mptcp endpoint add 10.9.9.9 id 9 signal");
    let script = "\
head -c 4096 /dev/zero >runtime/filler
$APPLY -q two
ls runtime
$APPLY nothing
rm runtime/filler
$APPLY -q two
ls runtime";
    let ran = on_a_file_system(&namespace, "size=4k", script).expect(0);
    let files: Vec<_> = ran.stdout.lines().map(|name| name.rsplit('.').next().unwrap_or_default()).collect();
    // Not half a record: that would fill the disk further.
    assert_eq!(files, ["filler", "lock", "no changes", "lock"], "{}", ran.stderr);
    assert_eq!(
        namespace.endpoints(),
        ["10.0.0.1 id 1 signal", "10.0.0.2 id 2 signal", "10.9.9.9 id 9 signal"]
    );
}

/// The record that could be written is kept.
#[test]
fn what_a_full_disk_held_is_not_lost() {
    let namespace = Namespace::new();
    let script = "\
$APPLY -q two
echo '{version: 1, prune: false, endpoints: {c: {address: 10.0.0.3, id: 3, flags: [signal]}}}' >three
head -c 8192 /dev/zero >runtime/filler || true
$APPLY three 2>&1 | grep -c 'No space left on device'
rm runtime/filler
$APPLY -q three
$APPLY -q nothing";
    let ran = on_a_file_system(&namespace, "size=8k", script).expect(0);
    assert_eq!(ran.stdout, "1\n", "{}", ran.stderr);
    // The disk was full when it was made.
    assert_eq!(namespace.endpoints(), ["10.0.0.3 id 3 signal"]);
}

#[test]
fn a_file_system_without_room_for_a_file_is_a_warning() {
    let namespace = Namespace::new();
    let ran = on_a_file_system(&namespace, "nr_inodes=1", "$APPLY two; ls runtime").expect(0);
    assert!(ran.stdout.ends_with("applied: 2 added, 0 changed, 0 removed\n"), "{}", ran.stdout);
    assert!(ran.stderr.contains("cannot lock"), "{}", ran.stderr);
    assert!(ran.stderr.contains("cannot keep the record"), "{}", ran.stderr);
    assert!(ran.stderr.contains("No space left on device"), "{}", ran.stderr);
    assert_eq!(namespace.endpoints(), ["10.0.0.1 id 1 signal", "10.0.0.2 id 2 signal"]);
}

/// What it says still holds; what was added meanwhile is not in it.
#[test]
fn a_read_only_runtime_folder_is_a_warning() {
    let namespace = Namespace::new();
    namespace.ip("mptcp endpoint add 10.9.9.9 id 9 signal");
    let script = "\
$APPLY -q two
mount -o remount,ro none \"$RUNTIME_DIRECTORY\"
$APPLY nothing
mount -o remount,rw none \"$RUNTIME_DIRECTORY\"
$APPLY nothing
wc -c <$(ls runtime/*.owned)";
    let ran = on_a_file_system(&namespace, "size=64k", script).expect(0);
    assert!(
        ran.stdout.ends_with("applied: 0 added, 0 changed, 2 removed\nno changes\n0\n"),
        "{}",
        ran.stdout
    );
    assert!(ran.stderr.contains("cannot lock"), "{}", ran.stderr);
    assert!(ran.stderr.contains("Read-only file system"), "{}", ran.stderr);
    assert_eq!(namespace.endpoints(), ["10.9.9.9 id 9 signal"]);
}

/// A namespace with a foreign endpoint and two own ones, and the path of a file of its runtime folder.
fn with_a_record(kind: &str) -> (Namespace, PathBuf) {
    let namespace = Namespace::new();
    namespace.ip("mptcp endpoint add 10.9.9.9 id 9 signal");
    apply(&namespace, TWO).expect(0);
    let path = namespace.lock_file().with_extension(kind);
    (namespace, path)
}

fn mkfifo(path: &Path) {
    let mut command = std::process::Command::new("mkfifo");
    command.arg(path);
    run(command, "").expect(0);
}

/// Whatever lies where the lock should be: no waiting for it, no writing through it.
#[test]
fn a_lock_that_is_no_file_is_a_warning() {
    let (namespace, lock) = with_a_record("lock");
    let elsewhere = namespace.folder.path().join("elsewhere");
    let odd: [&dyn Fn(); 3] = [&|| fs::create_dir(&lock).expect("made"), &|| mkfifo(&lock), &|| {
        symlink(&elsewhere, &lock).expect("made")
    }];
    for (round, make) in odd.into_iter().enumerate() {
        fs::remove_file(&lock).or_else(|_| fs::remove_dir(&lock)).expect("removed");
        make();
        let config = format!("{{version: 1, prune: false, limits: {{subflows: {round}}}}}");
        let ran = apply(&namespace, &config).expect(0);
        assert!(
            ran.stderr.contains("cannot lock") && ran.stderr.contains("this user's alone"),
            "{}",
            ran.stderr
        );
        assert_eq!(namespace.limits(), format!("add_addr_accepted 0 subflows {round}"));
        assert!(!elsewhere.exists());
    }
}

/// A record that another program may have written is not believed, and not waited for.
#[test]
fn a_record_that_is_not_ones_own_claims_nothing() {
    let (namespace, record) = with_a_record("owned");
    let claims = namespace.folder.path().join("claims");
    let before = namespace.endpoints();
    let write = |mode| {
        fs::write(&record, claim()).expect("written");
        fs::set_permissions(&record, fs::Permissions::from_mode(mode)).expect("set");
    };
    let odd: [&dyn Fn(); 6] = [
        &|| fs::create_dir(&record).expect("made"),
        &|| mkfifo(&record),
        &|| {
            fs::write(&claims, claim()).expect("written");
            symlink(&claims, &record).expect("made");
        },
        &|| write(0o666),
        &|| write(0o664),
        // An ordinary user cannot give files away.
        &|| {
            write(if is_root() { 0o644 } else { 0o666 });
            is_root().then(|| chown(&record, Some(65534), None).expect("given away"));
        },
    ];
    for make in odd {
        fs::remove_file(&record).or_else(|_| fs::remove_dir(&record)).expect("removed");
        make();
        let ran = apply(&namespace, NOTHING).expect(0);
        assert!(ran.stderr.contains("not a file of this user's alone"), "{}", ran.stderr);
        assert_eq!(namespace.endpoints(), before);
    }
}

/// A number of a namespace is one of a boot, and a folder may outlive it.
#[test]
fn a_record_of_another_boot_claims_nothing() {
    let (namespace, record) = with_a_record("owned");
    for foreign in [CLAIM.to_owned(), format!("boot 0e2f\n{CLAIM}")] {
        fs::write(&record, foreign).expect("written");
        assert_eq!(apply(&namespace, NOTHING).expect(0).stderr, "");
        assert_eq!(namespace.endpoints().len(), 3);
    }
    fs::write(&record, claim()).expect("written");
    apply(&namespace, NOTHING).expect(0);
    assert_eq!(namespace.endpoints(), ["10.0.0.1 id 1 signal", "10.0.0.2 id 2 signal"]);
}

/// The claim is to the namespace: neither without its lock file nor by another folder does a second run get in, and what
/// has it is named.
#[test]
fn no_second_writer_gets_in_by_the_folder() {
    let namespace = Namespace::new();
    let held = strace::hold(&namespace, "sendto:when=3", TWO);
    fs::remove_dir_all(namespace.runtime()).expect("removed");
    let second = |folder: &str| {
        let mut command = namespace.command(program_path());
        command.arg("-").env("RUNTIME_DIRECTORY", namespace.folder.path().join(folder));
        let ran = run(command, NOTHING).expect(75);
        let holder = format!("process {}, {} -", held.pid(), program_path());
        assert!(ran.stderr.contains(&holder), "{}", ran.stderr);
    };
    second("runtime");
    second("another");
    held.release().expect(0);
    assert_eq!(namespace.endpoints(), ["10.0.0.1 id 1 signal", "10.0.0.2 id 2 signal"]);
    apply(&namespace, NOTHING).expect(0);
}

/// What makes no sense in it is dropped, and does no harm.
#[test]
fn a_damaged_record_claims_no_more_than_is_whole() {
    let (namespace, record) = with_a_record("owned");
    let whole = fs::read_to_string(&record).expect("a record");
    let garbage = [b"\xff\xfe\0 garbage\n10.9.9.9\n10.9.9.9 0\n10.9.9.9 0 999\n", whole.as_bytes()].concat();
    // A last line that has lost its end may have lost a digit.
    let cut = format!("{whole}10.9.9.9 0 9").into_bytes();
    for damaged in [garbage, cut] {
        fs::write(&record, damaged).expect("written");
        assert_eq!(apply(&namespace, NOTHING).expect(0).stderr, "");
        assert_eq!(namespace.endpoints(), ["10.9.9.9 id 9 signal"]);
        assert_eq!(fs::read(&record).expect("a record"), b"");
        apply(&namespace, TWO).expect(0);
    }
    for huge in [claim().repeat(1 << 12), claim().replace('\n', " ").repeat(1 << 12)] {
        fs::write(&record, huge).expect("written");
        let ran = apply(&namespace, NOTHING).expect(0);
        assert!(ran.stderr.contains("larger than any record"), "{}", ran.stderr);
        assert_eq!(namespace.endpoints().len(), 3);
    }
}

/// A file on the way to the next record, left there by a run that was killed or laid there by anybody.
#[test]
fn what_lies_in_the_way_of_the_next_record_is_replaced() {
    let (namespace, new) = with_a_record("owned.new");
    namespace.ip("link set lo up");
    namespace.ip("address add 10.0.0.1/32 dev lo");
    namespace.ip("address add 10.0.0.2/32 dev lo");
    let precious = namespace.folder.path().join("precious");
    fs::write(&precious, "precious").expect("written");
    let odd: [&dyn Fn(); 3] = [&|| fs::write(&new, claim()).expect("written"), &|| mkfifo(&new), &|| {
        symlink(&precious, &new).expect("made")
    }];
    for make in odd {
        make();
        assert_eq!(apply(&namespace, NOTHING).expect(0).stderr, "");
        assert_eq!(namespace.endpoints(), ["10.9.9.9 id 9 signal"]);
        assert_eq!(apply(&namespace, TWO).expect(0).stderr, "");
        assert!(fs::symlink_metadata(&new).is_err(), "it is left");
        assert_eq!(fs::read_to_string(&precious).expect("readable"), "precious");
    }
}

/// Whatever mask the caller has, the next run must find a record that it believes.
#[test]
fn a_record_is_nobody_elses_to_write() {
    let namespace = Namespace::new();
    let mut command = namespace.command("sh");
    command.args(["-c", "umask 0 && exec \"$@\"", "sh", program_path(), "-"]);
    run(command, TWO).expect(0);
    assert_eq!(apply(&namespace, NOTHING).expect(0).stderr, "");
    assert_eq!(namespace.endpoints(), [""; 0]);
}
