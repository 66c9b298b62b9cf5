//! Completions by the shells themselves: one table for bash, zsh and fish of what is typed and what is offered then. bash and
//! zsh run on a terminal, by script(1), and split and change the line as for a user.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::process::{Child, Command, Stdio};

use mptcp_apply::model::VERBS;

use crate::peer::Peer;
use crate::support::{Namespace, program_path, project, run, wait_for};

/// What has to be offered.
enum Offer {
    /// These words and no others.
    Only(&'static [&'static str]),
    /// The first ones, and none of the second ones.
    With(&'static [&'static str], &'static [&'static str]),
}

use Offer::{Only, With};

/// What is typed, and what is offered. TOKEN is that of the live connection.
const TABLE: &[(&str, Offer)] = &[
    ("mptcp-apply ", With(&VERBS, &["guard", "--wait", "web-1"])),
    ("mptcp-apply ", With(&["edge.yaml", "dir"], &[])),
    ("mptcp-apply sh", Only(&["show"])),
    ("mptcp-apply e", Only(&["edge.yaml"])),
    ("mptcp-apply --wa", Only(&["--wait", "--watch"])),
    ("mptcp-apply --netns ", Only(&["web-1", "web-2"])),
    ("mptcp-apply --netns=web-", Only(&["web-1", "web-2"])),
    ("mptcp-apply --netns web-1 sh", Only(&["show"])),
    ("mptcp-apply --netns=web-1 sh", Only(&["show"])),
    ("mptcp-apply --format json -v mon", Only(&["monitor"])),
    ("mptcp-apply -n ", With(&["edge.yaml", "renew"], &["web-1"])),
    ("mptcp-apply --format ", Only(&["json", "text"])),
    ("mptcp-apply --format=j", Only(&["json"])),
    ("mptcp-apply --color a", Only(&["always", "auto"])),
    ("mptcp-apply --root-dir ", Only(&["dir"])),
    ("mptcp-apply --root-dir=d", Only(&["dir"])),
    ("mptcp-apply --wait ", Only(&[])),
    ("mptcp-apply --resync ", Only(&[])),
    ("mptcp-apply --metrics ", With(&["edge.yaml", "other.txt", "dir"], &["show", "check"])),
    ("mptcp-apply --watch --metrics=o", Only(&["other.txt"])),
    ("mptcp-apply edge.yaml ", With(&["other.txt", "dir"], &["show", "check"])),
    ("mptcp-apply edge.yaml --dif", Only(&["--diff"])),
    ("mptcp-apply -- sh", Only(&[])),
    ("mptcp-apply check ", With(&["edge.yaml", "other.txt", "dir"], &["check", "show"])),
    ("mptcp-apply check edge.yaml o", Only(&["other.txt"])),
    ("mptcp-apply check --", With(&["--strict", "--format", "--help"], &["--netns", "--watch", "--id"])),
    ("mptcp-apply status --format ", Only(&["json", "openmetrics", "text"])),
    ("mptcp-apply status --d", Only(&["--detailed-exitcode"])),
    ("mptcp-apply status e", Only(&["edge.yaml"])),
    ("mptcp-apply show ", With(&[], &["edge.yaml", "dir", "show", "text"])),
    ("mptcp-apply show --c", Only(&["--color", "--connections"])),
    ("mptcp-apply show --format ", Only(&["json", "text", "yaml"])),
    ("mptcp-apply show --id ", Only(&["4", "7"])),
    ("mptcp-apply show --id=", Only(&["4", "7"])),
    ("mptcp-apply --netns web-1 show --id ", Only(&["9"])),
    ("mptcp-apply show --netns=web-1 --id=", Only(&["9"])),
    ("mptcp-apply try e", Only(&["edge.yaml"])),
    ("mptcp-apply try --t", Only(&["--timeout"])),
    ("mptcp-apply try --timeout ", Only(&[])),
    ("mptcp-apply try --confirm-with tru", With(&["true"], &["edge.yaml"])),
    ("mptcp-apply try --netns ", Only(&["web-1", "web-2"])),
    ("mptcp-apply doctor e", Only(&["edge.yaml"])),
    ("mptcp-apply doctor --netns ", Only(&["web-1", "web-2"])),
    ("mptcp-apply doctor --pro", Only(&["--probe"])),
    ("mptcp-apply doctor --probe ", Only(&[])),
    ("mptcp-apply monitor ", With(&[], &["edge.yaml", "dir", "show", "text"])),
    ("mptcp-apply monitor --n", Only(&["--netns"])),
    // Over loopback there are two, one for each end.
    ("mptcp-apply connection ", With(&["TOKEN"], &["edge.yaml", "announce"])),
    ("mptcp-apply connection TOKEN ", Only(&["announce", "create", "destroy", "remove", "set"])),
    ("mptcp-apply connection TOKEN announce ", Only(&[])),
    ("mptcp-apply renew ", Only(&["2001:db8::7", "fiber"])),
    ("mptcp-apply renew 2001:d", Only(&["2001:db8::7"])),
    ("mptcp-apply renew fiber 2001:db8:", Only(&["2001:db8::7"])),
    ("mptcp-apply renew --fo", Only(&["--force", "--format"])),
    ("mptcp-apply schema ", With(&[], &["edge.yaml", "dir", "show", "text"])),
    ("mptcp-apply help sc", Only(&["schema"])),
];

/// What is typed, and what one Tab makes of it in bash and zsh.
const LINES: [(&str, &str); 7] = [
    ("mptcp-apply sho", "mptcp-apply show "),
    ("mptcp-apply show --format=ya", "mptcp-apply show --format=yaml "),
    ("mptcp-apply check my", "mptcp-apply check my\\ file.yaml "),
    ("mptcp-apply --root-dir=di", "mptcp-apply --root-dir=dir/"),
    ("mptcp-apply renew 2001", "mptcp-apply renew 2001:db8::7 "),
    ("mptcp-apply renew 2001:db8::", "mptcp-apply renew 2001:db8::7 "),
    ("mptcp-apply show --netns we", "mptcp-apply show --netns web-"),
];

/// Namespaces, endpoints, a connection, and files; the program stands in a folder of the search path.
struct Scene {
    namespace: Namespace,
    token: String,
    _ends: (Peer, Peer),
}

impl Scene {
    #[track_caller]
    fn new() -> Scene {
        let namespace = Namespace::with_own_run();
        namespace.ip_batch("netns add web-1\nnetns add web-2\n");
        namespace.ip("address add 10.0.0.1/32 dev lo");
        namespace.ip("-n web-1 mptcp endpoint add 10.0.0.1 id 9 signal");
        namespace.ip_batch(
            "mptcp endpoint add 10.0.0.1 port 8443 id 4 signal\nmptcp endpoint add 2001:db8::7 id 7 signal\n",
        );
        let declared = "version: 1\nendpoints: {fiber: {address: 10.0.0.1, port: 8443, flags: [signal]}}\n";
        namespace.sh(&format!("mkdir /run/mptcp-apply && printf '{declared}' >/run/mptcp-apply/one.yaml"));
        let folder = namespace.folder.path();
        for (path, text) in
            [("work/edge.yaml", ""), ("work/my file.yaml", ""), ("work/other.txt", ""), ("work/dir/x", "")]
        {
            fs::create_dir_all(folder.join(path).parent().expect("a folder")).expect("made");
            fs::write(folder.join(path), text).expect("written");
        }
        fs::create_dir(folder.join("bin")).expect("made");
        symlink(program_path(), folder.join("bin/mptcp-apply")).expect("linked");
        let ends = (Peer::server(&namespace, "127.0.0.1:5000"), Peer::client(&namespace, "127.0.0.1:5000"));
        let token = || {
            let shown = namespace.sh("ss --no-header --mptcp --info state established dport = :5000");
            let (_, token) = shown.split_once("token:")?;
            Some(format!("{:0>8}", token.split_whitespace().next()?))
        };
        wait_for("a connection", || token().is_some());
        Scene { token: token().expect("a token"), namespace, _ends: ends }
    }

    /// A shell, which has to go to the folder with the files itself: entering another `/run` leads to the root.
    #[track_caller]
    fn shell(&self, shell: &str) -> Command {
        let folder = self.namespace.folder.path();
        let mut command = self.namespace.command(shell);
        let path = format!("{}:{}", folder.join("bin").display(), std::env::var("PATH").unwrap_or_default());
        command.env("PATH", path).env("HOME", folder).env("TERM", "xterm");
        command.env("COMPLETIONS", project().join("packaging/completions")).env("OUT", folder);
        command
    }

    fn with_token(&self, words: &str) -> String {
        words.replace("TOKEN", &self.token)
    }

    /// What is wrong with what this shell offers.
    fn judge(&self, shell: &str, line: &str, offer: &Offer, offered: &[String]) -> Option<String> {
        let offered: BTreeSet<String> = offered.iter().map(|word| plain(word)).collect();
        let words =
            |words: &[&str]| words.iter().map(|word| self.with_token(word)).collect::<BTreeSet<String>>();
        let is_right = match offer {
            Only(exact) => offered == words(exact),
            With(these, others) => words(these).is_subset(&offered) && words(others).is_disjoint(&offered),
        };
        (!is_right).then(|| format!("{shell}: `{line}` offers {offered:?}"))
    }
}

/// A candidate as the table has it: without its description, its option, the path before it, and the sign after it.
fn plain(candidate: &str) -> String {
    let word = candidate.split('\t').next().unwrap_or_default().trim_end_matches(['=', '/']);
    let word = word.split_once('=').map_or(word, |(_, value)| value);
    word.rsplit('/').next().unwrap_or_default().to_owned()
}

/// An interactive shell on a terminal.
struct Terminal<'s> {
    scene: &'s Scene,
    child: Child,
}

impl<'s> Terminal<'s> {
    #[track_caller]
    fn start(scene: &'s Scene, start: &str) -> Terminal<'s> {
        let mut script = scene.shell("script");
        script.args(["--quiet", "--command", start, "/dev/null"]);
        script.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let terminal = Terminal { scene, child: script.spawn().expect("script(1) starts") };
        terminal.wait();
        terminal
    }

    #[track_caller]
    fn wait(&self) {
        let done = self.scene.namespace.folder.path().join("done");
        wait_for("the shell", || done.exists());
        fs::remove_file(done).expect("removed");
    }

    /// Types a line and Tab: what is offered, and the line then.
    #[track_caller]
    fn complete(&mut self, line: &str) -> (Vec<String>, String) {
        let keys = format!("{line}\t\x18d");
        self.child.stdin.as_mut().expect("piped").write_all(keys.as_bytes()).expect("typed");
        self.wait();
        let folder = self.scene.namespace.folder.path();
        let offered = fs::read_to_string(folder.join("offered")).unwrap_or_default();
        let _ = fs::remove_file(folder.join("offered"));
        let line = fs::read_to_string(folder.join("line")).expect("UTF-8");
        (offered.lines().filter(|word| !word.is_empty()).map(str::to_owned).collect(), line)
    }
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
fn needs(shell: &str) {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("command -v {shell}")]);
    let is_there = run(command, "").code == 0;
    assert!(is_there, "{shell} is missing, so this test cannot run; on Debian: apt-get install {shell}");
}

#[track_caller]
fn judge_on_terminal(shell: &str, start: &str) {
    needs(shell);
    let scene = Scene::new();
    let mut terminal = Terminal::start(&scene, start);
    let mut wrong = Vec::new();
    for (line, offer) in TABLE {
        let line = scene.with_token(line);
        let (mut offered, _) = terminal.complete(&line);
        if shell == "bash" {
            // It replaces only what stands behind the last colon.
            let word = line.rsplit(' ').next().unwrap_or_default();
            let kept = word.rfind(':').map_or("", |colon| &word[..=colon]);
            offered.iter_mut().for_each(|offered| offered.insert_str(0, kept));
        }
        wrong.extend(scene.judge(shell, &line, offer, &offered));
    }
    for (line, expected) in LINES {
        let (_, completed) = terminal.complete(line);
        if completed != expected {
            wrong.push(format!("{shell}: `{line}` becomes `{completed}`"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn bash_offers_what_fits() {
    let rc = project().join("tests/it/kernel/completion/bash.rc");
    judge_on_terminal("bash", &format!("bash --noprofile --rcfile {} -i", rc.display()));
}

#[test]
fn zsh_offers_what_fits() {
    let rc = project().join("tests/it/kernel/completion/zsh.rc");
    judge_on_terminal("zsh", &format!("cp {} $HOME/.zshrc && exec zsh -d -i", rc.display()));
}

#[test]
fn fish_offers_what_fits() {
    needs("fish");
    let scene = Scene::new();
    let mut fish = scene.shell("fish");
    // A line for each candidate, behind the number of the line that was typed.
    let script = "cd $OUT/work
        source $COMPLETIONS/mptcp-apply.fish
        set -l number 0
        while read --local --delimiter '' line
            for offered in (complete --do-complete \"$line\")
                echo $number\\t$offered
            end
            set number (math $number + 1)
        end";
    fish.args(["--no-config", "--command", script]);
    let typed: Vec<String> = TABLE.iter().map(|(line, _)| scene.with_token(line)).collect();
    let shown = run(fish, &(typed.join("\n") + "\n")).expect(0);
    let mut wrong = Vec::new();
    for (number, (line, offer)) in TABLE.iter().enumerate() {
        let start = format!("{number}\t");
        let offered: Vec<String> =
            shown.stdout.lines().filter_map(|row| row.strip_prefix(&start)).map(str::to_owned).collect();
        wrong.extend(scene.judge("fish", line, offer, &offered));
    }
    assert!(wrong.is_empty() && shown.stderr.is_empty(), "{}\n{}", wrong.join("\n"), shown.stderr);
}
