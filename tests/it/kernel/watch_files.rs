//! `--watch`: files that change, in all the ways in which files change.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::kernel::watcher::{Watcher, addresses, endpoints, replace, wait_for_table};
use crate::support::{Namespace, program_path, wait_for};

#[test]
fn a_file_may_be_written_replaced_or_saved_by_an_editor() {
    let namespace = Namespace::new();
    let (watcher, path) = Watcher::of(&namespace, &endpoints(&["10.0.0.1"]));
    wait_for_table(&namespace, &["10.0.0.1"]);
    fs::write(&path, endpoints(&["10.0.0.2"])).expect("written");
    wait_for_table(&namespace, &["10.0.0.2"]);
    replace(&path, &endpoints(&["10.0.0.3"]));
    wait_for_table(&namespace, &["10.0.0.3"]);
    // vim moves the old file away, writes a new one, and removes the old one.
    fs::rename(&path, path.with_extension("yaml~")).expect("renamed");
    fs::write(&path, endpoints(&["10.0.0.4"])).expect("written");
    fs::remove_file(path.with_extension("yaml~")).expect("removed");
    wait_for_table(&namespace, &["10.0.0.4"]);
    watcher.stop();
    assert_eq!(namespace.endpoints().len(), 1, "endpoints stay");
}

/// As Kubernetes does it: config.yaml -> ..data/config.yaml, ..data -> ..1, and then another ..data in one move.
#[test]
fn a_link_on_the_way_may_lead_elsewhere() {
    let namespace = Namespace::new();
    let root = namespace.folder.path().join("map");
    for (folder, address) in [("..1", "10.0.0.1"), ("..2", "10.0.0.2")] {
        fs::create_dir_all(root.join(folder)).expect("made");
        fs::write(root.join(folder).join("config.yaml"), endpoints(&[address])).expect("written");
    }
    symlink("..1", root.join("..data")).expect("linked");
    symlink("..data/config.yaml", root.join("config.yaml")).expect("linked");
    // The folder and the file itself: either has to do.
    for what in [root.clone(), root.join("config.yaml")] {
        let watcher = Watcher::start(&namespace, &[what.to_str().expect("UTF-8")]);
        wait_for_table(&namespace, &["10.0.0.1"]);
        watcher.wait_for_runs(1);
        for (folder, address) in [("..2", "10.0.0.2"), ("..1", "10.0.0.1")] {
            symlink(folder, root.join("..data_tmp")).expect("linked");
            fs::rename(root.join("..data_tmp"), root.join("..data")).expect("renamed");
            wait_for_table(&namespace, &[address]);
        }
        watcher.stop();
    }
}

/// What a link leads to is watched too, wherever it is.
#[test]
fn a_linked_file_may_change_where_it_is() {
    let namespace = Namespace::new();
    let (etc, elsewhere) = (namespace.folder.path().join("etc"), namespace.folder.path().join("elsewhere"));
    fs::create_dir_all(&etc).expect("made");
    fs::create_dir_all(&elsewhere).expect("made");
    fs::write(elsewhere.join("real.yaml"), endpoints(&["10.0.0.1"])).expect("written");
    symlink("../elsewhere/real.yaml", etc.join("config.yaml")).expect("linked");
    let watcher = Watcher::start(&namespace, &[etc.to_str().expect("UTF-8")]);
    watcher.wait_for_runs(1);
    replace(&elsewhere.join("real.yaml"), &endpoints(&["10.0.0.2"]));
    wait_for_table(&namespace, &["10.0.0.2"]);
    watcher.stop();
}

#[test]
fn a_folder_may_be_swapped_again_and_again() {
    let namespace = Namespace::new();
    let folder = |name: &str| namespace.folder.path().join(name);
    fs::create_dir(folder("conf")).expect("made");
    fs::write(folder("conf").join("a.yaml"), endpoints(&["10.0.0.1"])).expect("written");
    let watcher = Watcher::start(&namespace, &[folder("conf").to_str().expect("UTF-8")]);
    watcher.wait_for_runs(1);
    for address in ["10.0.0.2", "10.0.0.3"] {
        fs::create_dir(folder("next")).expect("made");
        fs::write(folder("next").join("a.yaml"), endpoints(&[address])).expect("written");
        fs::rename(folder("conf"), folder("old")).expect("renamed");
        fs::rename(folder("next"), folder("conf")).expect("renamed");
        wait_for_table(&namespace, &[address]);
        fs::remove_dir_all(folder("old")).expect("removed");
    }
    // The same one may be away for a moment.
    fs::rename(folder("conf"), folder("away")).expect("renamed");
    fs::rename(folder("away"), folder("conf")).expect("renamed");
    watcher.wait_until_idle();
    // A file of the folder that is there now is heard of, too.
    replace(&folder("conf").join("a.yaml"), &endpoints(&["10.0.0.4"]));
    wait_for_table(&namespace, &["10.0.0.4"]);
    watcher.stop();
}

/// `/run/mptcp-apply` is not there at boot, and hides what `/etc/mptcp-apply` says when it is.
#[test]
fn a_standard_folder_may_come_and_go() {
    let namespace = Namespace::new();
    let root = namespace.folder.path().join("root");
    fs::create_dir_all(root.join("etc/mptcp-apply")).expect("made");
    fs::write(root.join("etc/mptcp-apply/a.yaml"), endpoints(&["10.0.0.1"])).expect("written");
    let watcher = Watcher::start(&namespace, &["--root-dir", root.to_str().expect("UTF-8")]);
    watcher.wait_for_runs(1);
    fs::create_dir_all(root.join("run/mptcp-apply")).expect("made");
    fs::write(root.join("run/mptcp-apply/a.yaml"), endpoints(&["10.0.0.2"])).expect("written");
    wait_for_table(&namespace, &["10.0.0.2"]);
    fs::remove_dir_all(root.join("run")).expect("removed");
    wait_for_table(&namespace, &["10.0.0.1"]);
    fs::write(
        root.join("etc/mptcp-apply/b.yaml"),
        "{version: 1, endpoints: {more: {address: 10.0.0.9, flags: [signal]}}}",
    )
    .expect("written");
    wait_for_table(&namespace, &["10.0.0.1", "10.0.0.9"]);
    watcher.stop();
}

/// The last good configuration stays in force, against drift too, and what is wrong is said once.
#[test]
fn an_invalid_configuration_changes_nothing() {
    let namespace = Namespace::new();
    let (watcher, path) = Watcher::of(&namespace, &endpoints(&["10.0.0.1"]));
    replace(&path, "version: 1\nendpoints: {a: {adress: 10.0.0.2}}");
    watcher.wait_until_said("keeping the last good configuration");
    assert!(watcher.said().contains("config.yaml:2:17"), "{}", watcher.said());
    assert!(watcher.said().contains("did you mean `address`?"), "{}", watcher.said());
    // One of the error, and none as if all were well.
    watcher.wait_for_runs(2);
    watcher.wait_until_idle();
    assert_eq!(watcher.runs().last().expect("some")["result"], "invalid");
    namespace.ip("mptcp endpoint flush");
    let runs = watcher.count();
    watcher.signal(Signal::HUP);
    watcher.wait_for_runs(runs + 1);
    wait_for_table(&namespace, &["10.0.0.1"]);
    assert_eq!(watcher.said().matches("keeping the last good").count(), 1, "{}", watcher.said());
    let failed =
        || -> Vec<Value> { watcher.runs().into_iter().filter(|run| run["error"].is_object()).collect() };
    let [invalid] = &failed()[..] else { panic!("{:#?}", failed()) };
    assert_eq!((&invalid["result"], &invalid["trigger"]), (&"invalid".into(), &"files".into()));
    assert_eq!(invalid["errors"].as_array().map(Vec::len), Some(1), "{invalid:#}");
    // Another change has another document, also with the same first error.
    replace(&path, "version: 1\nendpoints: {a: {adress: 10.0.0.2}, b: {}}");
    wait_for("a second document", || failed().len() == 2);
    assert_eq!(failed()[1]["errors"].as_array().map(Vec::len), Some(3), "{:#?}", failed());
    fs::remove_file(&path).expect("removed");
    watcher.wait_until_said("no such file");
    wait_for("a third document", || failed().len() == 3);
    assert_eq!(failed()[2]["error"]["code"], "no-input");
    wait_for_table(&namespace, &["10.0.0.1"]);
    replace(&path, &endpoints(&["10.0.0.1"]));
    watcher.wait_until_said("the configuration is valid again");
    replace(&path, &endpoints(&["10.0.0.3"]));
    wait_for_table(&namespace, &["10.0.0.3"]);
    watcher.stop();
}

/// Ways in which programs save `a.yaml`; `new` has what is to be in it.
const SAVES: [(&str, &str); 8] = [
    ("vim", "mv a.yaml a.yaml~; cat new >a.yaml; chmod 600 a.yaml; rm a.yaml~"),
    ("vim on a slow disk", "mv a.yaml a.yaml~; sleep 0.1; cat new >a.yaml; chmod 600 a.yaml; rm a.yaml~"),
    ("nano", "cat new >a.yaml"),
    ("sed", "sed -i 's/10\\.0\\.0\\.[1-8]/10.0.0.4/' a.yaml"),
    ("cp", "cp new a.yaml"),
    ("install", "install -m 600 new a.yaml"),
    ("git", "rm a.yaml; sleep 0.05; cat new >a.yaml"),
    ("rsync", "cp new .a.yaml.X1; chmod 640 .a.yaml.X1; mv .a.yaml.X1 a.yaml"),
];

/// Without `a.yaml`, or with half of it, the configuration would be a valid one.
#[test]
fn a_save_is_one_pass() {
    let namespace = Namespace::new();
    let folder = namespace.folder.path().join("conf");
    fs::create_dir(&folder).expect("made");
    let config = |name: &str, address: &str| {
        format!("{{version: 1, endpoints: {{{name}: {{address: {address}, flags: [signal]}}}}}}\n")
    };
    fs::write(folder.join("a.yaml"), config("a", "10.0.0.8")).expect("written");
    fs::write(folder.join("b.yaml"), config("b", "10.0.0.9")).expect("written");
    let watcher = Watcher::start(&namespace, &[folder.to_str().expect("UTF-8")]);
    watcher.wait_for_runs(1);
    for (number, (name, script)) in SAVES.into_iter().enumerate() {
        let address = format!("10.0.0.{}", number + 1);
        fs::write(folder.join("new"), config("a", &address)).expect("written");
        watcher.wait_until_idle();
        let runs = watcher.count();
        namespace.sh(&format!("cd {}; {script}", folder.display()));
        wait_for(name, || addresses(&namespace).contains(&address));
        watcher.wait_until_idle();
        let made = &watcher.runs()[runs..];
        assert_eq!(made.len(), 1, "{name}: {made:#?}");
        assert_eq!(made[0]["trigger"], "files", "{name}");
        assert_eq!(made[0]["steps"].as_array().map(Vec::len), Some(2), "{name}: {made:#?}");
        assert!(addresses(&namespace).contains(&"10.0.0.9".to_owned()), "{name}");
    }
    assert!(!watcher.said().contains("keeping the last good"), "{}", watcher.said());
    watcher.stop();
}

#[test]
fn a_hang_up_reads_everything_again() {
    let namespace = Namespace::new();
    let (watcher, path) = Watcher::of(&namespace, &endpoints(&["10.0.0.1"]));
    namespace.ip("mptcp endpoint flush");
    watcher.signal(Signal::HUP);
    wait_for_table(&namespace, &["10.0.0.1"]);
    replace(&path, &endpoints(&["10.0.0.2"]));
    watcher.signal(Signal::HUP);
    wait_for_table(&namespace, &["10.0.0.2"]);
    watcher.stop();
}

#[test]
fn what_cannot_be_watched_is_said_at_once() {
    let namespace = Namespace::new();
    for argument in ["-", "--dry-run", "--rehearse"] {
        let ended = Watcher::start(&namespace, &[argument]).end();
        assert_eq!(ended.code, 64, "{argument}: {:?}", ended.said);
        assert!(ended.said.iter().any(|line| line.starts_with("error: ")), "{:?}", ended.said);
    }
    let path = namespace.folder.path().join("bad.yaml");
    fs::write(&path, "version: 2").expect("written");
    assert_eq!(Watcher::start(&namespace, &[path.to_str().expect("UTF-8")]).end().code, 78);
}

/// Its own reading is no news, nor are other files of the same folder.
#[test]
fn nothing_wakes_it_up_by_itself() {
    let namespace = Namespace::new();
    // The folder above is watched too, and other tests write to that of temporary files.
    let folder = namespace.folder.path().join("conf");
    let path = folder.join("config.yaml");
    fs::create_dir(&folder).expect("made");
    fs::write(&path, endpoints(&["10.0.0.1"])).expect("written");
    let watcher = Watcher::start(&namespace, &[path.to_str().expect("UTF-8")]);
    watcher.wait_for_runs(1);
    let switches = || {
        let tasks = fs::read_dir(format!("/proc/{}/task", watcher.pid())).expect("it lives");
        let count = |task: std::io::Result<fs::DirEntry>| {
            let status = fs::read_to_string(task.expect("a task").path().join("status")).expect("read");
            let number =
                |line: &str| line.strip_prefix("voluntary_ctxt_switches:")?.trim().parse::<u64>().ok();
            status.lines().find_map(number).expect("a number")
        };
        tasks.map(count).sum::<u64>()
    };
    let a_while = || std::thread::sleep(Duration::from_millis(500));
    // The first run may still be ending.
    let mut before = switches();
    for _ in 0..100 {
        a_while();
        if std::mem::replace(&mut before, switches()) == before {
            break;
        }
    }
    (0..4).for_each(|_| a_while());
    assert_eq!(switches(), before, "it woke up");
    fs::read(&path).expect("read");
    fs::read_dir(&folder).expect("read");
    a_while();
    assert_eq!(watcher.count(), 1, "it ran because output was read");
    watcher.stop();
}

/// The service may be enabled before there is a file: an empty folder and a missing file are waited for.
#[test]
fn the_first_file_is_waited_for() {
    for name in ["root/etc/mptcp-apply/a.yaml", "named/a.yaml"] {
        let namespace = Namespace::new();
        namespace.ip("mptcp endpoint add 10.0.0.9 signal");
        let path = namespace.folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        let root = namespace.folder.path().join("root");
        let arguments = match name.starts_with("root") {
            true => vec!["--root-dir", root.to_str().expect("UTF-8")],
            false => vec![path.to_str().expect("UTF-8")],
        };
        let watcher = Watcher::start(&namespace, &arguments);
        watcher.wait_until_said("waiting for the first configuration, and touching nothing: ");
        watcher.signal(Signal::HUP);
        replace(&path, "version: 2");
        watcher.wait_until_said("unknown version `2`");
        watcher.wait_for_runs(1);
        assert_eq!((watcher.count(), namespace.endpoints().len()), (1, 1), "nothing is touched");
        assert_eq!(watcher.runs()[0]["result"], "invalid");
        replace(&path, &endpoints(&["10.0.0.1"]));
        wait_for_table(&namespace, &["10.0.0.1"]);
        watcher.wait_until_said("the configuration is valid now");
        watcher.stop();
    }
}

/// In place of a file, also of one that is there at the start, a pipe that nothing writes to is refused and not waited for.
#[test]
fn a_pipe_in_place_of_a_file_stops_nothing() {
    let namespace = Namespace::new();
    let (watcher, path) = Watcher::of(&namespace, &endpoints(&["10.0.0.1"]));
    fs::remove_file(&path).expect("removed");
    let mut mkfifo = std::process::Command::new("mkfifo");
    assert!(mkfifo.arg(&path).status().expect("runs").success());
    watcher.wait_until_said("it is a pipe, not a file");
    namespace.ip("mptcp endpoint flush");
    watcher.signal(Signal::HUP);
    wait_for_table(&namespace, &["10.0.0.1"]);
    replace(&path, &endpoints(&["10.0.0.2"]));
    wait_for_table(&namespace, &["10.0.0.2"]);
    watcher.stop();
}

/// What a writer has open is half of a file, whether it is new, or old and emptied. Neither is read, at a signal neither.
#[test]
fn a_file_is_read_when_it_is_closed() {
    let namespace = Namespace::new();
    let folder = namespace.folder.path().join("conf");
    fs::create_dir(&folder).expect("made");
    fs::write(folder.join("a.yaml"), endpoints(&["10.0.0.1", "10.0.0.2"])).expect("written");
    let watcher = Watcher::start(&namespace, &[folder.to_str().expect("UTF-8")]);
    watcher.wait_for_runs(1);
    for (name, goal) in [("a.yaml", ["10.0.0.1", "10.0.0.3"]), ("b.yaml", ["10.0.0.4", "10.0.0.5"])] {
        let before = addresses(&namespace);
        let text = endpoints(&goal);
        let (half, rest) = text.split_at(text.find("  e1").expect("a second endpoint"));
        let mut file = fs::File::create(folder.join(name)).expect("opened");
        for part in ["", half] {
            file.write_all(part.as_bytes()).expect("written");
            watcher.signal(Signal::HUP);
            std::thread::sleep(Duration::from_millis(600));
            assert_eq!(addresses(&namespace), before, "{name} was read although it is open");
        }
        file.write_all(rest.as_bytes()).expect("written");
        drop(file);
        wait_for_table(&namespace, &goal);
    }
    // An editor's own files in the folder delay nothing.
    let _swap = fs::File::create(folder.join(".a.yaml.swp")).expect("opened");
    replace(&folder.join("b.yaml"), &endpoints(&["10.0.0.6"]));
    wait_for_table(&namespace, &["10.0.0.6", "10.0.0.3"]);
    // One that stays open is read when it is quiet.
    let mut file = fs::File::create(folder.join("b.yaml")).expect("opened");
    file.write_all(endpoints(&["10.0.0.7"]).as_bytes()).expect("written");
    let start = Instant::now();
    wait_for_table(&namespace, &["10.0.0.3", "10.0.0.7"]);
    assert!(start.elapsed() > Duration::from_secs(9), "{:?}", start.elapsed());
    watcher.stop();
}

/// inotify tells of what comes: not that a file was open before its folder was watched, or before it was moved.
#[test]
fn a_file_that_was_open_before_is_read_when_it_is_closed() {
    let rows = ["10.0.0.1", "10.0.0.2"];
    let whole = endpoints(&rows);
    let (half, rest) = whole.split_at(whole.find("  e1").expect("a second endpoint"));
    for case in ["at the start", "in a folder that is moved", "moved itself"] {
        let namespace = Namespace::new();
        rows.iter().for_each(|row| _ = namespace.ip(&format!("mptcp endpoint add {row} signal")));
        let [folder, next] = ["conf", "next"].map(|name| namespace.folder.path().join(name));
        let path = match case {
            "at the start" => folder.join("a.yaml"),
            "moved itself" => folder.join("a.yaml.part"),
            _ => next.join("a.yaml"),
        };
        fs::create_dir(path.parent().expect("a folder")).expect("made");
        // A process that the watch may look into, if it is not root's.
        let mut writer = namespace.command("sh");
        writer.args(["-c", "exec cat >\"$0\""]).arg(&path).stdin(Stdio::piped());
        let mut writer = writer.spawn().expect("starts");
        let mut pipe = writer.stdin.take().expect("piped");
        pipe.write_all(half.as_bytes()).expect("written");
        wait_for("one half", || fs::read_to_string(&path).is_ok_and(|text| text == half));
        let watcher = Watcher::start(&namespace, &[folder.to_str().expect("UTF-8")]);
        watcher.wait_until_said("waiting for the first configuration");
        match case {
            "at the start" => {}
            "moved itself" => fs::rename(&path, folder.join("a.yaml")).expect("moved"),
            _ => fs::rename(&next, &folder).expect("moved"),
        }
        // Long enough for what would be read at once.
        std::thread::sleep(Duration::from_millis(700));
        assert_eq!(addresses(&namespace), rows, "{case}");
        let before = watcher.count();
        pipe.write_all(rest.as_bytes()).expect("written");
        drop(pipe);
        writer.wait().expect("ended");
        wait_for("a pass", || watcher.count() > before);
        assert_eq!(addresses(&namespace), rows, "{case}: {}", watcher.lines().join("\n"));
        watcher.stop();
    }
}

/// Every user has a number of inotify instances, and others may hold them all.
#[test]
fn without_inotify_it_looks_from_time_to_time() {
    let namespace = Namespace::new();
    let path = namespace.folder.path().join("config.yaml");
    fs::write(&path, endpoints(&["10.0.0.1"])).expect("written");
    let mut command = namespace.command("strace");
    command.args(["-D", "--output=/dev/null", "--inject=inotify_init1:error=EMFILE", program_path()]);
    command.args(["--watch", "--format", "json", "--resync", "1"]).arg(&path);
    let watcher = Watcher::run(command);
    watcher.wait_until_said("cannot watch files: ");
    wait_for_table(&namespace, &["10.0.0.1"]);
    replace(&path, &endpoints(&["10.0.0.2"]));
    wait_for_table(&namespace, &["10.0.0.2"]);
    watcher.stop();
}

/// Where the folder above is watched, it would be news, and call for a pass.
#[test]
fn the_runtime_folder_is_made_before_anything_is_watched() {
    let namespace = Namespace::new();
    let (path, trace) = (namespace.folder.path().join("config.yaml"), namespace.folder.path().join("trace"));
    fs::write(&path, endpoints(&["10.0.0.1"])).expect("written");
    let mut command = namespace.command("strace");
    command
        .args(["-D", "-f", "--trace=mkdir,mkdirat,inotify_add_watch", "-o"])
        .arg(&trace)
        .arg(program_path());
    command.args(["--watch", "--format", "json", "--resync", "0"]).arg(&path);
    let watcher = Watcher::run(command);
    watcher.wait_for_runs(1);
    watcher.stop();
    let trace = fs::read_to_string(&trace).expect("UTF-8");
    let first = |call: &str| trace.lines().position(|line| line.contains(call));
    let (made, watched) = (first("/runtime\""), first("inotify_add_watch("));
    assert!(made.is_some() && made < watched, "{trace}");
}

/// The terminal in which it was started, by script(1).
#[test]
fn it_ends_with_its_terminal() {
    let namespace = Namespace::new();
    let path = namespace.folder.path().join("config.yaml");
    fs::write(&path, endpoints(&["10.0.0.1"])).expect("written");
    let inner = format!("{} --watch {} >/dev/null 2>&1", program_path(), path.display());
    let mut script = namespace.command("script");
    script.args(["--quiet", "--command", &inner, "/dev/null"]);
    script.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = script.spawn().expect("script(1) starts");
    wait_for_table(&namespace, &["10.0.0.1"]);
    assert_eq!(namespace.apply("{version: 1}", &[]).code, 75);
    child.kill().expect("killed");
    child.wait().expect("waited");
    wait_for("its end", || namespace.apply("{version: 1}", &[]).code == 0);
}
