//! What the manual page says about one connection by hand, carried out as it stands there.

use std::fs;

use crate::kernel::connection::{Scenario, hears, witness};
use crate::kernel::links::{Links, SERVICE};
use crate::kernel::monitor::listeners;
use crate::kernel::watcher::Watcher;
use crate::peer::Peer;
use crate::support::{Namespace, program_path, project, run, wait_for};

/// The example below that heading, with the names and addresses of the test in the place of the page's.
#[track_caller]
fn recipe(heading: &str, names: &[(&str, &str)]) -> String {
    let page = fs::read_to_string(project().join("packaging/man/mptcp-apply.8")).expect("a page");
    let (_, section) = page.split_once(&format!(".SS {heading}\n")).expect("the heading");
    let (_, example) = section.split_once(".nf\n").expect("an example");
    let (example, _) = example.split_once(".fi\n").expect("its end");
    let plain = [("\\-", "-"), ("\\(aq", "'"), ("\\e", "\\"), ("\\fI", ""), ("\\fR", "")];
    let replaced = |text: String, (from, to): &(&str, &str)| {
        assert!(plain.contains(&(*from, *to)) || text.contains(*from), "no {from} in {text}");
        text.replace(from, to)
    };
    plain.iter().chain(names).fold(example.to_owned(), replaced)
}

/// The program under its own name, for scripts.
fn path(namespace: &Namespace) -> String {
    let link = namespace.folder.path().join("mptcp-apply");
    if !link.exists() {
        std::os::unix::fs::symlink(program_path(), &link).expect("linked");
    }
    format!("PATH={}:$PATH\n", namespace.folder.path().display())
}

/// How many bytes the subflows from this address sent, as `ss` counts them.
#[track_caller]
fn sent(namespace: &Namespace, from: &str) -> u64 {
    let mut ss = namespace.command("ss");
    ss.args(["-Htni", "src", from]);
    let text = run(ss, "").expect(0).stdout;
    let counts = text.split("bytes_acked:").skip(1).filter_map(|rest| rest.split_whitespace().next());
    counts.filter_map(|count| count.parse::<u64>().ok()).sum()
}

#[test]
fn a_connection_is_pinned_to_one_uplink() {
    let links = Links::new();
    let _server = Peer::server(&links.server, SERVICE);
    links.client.sh("echo 1 >/proc/sys/net/mptcp/pm_type");
    let _client = Peer::client(&links.client, SERVICE);
    let list = format!("{}mptcp-apply connection", path(&links.client));
    let page = links.client.sh(&list);
    let token = page.split_whitespace().nth(1).expect("a token").to_owned();
    let names = [("203.0.113.7:443", SERVICE), ("wwan0", "c2"), ("5c1d1e2a", &token)];
    let commands = recipe("Pin a connection to one uplink", &names);
    let (before, after) = commands.split_once("# start the program, then:\n").expect("two parts");
    // Older kernels have the other word only.
    let written = "echo 0 >/proc/sys/net/mptcp/pm_type\n";
    let after = after.replace("sysctl net.mptcp.path_manager=kernel\n", written);
    assert!(before.ends_with("path_manager=userspace\n") && after.starts_with(written), "{commands}");
    links.client.sh(&format!("{}{after}", path(&links.client)));
    links.wait_for_paths(&["10.1.1.1", "10.1.2.1"]);
    // What was on its way arrives; then the first subflow rests, and the other one carries all.
    let resting = || {
        let (first, other) = (sent(&links.client, "10.1.1.1"), sent(&links.client, "10.1.2.1"));
        wait_for("data", || sent(&links.client, "10.1.2.1") > other + 100_000);
        sent(&links.client, "10.1.1.1") == first
    };
    wait_for("a first subflow that rests", resting);
}

/// The endpoint opens a subflow for another service, and not for this one.
#[test]
fn one_service_is_kept_off_one_uplink() {
    const OTHER: &str = "10.9.9.9:5001";
    let links = Links::new();
    let rules = recipe("Keep one service off one uplink", &[("wwan0", "c2"), ("443", "5000")]);
    links.client.ip("mptcp limits set subflows 8");
    for n in [2, 3] {
        links.client.ip(&format!("mptcp endpoint add 10.1.{n}.1 dev c{n} subflow"));
    }
    let mut nft = links.client.command("nft");
    nft.args(["-f", "-"]);
    run(nft, &rules).expect(0);
    let _servers = (Peer::server(&links.server, SERVICE), Peer::server(&links.server, OTHER));
    let witness = witness(&links.client);
    let client = Peer::client(&links.client, SERVICE);
    hears(&witness, &["[     SF_CLOSED]", "saddr4=10.1.2.1", "error=111"]);
    links.wait_for_paths(&["10.1.1.1", "10.1.3.1"]);
    drop(client);
    links.wait_for_paths(&[]);
    let _client = Peer::client(&links.client, OTHER);
    links.wait_for_paths(&["10.1.1.1", "10.1.2.1", "10.1.3.1"]);
}

#[test]
fn a_script_opens_a_lost_subflow_again() {
    let scenario = Scenario::new();
    let links = &scenario.links;
    let script = format!(
        "{}{}",
        path(&links.client),
        recipe("Open a lost subflow again", &[("sleep 2", "sleep 0.2")])
    );
    // All of the pipeline ends with its first process.
    let mut sh = links.client.command("unshare");
    sh.args(["--pid", "--fork", "--kill-child", "sh", "-euc", &script]);
    let retry = Watcher::run(sh);
    wait_for("a monitor", || listeners(&links.client) == 1);
    scenario.perform("create 10.1.2.1 to 10.9.9.9:5000 id 5").expect(0);
    links.wait_for_paths(&["10.1.1.1", "10.1.2.1"]);
    links.server.sh("ss -Ktn dst 10.1.2.1");
    wait_for("a line of the script", || retry.count() > 0);
    let line = retry.lines().concat();
    assert!(line.starts_with("created 10.1.2.1 to 10.9.9.9:5000 id 5 on connection "), "{line}");
    links.wait_for_paths(&["10.1.1.1", "10.1.2.1"]);
}
