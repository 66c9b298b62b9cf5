//! The init script of `packaging/openwrt`: what it tells procd, and that this, carried out, keeps the kernel so.
//!
//! There is no procd here. A small rc.common of the tests records what it would be told, and refuses what the real one
//! does not know; the tests then do what procd does: they start the command and send the signal.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use rustix::process::Signal;

use crate::kernel::watcher::{Watcher, endpoints, replace, wait_for_table};
use crate::support::{Namespace, Ran, program_path, project, run};

const INIT: &str = "etc/init.d/mptcp-apply";
const CONFIG: &str = "etc/mptcp-apply/10-test.yaml";

/// A root that looks like OpenWrt's, and the network namespace that it runs in.
struct Router {
    namespace: Namespace,
}

impl Router {
    fn new() -> Router {
        let router = Router { namespace: Namespace::new() };
        for folder in ["etc/init.d", "etc/mptcp-apply", "procd", "tmp/run"] {
            fs::create_dir_all(router.path(folder)).expect("made");
        }
        // `/var` is in memory there, and `/run` a link in newer releases alone.
        symlink("tmp", router.path("var")).expect("linked");
        let from = |path: &str| project().join(path);
        fs::copy(from("packaging/openwrt/files/mptcp-apply.init"), router.path(INIT)).expect("copied");
        fs::copy(from("tests/openwrt/rc.common"), router.path("etc/rc.common")).expect("copied");
        router
    }

    fn path(&self, path: &str) -> PathBuf {
        self.namespace.folder.path().join(path)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.namespace.command("unshare");
        // What procd starts knows of no folder of systemd.
        command.env_remove("RUNTIME_DIRECTORY");
        command.arg("--mount").arg(project().join("tests/openwrt/box"));
        command.arg(self.namespace.folder.path()).arg(program_path()).args(words);
        command
    }

    #[track_caller]
    fn init(&self, action: &str) -> Ran {
        run(self.command(&["/etc/init.d/mptcp-apply", action]), "").expect(0)
    }

    /// What procd was told of the instance, if there is one.
    fn instance(&self) -> Option<String> {
        fs::read_to_string(self.path("procd/instance")).ok()
    }

    /// Starts what procd would, in the same way.
    #[track_caller]
    fn service(&self) -> Watcher {
        let instance = self.instance().expect("an instance");
        let command = instance.lines().find_map(|line| line.strip_prefix("command ")).expect("a command");
        let words: Vec<&str> = command.split(' ').collect();
        Watcher::run(self.command(&words))
    }
}

#[test]
fn procd_keeps_the_kernel_as_declared() {
    let router = Router::new();
    fs::write(router.path(CONFIG), endpoints(&["10.7.0.1"])).expect("written");
    assert_eq!(router.init("start").stderr, "");
    let told = "command /usr/sbin/mptcp-apply --watch\nrespawn 3600 30 10\nstdout 1\nstderr 1\n";
    assert_eq!(router.instance().as_deref(), Some(told));
    let service = router.service();
    wait_for_table(&router.namespace, &["10.7.0.1"]);
    replace(&router.path(CONFIG), &endpoints(&["10.7.0.1", "10.7.0.2"]));
    wait_for_table(&router.namespace, &["10.7.0.1", "10.7.0.2"]);
    service.stop();
    // As long as it was off, its endpoints stayed.
    wait_for_table(&router.namespace, &["10.7.0.1", "10.7.0.2"]);
}

/// In the table, not only in the files: those are followed anyway.
#[test]
fn a_reload_looks_at_the_kernel_too() {
    let router = Router::new();
    fs::write(router.path(CONFIG), endpoints(&["10.7.0.1"])).expect("written");
    router.init("start");
    // Without the regular look, so that only the signal can put the endpoint back.
    let told = router.instance().expect("an instance").replace("--watch", "--watch --resync 0");
    fs::write(router.path("procd/instance"), &told).expect("written");
    let service = router.service();
    wait_for_table(&router.namespace, &["10.7.0.1"]);
    router.namespace.ip("mptcp endpoint flush");
    fs::write(router.path("procd/running"), "").expect("written");
    router.init("reload");
    let signal = fs::read_to_string(router.path("procd/signal")).expect("a signal");
    assert_eq!(signal, "mptcp-apply * HUP\n");
    assert_eq!(router.instance(), Some(told), "procd keeps the one that runs");
    service.signal(Signal::HUP);
    wait_for_table(&router.namespace, &["10.7.0.1"]);
    service.stop();
}

/// The package may be there before its first file is, and the reload after that starts it.
#[test]
fn without_a_file_there_is_nothing_to_start() {
    let router = Router::new();
    let said = router.init("start").stderr;
    assert!(said.contains("no configuration found"), "{said}");
    assert_eq!(router.instance(), None);
    fs::write(router.path(CONFIG), endpoints(&["10.7.0.1"])).expect("written");
    assert_eq!(router.init("reload").stderr, "");
    assert!(!router.path("procd/signal").exists(), "nobody is there to hear it");
    let service = router.service();
    wait_for_table(&router.namespace, &["10.7.0.1"]);
    service.stop();
}

/// procd would stop a service that is not declared any more, and the one that runs keeps the last good state.
#[test]
fn a_wrong_file_is_told_and_stops_nothing() {
    let router = Router::new();
    fs::write(router.path(CONFIG), "version: 1\nendpoint: {}\n").expect("written");
    let said = router.init("start").stderr;
    assert!(said.contains("/etc/mptcp-apply/10-test.yaml:2:1"), "{said}");
    assert!(router.instance().is_some());
}

/// Older releases have `/var/run` alone. The lock is to be in memory, and shared with runs by hand.
#[test]
fn the_lock_is_in_memory_without_a_run_folder_too() {
    for linked in ["none", "var/run"] {
        let router = Router::new();
        if linked != "none" {
            symlink(linked, router.path("run")).expect("linked");
        }
        router.namespace.ip("link set lo up");
        router.namespace.ip("address add 10.7.0.1/32 dev lo");
        fs::write(router.path(CONFIG), endpoints(&["10.7.0.1"])).expect("written");
        assert_eq!(router.init("start").stderr, "", "{linked}");
        let service = router.service();
        wait_for_table(&router.namespace, &["10.7.0.1"]);
        assert!(router.path("tmp/run/mptcp-apply").is_dir(), "{linked}");
        assert_eq!(service.said(), "", "{linked}");
        let by_hand = run(router.command(&["/usr/sbin/mptcp-apply"]), "").expect(75);
        assert!(by_hand.stderr.contains(", /usr/sbin/mptcp-apply --watch"), "{}", by_hand.stderr);
        service.stop();
    }
}
