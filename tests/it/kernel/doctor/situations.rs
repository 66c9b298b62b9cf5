//! The doctor, measured: situations with the findings that it should have, and no others, and each remedy carried out.
//!
//! What is found and not expected is a false finding, what is expected and not found is a missed one. The test prints both for
//! each code, and fails when there is any.

mod layered;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::kernel::links::{Links, subflows};
use crate::kernel::providers::Providers;
use crate::peer::Peer;
use crate::support::{Namespace, allowed, is_root, kernel_release, program_path, run};

use super::without_rights;
use table::TABLE;

/// Those with links on links, which not every kernel has.
pub use layered::LAYERED;

/// Two hosts.
#[derive(Clone, Copy, PartialEq)]
enum Topology {
    /// Three direct links, a client with a route and a rule for each, and a server that listens at its loopback.
    Links,
    /// A client behind two providers that drop the source addresses of others, without a default route.
    Client,
    /// A server behind two such providers.
    Server,
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Client,
    Server,
    /// The providers.
    Router,
}

#[derive(Clone, Copy, PartialEq)]
enum Probe {
    With,
    Without,
}

#[derive(Clone, Copy, PartialEq)]
enum User {
    Root,
    /// One without any right.
    Ordinary,
}

/// What the two ends say to each other.
#[derive(Clone, Copy, PartialEq)]
enum Talk {
    /// There is no service.
    Nothing,
    /// A service without a client.
    Served,
    /// The same without MPTCP.
    PlainServed,
    /// A connection on which data moves, with this many established subflows at the client before the doctor looks.
    Live(usize),
    /// The same with a service without MPTCP.
    PlainLive,
}

/// A second service, and a connection with it, or an earlier one.
#[derive(Clone, Copy, PartialEq)]
enum Beside {
    Nothing,
    /// A service that listens there, and a connection to its port: of IPv6 to its address.
    Service(&'static str),
    /// The same without MPTCP.
    Plain(&'static str),
    /// A connection with the first service that has ended, as has what this script at the server undoes.
    Earlier(&'static str),
}

/// What is done about the findings.
#[derive(Clone, Copy, PartialEq)]
enum Remedy {
    /// The remedies as printed, with these words for what only people know; then a new connection, and no finding is left.
    AsPrinted(&'static [(&'static str, &'static str)]),
    /// The same, and the finding is gone; others may show what the host lacks besides.
    Vanishes(&'static [(&'static str, &'static str)]),
    /// The YAML of the remedies that print commands besides, in place of these; then as before.
    AsDeclared,
    /// The remedy is somewhere else: this script there; then a new connection, and no finding is left.
    Elsewhere(Side, &'static str),
    /// Nothing is wrong, or the remedy is a look around.
    None,
}

/// One situation.
pub struct Situation {
    name: &'static str,
    topology: Topology,
    /// Shell scripts that are run at each end.
    scripts: [&'static str; 2],
    /// One that is run at the providers.
    router: &'static str,
    /// The configurations that are applied at each end first; none where it is empty.
    configs: [&'static str; 2],
    /// What is done at each end after that.
    faults: [&'static str; 2],
    listens: &'static str,
    talk: Talk,
    beside: Beside,
    /// What is done at the client once they talk.
    meanwhile: &'static str,
    asked: Side,
    probe: Probe,
    user: User,
    /// Whether it takes the host's own root: another user's namespaces have a root of theirs, and the kernel opens subflows as
    /// the former.
    of_root: bool,
    /// The codes of all findings.
    expected: &'static [&'static str],
    remedy: Remedy,
}

/// Its remedy names the program of the user.
const NEEDS_A_PROGRAM: &str = "no-application";
/// How long findings may take to show: some are about requests that are sent again.
const PATIENCE: Duration = Duration::from_secs(20);

struct Scene {
    client: Namespace,
    server: Namespace,
    router: Option<Namespace>,
    target: &'static str,
}

impl Scene {
    fn new(topology: Topology) -> Scene {
        match topology {
            Topology::Links => {
                let Links { client, server } = Links::new();
                Scene { client, server, router: None, target: "10.9.9.9:5000" }
            }
            Topology::Client => {
                let Providers { host, router, far } = Providers::new(2);
                Scene { client: host, server: far, router: Some(router), target: "10.9.9.9:5000" }
            }
            Topology::Server => {
                let Providers { host, router, far } = Providers::new(2);
                Scene { client: far, server: host, router: Some(router), target: "10.1.1.1:5000" }
            }
        }
    }

    fn ends(&self) -> [&Namespace; 2] {
        [&self.client, &self.server]
    }

    fn end(&self, side: Side) -> &Namespace {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
            Side::Router => self.router.as_ref().expect("providers"),
        }
    }
}

/// The folder of a host's configuration.
fn folder(namespace: &Namespace) -> PathBuf {
    namespace.folder.path().join("conf")
}

fn configure(namespace: &Namespace, name: &str, config: &str) {
    let folder = folder(namespace);
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join(name), format!("version: 1\n{config}\n")).expect("written");
}

/// The findings of the asked side.
fn look(situation: &Situation, scene: &Scene) -> Vec<Value> {
    let namespace = scene.end(situation.asked);
    let mut doctor = match situation.user {
        User::Root => namespace.command(program_path()),
        User::Ordinary => without_rights(namespace, &[program_path()]),
    };
    doctor.args(["doctor", "--format", "json"]);
    if situation.probe == Probe::With {
        doctor.args(["--probe", scene.target]);
    }
    match folder(namespace) {
        folder if folder.exists() => doctor.arg(folder),
        folder => doctor.arg("--root-dir").arg(folder),
    };
    let document: Value = serde_json::from_str(&run(doctor, "").stdout).expect("a document");
    document["findings"].as_array().expect("a list").clone()
}

fn codes(findings: &[Value]) -> BTreeSet<String> {
    findings.iter().map(|finding| finding["code"].as_str().expect("a code").to_owned()).collect()
}

/// Looks until these findings are there, and no others; returns the last look.
fn look_for(situation: &Situation, scene: &Scene, expected: &BTreeSet<String>) -> Vec<Value> {
    let start = Instant::now();
    loop {
        let findings = look(situation, scene);
        if codes(&findings) == *expected || start.elapsed() > allowed(PATIENCE) {
            return findings;
        }
    }
}

/// What a remedy does, as commands for a shell: YAML goes into one more file of the configuration.
fn carry_out(namespace: &Namespace, finding: &Value, number: usize, words: &[(&str, &str)]) {
    const THEN: &str = "   # in the configuration, then:\n";
    let text = finding["remedy"].as_str().expect("text");
    let text = words.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    let commands = match text.split_once(THEN) {
        None => text,
        Some((yaml, commands)) => {
            let is_of_endpoint = yaml.starts_with("flags:") || yaml.starts_with("dev:");
            let name =
                finding["endpoint"].as_str().and_then(|label| label.split(' ').next()).unwrap_or_default();
            let yaml =
                if is_of_endpoint { format!("endpoints: {{{name}: {{{yaml}}}}}") } else { yaml.to_owned() };
            configure(namespace, &format!("50-{number}.yaml"), &yaml);
            commands.to_owned()
        }
    };
    let path = Path::new(program_path()).parent().expect("a folder").display().to_string();
    let mut shell = namespace.command("sh");
    shell.args(["-euc", &format!("PATH={path}:$PATH\n{commands}")]);
    let ran = run(shell, "");
    assert_eq!(ran.code, 0, "{commands}\n{}{}", ran.stdout, ran.stderr);
}

/// The YAML that a remedy prints beside commands goes into one more file of the configuration, which is applied.
fn declare(namespace: &Namespace, finding: &Value, number: usize) {
    let text = finding["remedy"].as_str().and_then(|text| text.lines().next()).expect("text");
    let yaml = text.strip_prefix("# in the configuration: ").expect("YAML");
    configure(namespace, &format!("50-{number}.yaml"), yaml);
    let mut apply = namespace.command(program_path());
    apply.arg("-q").arg(folder(namespace));
    run(apply, "").expect(0);
}

/// The two ends of the connection, as far as there are any.
fn talk(situation: &Situation, scene: &Scene) -> Vec<Peer> {
    let mut peers = Vec::new();
    match situation.talk {
        Talk::Nothing => return peers,
        Talk::PlainServed | Talk::PlainLive => {
            peers.push(Peer::plain_server(&scene.server, situation.listens))
        }
        Talk::Served | Talk::Live(_) => peers.push(Peer::server(&scene.server, situation.listens)),
    }
    if let Beside::Earlier(undone) = situation.beside {
        let earlier = Peer::client(&scene.client, scene.target);
        until_paths(scene, 2);
        drop(earlier);
        scene.server.sh(undone);
    }
    if matches!(situation.talk, Talk::Live(_) | Talk::PlainLive) {
        peers.push(Peer::client(&scene.client, scene.target));
    }
    if let Talk::Live(wanted) = situation.talk {
        until_paths(scene, wanted);
    }
    if let Beside::Service(place) | Beside::Plain(place) = situation.beside {
        let port = place.rsplit(':').next().expect("a port");
        let host = match place.starts_with("[2") {
            true => place.rsplit_once(':').map(|(host, _)| host),
            false => scene.target.split(':').next(),
        };
        let host = host.expect("a host");
        peers.push(match situation.beside {
            Beside::Plain(_) => Peer::plain_server(&scene.server, place),
            _ => Peer::server(&scene.server, place),
        });
        peers.push(Peer::client(&scene.client, &format!("{host}:{port}")));
    }
    peers
}

fn until_paths(scene: &Scene, wanted: usize) {
    let start = Instant::now();
    while subflows(&scene.client).len() < wanted && start.elapsed() < allowed(PATIENCE) {
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What was found, what should have been, and what is wrong with a remedy.
struct Outcome {
    found: BTreeSet<String>,
    expected: BTreeSet<String>,
    trouble: Option<String>,
}

/// Whether the kernel itself does not show it, or shows nothing else: up to 6.12 it counts no rejected joins, and shows
/// subflows to nobody without rights; 6.1 counts neither requests for subflows nor announcements that are sent.
fn is_hidden(code: &str, situation: &Situation, namespace: &Namespace) -> bool {
    let counts = |name: &str| fs::read_to_string("/proc/net/netstat").expect("counters").contains(name);
    match code {
        "joins-rejected" => !counts("MPJoinRejected"),
        "announcements-lost" => !counts("AddAddrTx"),
        "subflow-refused" if situation.probe == Probe::Without => !counts("MPJoinSynTx"),
        "announced-unserved" if situation.user == User::Ordinary => {
            run(without_rights(namespace, &["ss", "-HMl"]), "").expect(0).stdout.is_empty()
        }
        "probe-unseen" => situation.user == User::Ordinary && kernel_release() <= (6, 12),
        _ => false,
    }
}

fn examine(situation: &Situation) -> Outcome {
    let scene = Scene::new(situation.topology);
    for (namespace, script) in scene.ends().into_iter().zip(situation.scripts) {
        namespace.sh(script);
    }
    scene.router.iter().for_each(|router| _ = router.sh(situation.router));
    for (namespace, config) in scene.ends().into_iter().zip(situation.configs).filter(|(_, c)| !c.is_empty())
    {
        configure(namespace, "10.yaml", config);
        let mut apply = namespace.command(program_path());
        apply.arg("-q").arg(folder(namespace));
        run(apply, "").expect(0);
    }
    for (namespace, script) in scene.ends().into_iter().zip(situation.faults) {
        namespace.sh(script);
    }
    let mut peers = talk(situation, &scene);
    scene.client.sh(situation.meanwhile);
    let is_shown =
        |code: &&&str| **code == "probe-unseen" || !is_hidden(code, situation, scene.end(situation.asked));
    let expected: BTreeSet<String> =
        situation.expected.iter().filter(is_shown).map(|code| (*code).to_owned()).collect();
    let findings = look_for(situation, &scene, &expected);
    let found = codes(&findings);
    if found != expected {
        return Outcome { found, expected, trouble: None };
    }
    let wanted_after = |codes: BTreeSet<String>| match situation.remedy {
        Remedy::Vanishes(_) => {
            codes.intersection(&expected).filter(|code| *code != NEEDS_A_PROGRAM).cloned().collect()
        }
        _ => codes,
    };
    match situation.remedy {
        Remedy::None => return Outcome { found, expected, trouble: None },
        Remedy::Elsewhere(side, script) => _ = scene.end(side).sh(script),
        Remedy::AsDeclared => {
            for (number, finding) in findings.iter().enumerate() {
                declare(scene.end(situation.asked), finding, number);
            }
        }
        Remedy::AsPrinted(words) | Remedy::Vanishes(words) => {
            let ours = findings.iter().filter(|finding| finding["code"] != NEEDS_A_PROGRAM);
            for (number, finding) in ours.enumerate() {
                carry_out(scene.end(situation.asked), finding, number, words);
            }
        }
    }
    // The service goes on, and a new connection takes the place of the one before.
    if peers.len() > 1 {
        peers.truncate(1);
        peers.push(Peer::client(&scene.client, scene.target));
    }
    let mut left = wanted_after(codes(&look_for(situation, &scene, &BTreeSet::new())));
    left.retain(|code| code != "probe-unseen" || !is_hidden(code, situation, scene.end(situation.asked)));
    let trouble = (!left.is_empty()).then(|| format!("after the remedy: {left:?}"));
    Outcome { found, expected, trouble }
}

/// How often a code was found where it should be, where it should not, and not found where it should be.
#[derive(Default)]
struct Score {
    right: usize,
    wrong: usize,
    missed: usize,
}

#[test]
fn every_situation_is_diagnosed() {
    judge(TABLE);
}

/// Brings all of them about, and prints what is right, wrong and missed.
///
/// # Panics
/// When anything is wrong or missed, or a remedy fails.
pub fn judge(situations: &[Situation]) {
    const WORKERS: usize = 3;
    let (possible, others): (Vec<&Situation>, Vec<&Situation>) =
        situations.iter().rev().partition(|situation| is_root() || !situation.of_root);
    others.iter().for_each(|situation| println!("left out, since it takes root: {}", situation.name));
    let queue = Mutex::new(possible);
    let outcomes = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(situation) = { queue.lock().expect("a queue").pop() } {
                    let examined = std::panic::catch_unwind(|| examine(situation));
                    let outcome = examined.unwrap_or_else(|_| Outcome {
                        found: BTreeSet::new(),
                        expected: situation.expected.iter().map(|code| (*code).to_owned()).collect(),
                        trouble: Some("it could not be brought about, or a remedy failed".to_owned()),
                    });
                    outcomes.lock().expect("a list").push((situation, outcome));
                }
            });
        }
    });
    let mut scores: BTreeMap<String, Score> = BTreeMap::new();
    let mut troubles = Vec::new();
    for (situation, Outcome { found, expected, trouble }) in outcomes.into_inner().expect("a list") {
        for code in found.union(&expected) {
            let score = scores.entry(code.clone()).or_default();
            match (found.contains(code), expected.contains(code)) {
                (true, true) => score.right += 1,
                (true, false) => score.wrong += 1,
                _ => score.missed += 1,
            }
        }
        let wrong = (found != expected).then(|| format!("found {found:?} instead of {expected:?}"));
        troubles.extend(wrong.or(trouble).map(|words| format!("{}: {words}", situation.name)));
    }
    println!("{} situations\n{:26} precision  recall", situations.len(), "finding");
    for (code, Score { right, wrong, missed }) in &scores {
        println!("{code:26} {right:3} of {:3}  {right:3} of {:3}", right + wrong, right + missed);
    }
    assert!(troubles.is_empty(), "{}", troubles.join("\n"));
}
