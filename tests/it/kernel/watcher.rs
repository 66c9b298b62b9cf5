//! A `--watch` under test: what it said so far, and its end.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{Namespace, allowed, program_path, wait_for};

/// How long it may take to end.
const END: Duration = Duration::from_secs(1);

/// Lines that a thread of the test collects.
type Lines = Arc<Mutex<Vec<String>>>;

pub struct Watcher {
    child: Child,
    documents: Lines,
    said: Lines,
    readers: Vec<JoinHandle<()>>,
}

/// How it ended.
pub struct Ended {
    pub code: i32,
    pub said: Vec<String>,
    pub took: Duration,
}

impl Watcher {
    /// Starts one that prints a JSON document a run, and looks at nothing by itself unless `options` say so.
    #[track_caller]
    pub fn start(namespace: &Namespace, options: &[&str]) -> Watcher {
        let mut command = namespace.command(program_path());
        let resync: &[&str] = if options.contains(&"--resync") { &[] } else { &["--resync", "0"] };
        command.args(["--watch", "--format", "json"]).args(resync).args(options);
        Watcher::run(command)
    }

    /// Starts what prints a JSON document a line.
    #[track_caller]
    pub fn run(mut command: Command) -> Watcher {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("starts");
        let (documents, one) = collect(child.stdout.take().expect("piped"));
        let (said, other) = collect(child.stderr.take().expect("piped"));
        Watcher { child, documents, said, readers: vec![one, other] }
    }

    /// The same on a file of the namespace's folder, once it has run for the first time.
    #[track_caller]
    pub fn of(namespace: &Namespace, config: &str) -> (Watcher, PathBuf) {
        let path = namespace.folder.path().join("config.yaml");
        fs::write(&path, config).expect("written");
        let watcher = Watcher::start(namespace, &[path.to_str().expect("UTF-8")]);
        watcher.wait_for_runs(1);
        (watcher, path)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The document of each run so far.
    pub fn runs(&self) -> Vec<Value> {
        self.lines().iter().map(|line| serde_json::from_str(line).expect("one document a line")).collect()
    }

    /// Every line on standard output so far.
    pub fn lines(&self) -> Vec<String> {
        self.documents.lock().expect("no panic").clone()
    }

    pub fn count(&self) -> usize {
        self.documents.lock().expect("no panic").len()
    }

    /// Everything on standard error so far.
    pub fn said(&self) -> String {
        self.said.lock().expect("no panic").join("\n")
    }

    #[track_caller]
    pub fn wait_for_runs(&self, count: usize) {
        wait_for(&format!("run {count}, beside {}", self.said()), || self.count() >= count);
    }

    #[track_caller]
    pub fn wait_until_said(&self, words: &str) {
        wait_for(words, || self.said().contains(words));
    }

    /// Waits until it waits itself: what it has changed makes it look again, also at what others change at the same time.
    #[track_caller]
    pub fn wait_until_idle(&self) {
        const SILENCE: Duration = Duration::from_millis(200);
        let status = format!("/proc/{}/status", self.pid());
        let switches = || {
            let status = fs::read_to_string(&status).expect("it lives");
            status.lines().find(|line| line.starts_with("voluntary_ctxt_switches")).map(str::to_owned)
        };
        wait_for("an idle watch", || {
            let before = switches();
            std::thread::sleep(SILENCE);
            switches() == before
        });
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.process(), signal).expect("it lives");
    }

    fn process(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Waits for it to end by itself.
    #[track_caller]
    pub fn end(mut self) -> Ended {
        let start = Instant::now();
        wait_for("the end", || {
            // A child that has ended and was not waited for has no memory any more.
            fs::read_to_string(format!("/proc/{}/statm", self.child.id()))
                .map_or(true, |size| size.starts_with("0 "))
        });
        let took = start.elapsed();
        let status = self.child.wait().expect("waited");
        self.readers.drain(..).for_each(|reader| reader.join().expect("no panic"));
        let said = self.said.lock().expect("no panic").clone();
        Ended { code: status.code().unwrap_or_else(|| panic!("{status}: {said:?}")), said, took }
    }

    /// Tells it to end, which it does soon and well.
    #[track_caller]
    pub fn stop(self) -> Ended {
        self.signal(Signal::TERM);
        let ended = self.end();
        assert_eq!(ended.code, 0, "{:?}", ended.said);
        assert!(ended.took < allowed(END), "it took {:?} to end", ended.took);
        ended
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(stream: impl Read + Send + 'static) -> (Lines, JoinHandle<()>) {
    let lines = Lines::default();
    let sink = Arc::clone(&lines);
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(stream).lines() {
            sink.lock().expect("no panic").push(line.expect("UTF-8"));
        }
    });
    (lines, reader)
}

/// Replaces a file as a whole, as careful programs do.
pub fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    fs::write(&new, text).expect("written");
    fs::rename(&new, path).expect("renamed");
}

/// A configuration with endpoints of these addresses.
pub fn endpoints(addresses: &[&str]) -> String {
    let row = |(number, address)| format!("  e{number}: {{address: {address}, flags: [signal]}}\n");
    let rows: String = addresses.iter().enumerate().map(row).collect();
    format!("version: 1\nendpoints:\n{rows}")
}

/// The addresses in the table, in the kernel's order.
#[track_caller]
pub fn addresses(namespace: &Namespace) -> Vec<String> {
    let first = |row: &String| row.split(' ').next().unwrap_or_default().to_owned();
    namespace.endpoints().iter().map(first).collect()
}

/// Waits until the table has just these addresses.
#[track_caller]
pub fn wait_for_table(namespace: &Namespace, expected: &[&str]) {
    wait_for(&format!("{expected:?}"), || addresses(namespace) == expected);
}
