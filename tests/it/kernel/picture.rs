//! The picture in the README: a real session on a real terminal, as SVG. `SNAPSHOTS=overwrite` draws it again.

use std::fs;
use std::path::Path;

use anstyle_svg::{Term, WIN10_CONSOLE};

use crate::kernel::links::subflows;
use crate::peer::Peer;
use crate::support::{Namespace, program_path, project, run, wait_for};

const FILE: &str = "examples/session.svg";

const CONFIG: &str = "\
version: 1
limits: {subflows: 4}
endpoints:
  fiber: {address: 192.0.2.10, dev: eth0, flags: [subflow]}
  wifi: {address: 198.51.100.20, dev: wlan0, flags: [subflow]}
  lte: {address: 203.0.113.30, dev: wwan0, flags: [subflow, backup]}
";

/// Three ways to a server, the third without a rule that leads there, and an endpoint that nobody declared.
fn hosts() -> (Namespace, Namespace) {
    let client = Namespace::new();
    let server = client.beside();
    server.ip("address add 198.18.0.1/32 dev lo");
    // Without a route the kernel takes the server for a neighbour, and it would answer for its other address.
    let mut sh = server.command("sh");
    sh.args(["-c", "echo 1 > /proc/sys/net/ipv4/conf/all/arp_ignore"]);
    run(sh, "").expect(0);
    let links = [("eth0", "192.0.2", 10), ("wlan0", "198.51.100", 20), ("wwan0", "203.0.113", 30)];
    for (number, (dev, net, host)) in links.into_iter().enumerate() {
        let (table, pid) = (101 + number, server.pid());
        client.ip(&format!("link add {dev} type veth peer name s{number} netns {pid}"));
        server.ip_batch(&format!("address add {net}.1/24 dev s{number}\nlink set s{number} up\n"));
        client.ip_batch(&format!("address add {net}.{host}/24 dev {dev}\nlink set {dev} up\n"));
        client.ip(&format!("route add default via {net}.1 dev {dev} table {table}"));
        if dev != "wwan0" {
            client.ip(&format!("rule add from {net}.{host} table {table}"));
        }
    }
    client.ip("route add default via 192.0.2.1 dev eth0");
    client.ip("mptcp endpoint add 10.7.7.7 signal");
    server.ip("mptcp limits set subflows 8");
    (client, server)
}

/// What the program prints on a terminal of 80 columns, below what was typed.
#[track_caller]
fn on_a_terminal(namespace: &Namespace, typed: &str) -> String {
    let root = namespace.folder.path();
    let arguments = typed.strip_prefix("mptcp-apply ").expect("the program");
    // Names come from the standard folders, which are those of this machine.
    let elsewhere = format!("--root-dir {}", root.display());
    let elsewhere = if arguments.ends_with(".yaml") { "" } else { &elsewhere };
    let inner = format!(
        "cd {}/etc/mptcp-apply && stty cols 80 rows 50 && PATH={}:$PATH exec mptcp-apply {elsewhere} {arguments}",
        root.display(),
        Path::new(program_path()).parent().expect("a folder").display()
    );
    let mut script = namespace.command("script");
    script.args(["--quiet", "--command", &inner, "/dev/null"]);
    let printed = run(script, "").expect(0).stdout.replace('\r', "");
    format!("\x1b[1m$ {typed}\x1b[0m\n{printed}\n")
}

fn session() -> String {
    let (client, server) = hosts();
    let folder = client.folder.path().join("etc/mptcp-apply");
    fs::create_dir_all(&folder).expect("made");
    fs::write(folder.join("edge.yaml"), CONFIG).expect("written");
    let mut session = on_a_terminal(&client, "mptcp-apply edge.yaml");
    let _peers = (Peer::server(&server, "198.18.0.1:443"), Peer::client(&client, "198.18.0.1:443"));
    wait_for("two subflows", || subflows(&client).len() == 2);
    session += &on_a_terminal(&client, "mptcp-apply status edge.yaml");
    session += &on_a_terminal(&client, "mptcp-apply show --connections");
    session += &on_a_terminal(&client, "mptcp-apply doctor edge.yaml");
    session.trim_end().to_owned()
}

/// The picture without what is another in each session: its width, tokens, ports of connections, times and amounts. The
/// columns move with these.
fn lasting(svg: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for line in svg.lines().filter(|line| !line.starts_with("<svg ")) {
        let (mut words, mut before) = (Vec::new(), "");
        for word in line.split([' ', '>', '<']).filter(|word| !word.is_empty()) {
            let port =
                word.rsplit_once(':').filter(|(_, port)| port.parse().is_ok_and(|port: u16| port > 1023));
            match (before, port) {
                ("connection" | "rtt", _) => {}
                (_, Some((address, _))) => words.push(address),
                // With the number before it.
                _ if ["B", "kB", "MB"].contains(&word) => drop(words.pop()),
                _ => words.push(word),
            }
            before = word;
        }
        lines.push(words.join(" "));
    }
    lines
}

/// It shows what the program prints today.
#[test]
fn the_picture_is_up_to_date() {
    // Two colours of the palette are too dark on its background.
    let drawn = Term::new().palette(WIN10_CONSOLE).render_svg(&session());
    let drawn = drawn.replace("#881798", "#C678DD").replace("#C50F1F", "#E74856");
    let path = project().join(FILE);
    if std::env::var("SNAPSHOTS").is_ok_and(|wanted| wanted == "overwrite") {
        fs::write(&path, &drawn).expect("written");
    }
    let picture = fs::read_to_string(path).expect(FILE);
    assert_eq!(lasting(&picture), lasting(&drawn), "SNAPSHOTS=overwrite draws it again; look at it then");
}
