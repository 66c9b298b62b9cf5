//! `--metrics`: the file for node_exporter's textfile collector.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use crate::kernel::watcher::{Watcher, addresses, endpoints, wait_for_table};
use crate::support::{Namespace, program_path, run, wait_for};

/// The value of a sample.
fn value(page: &str, name: &str) -> Option<f64> {
    page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).and_then(|it| it.parse().ok())
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn it_has_what_the_watch_counts() {
    let namespace = Namespace::new();
    let folder = namespace.folder.path();
    let (config, file) = (folder.join("a.yaml"), folder.join("mptcp.prom"));
    fs::write(&config, endpoints(&["10.0.0.1", "10.0.0.2"])).expect("written");
    let mut command = namespace.command("sh");
    command.args(["-c", "umask 077; exec \"$@\"", "sh", program_path(), "--watch", "--resync", "1"]);
    command.args(["--format", "json", "--metrics"]).args([&file, &config]);
    let watcher = Watcher::run(command);
    let is = |name: &str, expected: f64| {
        wait_for(&format!("{name} {expected}, beside {}", read(&file)), || {
            value(&read(&file), &format!("mptcp_apply_{name}")) == Some(expected)
        });
    };
    is("watched", 1.0);
    is("watch_drift_total", 0.0);
    is("endpoints_present", 2.0);
    // Every file that can be seen is whole.
    let page = read(&file);
    assert!(page.starts_with("# HELP ") && page.ends_with("# EOF\n"), "{page}");
    assert_eq!(fs::metadata(&file).expect("a file").permissions().mode() & 0o7777, 0o644);
    let started = value(&page, "mptcp_apply_watch_last_pass_time_seconds").expect("a time");
    let now: f64 = namespace.sh("date +%s").trim().parse().expect("a number");
    assert!((now - started).abs() < 600.0, "{started} is not near {now}");

    namespace.ip("mptcp endpoint delete id 1");
    is("watch_drift_total", 1.0);
    is("endpoints_present", 2.0);
    let passes = value(&read(&file), "mptcp_apply_watch_passes_total").expect("a number");
    wait_for("another resync", || {
        value(&read(&file), "mptcp_apply_watch_passes_total").is_some_and(|now| now > passes)
    });
    is("watch_failures_total", 0.0);
    let refused = "{version: 1, endpoints: {a: {address: 203.0.113.7, port: 8443, flags: [signal]}}}";
    crate::kernel::watcher::replace(&config, refused);
    wait_for("a failure", || {
        value(&read(&file), "mptcp_apply_watch_failures_total").is_some_and(|count| count > 0.0)
    });
    is("in_sync", 0.0);
    watcher.stop();
    let left: Vec<_> =
        fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".new")), "{left:?}");
    // `status` has the same families.
    let mut status = namespace.command(program_path());
    status.args(["status", "--format", "openmetrics"]).arg(&config);
    let page = run(status, "").stdout;
    assert!(page.contains("# TYPE mptcp_apply_watch_passes counter\n"), "{page}");
}

#[test]
fn a_pass_that_changes_nothing_writes_nothing() {
    let namespace = Namespace::new();
    let file = namespace.folder.path().join("mptcp.prom");
    let config = namespace.folder.path().join("a.yaml");
    fs::write(&config, endpoints(&["10.0.0.1"])).expect("written");
    let options = ["--metrics", file.to_str().expect("UTF-8"), config.to_str().expect("UTF-8")];
    let watcher = Watcher::start(&namespace, &options);
    watcher.wait_for_runs(1);
    wait_for("the file", || file.exists());
    watcher.wait_until_idle();
    let inode = || fs::metadata(&file).expect("a file").ino();
    let (before, runs) = (inode(), watcher.count());
    namespace.ip("address add 10.9.9.9/32 dev lo");
    watcher.wait_for_runs(runs + 1);
    watcher.wait_until_idle();
    assert_eq!(inode(), before);
    watcher.stop();
}

#[test]
fn a_file_that_cannot_be_written_is_said_once() {
    let namespace = Namespace::new();
    let folder = namespace.folder.path().join("later");
    let file = folder.join("mptcp.prom");
    let config = namespace.folder.path().join("a.yaml");
    fs::write(&config, endpoints(&["10.0.0.1"])).expect("written");
    let [file_name, config] = [&file, &config].map(|path| path.to_str().expect("UTF-8"));
    let watcher = Watcher::start(&namespace, &["--resync", "1", "--metrics", file_name, config]);
    watcher.wait_for_runs(3);
    namespace.ip("mptcp endpoint flush");
    wait_for_table(&namespace, &["10.0.0.1"]);
    assert_eq!(watcher.said().matches("cannot write the metrics to ").count(), 1, "{}", watcher.said());
    fs::create_dir(&folder).expect("made");
    wait_for("the file", || file.exists());
    watcher.wait_until_said("are written to ");
    assert_eq!(addresses(&namespace), ["10.0.0.1"]);
    watcher.stop();
}

#[test]
fn it_needs_a_watch() {
    let namespace = Namespace::new();
    let error = namespace.apply(&endpoints(&["10.0.0.1"]), &["--metrics", "x.prom"]).expect(64).stderr;
    assert!(error.contains("--watch"), "{error}");
}

/// Everything else that the name may stand for would be lost, such as /dev/null for all programs.
#[test]
fn only_a_file_of_its_own_is_replaced() {
    let namespace = Namespace::new();
    let folder = namespace.folder.path();
    let (config, pipe, link) = (folder.join("a.yaml"), folder.join("pipe"), folder.join("link"));
    let text = endpoints(&["10.0.0.1"]);
    fs::write(&config, &text).expect("written");
    namespace.sh(&format!("mkfifo {}; ln -s a.yaml {}", pipe.display(), link.display()));
    for (file, why) in [
        (&pipe, "it is not a regular file"),
        (&link, "it is a file of the configuration"),
        (&config, "it is a file of the configuration"),
    ] {
        let mut command = namespace.command(program_path());
        command.args(["--watch", "--metrics"]).args([file, &config]);
        let ran = run(command, "").expect(64);
        assert!(ran.stderr.contains(why), "{}", ran.stderr);
    }
    assert_eq!(read(&config), text);
    assert!(fs::symlink_metadata(&link).expect("a link").is_symlink());
    assert_eq!(addresses(&namespace), [""; 0]);
}
