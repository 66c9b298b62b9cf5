//! `show`: the kernel's state, in the words of `ip mptcp`, as JSON, and as a configuration.

use std::fs;

use serde_json::Value;

use crate::kernel::links::{Links, SERVICE, bytes, subflows};
use crate::peer::Peer;
use crate::support::{Namespace, Ran, program_path, run, table_size, wait_for};

#[track_caller]
fn show(namespace: &Namespace, arguments: &[&str]) -> Ran {
    let mut command = namespace.command(program_path());
    command.arg("show").args(arguments);
    run(command, "")
}

#[track_caller]
fn json(namespace: &Namespace, arguments: &[&str]) -> Value {
    let mut all = vec!["--format", "json"];
    all.extend(arguments);
    serde_json::from_str(&show(namespace, &all).expect(0).stdout).expect("one document")
}

/// Whatever there is, as YAML and applied, changes nothing, with and without what has its default.
#[track_caller]
fn is_a_fixed_point(namespace: &Namespace) -> String {
    applied_changes_nothing(namespace, &["--all", "--format", "yaml"]);
    applied_changes_nothing(namespace, &["--format", "yaml"])
}

#[track_caller]
fn applied_changes_nothing(namespace: &Namespace, options: &[&str]) -> String {
    let yaml = show(namespace, options).expect(0).stdout;
    let (table, limits) = (namespace.endpoints(), namespace.limits());
    let planned = namespace.apply(&yaml, &["--dry-run"]).expect(0);
    assert_eq!(planned.stdout, "no changes\n", "of\n{yaml}");
    assert_eq!(namespace.apply(&yaml, &[]).expect(0).stdout, "no changes\n", "of\n{yaml}");
    assert_eq!((namespace.endpoints(), namespace.limits()), (table, limits));
    yaml
}

#[test]
fn it_says_what_ip_says() {
    let namespace = Namespace::new();
    namespace.links(&[("eth7", "peer7")]);
    namespace.ip_batch(
        "mptcp endpoint add 10.0.0.1 id 9 subflow backup dev eth7\nmptcp endpoint add fd00::7 signal\n\
         mptcp endpoint add 127.0.0.1 port 8443 signal\nmptcp limits set subflows 3 add_addr_accepted 1\n",
    );
    let page = show(&namespace, &[]).expect(0).stdout;
    let rows: Vec<&str> = page.lines().take(3).collect();
    assert_eq!(rows, namespace.endpoints());
    assert_eq!(page.lines().nth(3), Some("limits subflows 3 add-addr-accepted 1"));
    assert!(!page.contains("sysctl "), "{page}");
    let all = show(&namespace, &["--all"]).expect(0).stdout;
    assert!(all.lines().any(|line| line == "sysctl enabled 1"), "{all}");
    namespace.sh("echo 9 >/proc/sys/net/mptcp/stale_loss_cnt; echo 1 >/proc/sys/net/mptcp/pm_type");
    let page = show(&namespace, &[]).expect(0).stdout;
    let sysctls: Vec<&str> = page.lines().filter(|line| line.starts_with("sysctl ")).collect();
    assert_eq!(sysctls, ["sysctl path_manager userspace", "sysctl stale_loss_cnt 9"]);
    assert_eq!(
        show(&namespace, &["--id", "9"]).expect(0).stdout.trim(),
        namespace.endpoints()[0..3].iter().find(|row| row.contains("id 9")).expect("it")
    );
    let missing = show(&namespace, &["--id", "77"]).expect(1);
    assert!(missing.stderr.starts_with("error: there is no endpoint with id 77"), "{}", missing.stderr);
}

#[test]
fn the_document_has_the_promised_shape() {
    let namespace = Namespace::new();
    namespace.ip("mptcp endpoint add 10.0.0.1 id 9 subflow backup");
    let document = json(&namespace, &[]);
    let row = serde_json::json!({"address": "10.0.0.1", "port": null, "id": 9, "dev": null,
        "flags": ["subflow", "backup"], "name": null});
    assert_eq!(document["endpoints"], serde_json::json!([row]));
    assert_eq!((&document["version"], &document["netns"]), (&1.into(), &Value::Null));
    assert_eq!(document["limits"], serde_json::json!({"subflows": 2, "add-addr-accepted": 0}));
    assert_eq!(document["sysctls"]["enabled"], 1);
    assert_eq!(document.get("connections"), None);
}

/// Everything that `ip` lets in: rows without flags, of many, of addresses that no configuration may name, of an
/// interface that is gone or has a name like a glob; a negative time; a path manager by two words.
#[test]
fn as_yaml_it_plans_no_change() {
    let namespace = Namespace::new();
    is_a_fixed_point(&namespace);
    namespace.links(&[("eth7", "a*b"), ("gone0", "gone1")]);
    namespace.ip_batch(
        "mptcp endpoint add 10.0.0.1 signal subflow\nmptcp endpoint add 10.0.0.2 dev eth7 subflow backup fullmesh\n\
         mptcp endpoint add 224.0.0.1 signal\nmptcp endpoint add 127.0.0.1 port 8443 signal\n\
         mptcp endpoint add 10.0.0.5\nmptcp endpoint add 10.0.0.6 dev a*b subflow\n\
         mptcp endpoint add 10.0.0.7 dev gone0 subflow\nmptcp endpoint add ::ffff:10.0.0.8 subflow\n\
         link delete gone0\n",
    );
    let mut sh = namespace.command("sh");
    sh.args(["-c", "echo -1 > /proc/sys/net/mptcp/add_addr_timeout"]);
    run(sh, "").expect(0);
    let yaml = is_a_fixed_point(&namespace);
    for comment in [
        "sysctl add_addr_timeout -1",
        "224.0.0.1 id 3 signal",
        "10.0.0.5 id 5",
        "10.0.0.6 id 6 subflow dev a*b",
    ] {
        assert!(yaml.contains(&format!("# cannot be declared: {comment}\n")), "no {comment} in\n{yaml}");
    }
    assert_eq!(namespace.endpoints().len(), 8);
}

/// Rows have the names of their interfaces, also where they name none; what is as in a new namespace is left out.
#[test]
fn yaml_has_names_of_interfaces_and_no_defaults() {
    let namespace = Namespace::new();
    namespace.links(&[("eth7", "eth0"), ("a*b", "_odd")]);
    namespace.ip_batch(
        "address add 10.0.0.1/24 dev eth7\naddress add 10.0.1.1/24 dev eth0\naddress add 10.0.2.1/24 dev a*b\n\
         mptcp endpoint add 10.0.0.1 id 9 subflow dev eth7\nmptcp endpoint add 10.0.0.2 dev eth7 signal\n\
         mptcp endpoint add 10.0.1.1 signal\nmptcp endpoint add 10.0.2.1 signal\nmptcp endpoint add 10.9.9.9 signal\n",
    );
    namespace.sh("echo 9 >/proc/sys/net/mptcp/stale_loss_cnt");
    let yaml = is_a_fixed_point(&namespace);
    let odd = namespace.sh("ip -o link show dev 'a*b' | cut -d: -f1");
    let expected = format!(
        "\
version: 1
limits:
  subflows: 2
  add-addr-accepted: 0
sysctls:
  stale_loss_cnt: 9
endpoints:
  eth7:
    address: 10.0.0.1
    dev: eth7
    id: 9
    flags:
    - subflow
  eth7-2:
    address: 10.0.0.2
    dev: eth7
    id: 10
    flags:
    - signal
  eth0:
    address: 10.0.1.1
    id: 11
    flags:
    - signal
  if-{}:
    address: 10.0.2.1
    id: 12
    flags:
    - signal
  id-13:
    address: 10.9.9.9
    id: 13
    flags:
    - signal
",
        odd.trim()
    );
    assert_eq!(yaml, expected);
    assert!(show(&namespace, &["--all", "--format", "yaml"]).expect(0).stdout.contains("\n  enabled: 1\n"));
}

/// Of an uplink that lacks a rule, its route or an address, nothing is declared: applied, it would add what the kernel does
/// not have, or remove what it has.
#[test]
fn an_uplink_that_is_not_whole_is_not_declared() {
    let links = Links::new();
    let client = &links.client;
    let shown = || client.sh("ip rule show && ip -4 route show table all");
    let index: u32 = client.sh("ip -o link show c2 | cut -d: -f1").trim().parse().expect("a number");
    let flush = format!("route flush table {}", 868_400_000 + index);
    let commented = "\n# cannot be declared: ";
    for (broken, left) in [
        ("rule del from 10.1.2.1 priority 8684", "rule from 10.1.2.1 lookup 8684"),
        ("rule del from 10.1.2.1 priority 8685", "rule from 10.1.2.1 lookup main suppress_prefixlength 0"),
        (
            "rule del from 10.1.2.1 priority 8684\nrule del from 10.1.2.1 priority 8685",
            "address 10.1.2.1 (the rules",
        ),
        (&*flush, "rule from 10.1.2.11 lookup 8684"),
        ("address del 10.1.2.11/24 dev c2", "rule from 10.1.2.11 lookup 8684"),
        ("address add 10.1.2.21/24 dev c2", "address 10.1.2.21 (the rules"),
    ] {
        client.apply("{version: 1, uplinks: {second: {dev: c2, gateway: 10.1.2.2}}}", &[]).expect(0);
        let whole = is_a_fixed_point(client);
        assert!(whole.contains("\nuplinks:\n") && !whole.contains(commented), "{whole}");
        client.ip_batch(&format!("{broken}\n"));
        let before = shown();
        let yaml = is_a_fixed_point(client);
        let has_left = yaml.contains(&format!("{commented}{left}"));
        assert!(has_left && !yaml.contains("uplinks:"), "{broken}:\n{yaml}");
        assert_eq!(shown(), before);
    }
}

/// An endpoint of one's own whose interface is gone is not taken for one that is no longer declared.
#[test]
fn an_own_endpoint_of_an_interface_that_is_gone_stays() {
    let namespace = Namespace::new();
    namespace.links(&[("gone0", "gone1")]);
    let config =
        "{version: 1, prune: false, endpoints: {a: {address: 10.0.0.7, dev: gone0, flags: [subflow]}}}";
    namespace.apply(config, &[]).expect(0);
    namespace.ip_batch("link delete gone0\nmptcp endpoint add 10.0.0.5\n");
    is_a_fixed_point(&namespace);
    assert_eq!(namespace.endpoints().len(), 2);
}

#[test]
fn a_full_table_plans_no_change_either() {
    let namespace = Namespace::new();
    let row =
        |number: usize| format!("mptcp endpoint add 10.0.{}.{} signal\n", number / 200, number % 200 + 1);
    namespace.ip_batch(&(0..table_size()).map(row).collect::<String>());
    is_a_fixed_point(&namespace);
}

#[test]
fn names_are_those_of_the_installed_configuration() {
    let namespace = Namespace::new();
    namespace.links(&[("wwan0", "peer0")]);
    namespace.ip("address add 10.7.0.1/24 dev wwan0");
    let root = namespace.folder.path().join("root");
    fs::create_dir_all(root.join("etc/mptcp-apply")).expect("made");
    let file = root.join("etc/mptcp-apply/a.yaml");
    let config = "{version: 1, endpoints: {fixed: {address: 10.0.0.1, flags: [subflow]}, lte: {dev: 'wwan*', family: ipv4, flags: [subflow]}}}";
    fs::write(&file, config).expect("written");
    namespace.apply(config, &[]).expect(0);
    namespace.ip("mptcp endpoint add 10.0.0.9 signal");
    let options = ["--root-dir", root.to_str().expect("UTF-8")];
    let page = show(&namespace, &options).expect(0).stdout;
    let rows: Vec<&str> = page.lines().take(3).collect();
    assert_eq!(
        rows,
        [
            "10.0.0.1 id 1 subflow             fixed",
            "10.7.0.1 id 2 subflow dev wwan0   lte",
            "10.0.0.9 id 3 signal"
        ]
    );
    assert_eq!(json(&namespace, &options)["endpoints"][1]["name"], "lte");
    fs::write(&file, "version: 2").expect("written");
    let ran = show(&namespace, &options).expect(0);
    assert!(ran.stderr.contains("invalid, so endpoints have no names"), "{}", ran.stderr);
    assert!(ran.stdout.starts_with("10.0.0.1 id 1 subflow\n"), "{}", ran.stdout);
}

#[test]
fn connections_are_shown_with_their_endpoints() {
    let links = Links::new();
    let config = "{version: 1, limits: {subflows: 8}, endpoints: {one: {address: 10.1.1.1, flags: [subflow]}, \
                  two: {address: 10.1.2.1, dev: c2, flags: [subflow]}, \
                  three: {address: 10.1.3.1, dev: c3, flags: [subflow, backup]}}}";
    let root = links.client.folder.path().join("root");
    fs::create_dir_all(root.join("etc/mptcp-apply")).expect("made");
    fs::write(root.join("etc/mptcp-apply/a.yaml"), config).expect("written");
    links.client.apply(config, &[]).expect(0);
    assert_eq!(json(&links.client, &["--connections"])["connections"], serde_json::json!([]));
    let (_server, _client) = links.connect();
    links.wait_for_paths(&["10.1.1.1", "10.1.2.1", "10.1.3.1"]);
    let options = ["--connections", "--root-dir", root.to_str().expect("UTF-8")];
    let moved = |document: &Value| {
        let rows = document["connections"][0]["subflows"].as_array().cloned().unwrap_or_default();
        rows.iter().filter_map(|row| row["bytes-acked"].as_str()?.parse::<u64>().ok()).sum::<u64>()
    };
    wait_for("bytes", || moved(&json(&links.client, &options)) > 10_000);
    let document = json(&links.client, &options);
    let connections = document["connections"].as_array().expect("a list");
    assert_eq!(connections.len(), 1, "{document:#}");
    assert_eq!(connections[0]["fallback"], false);
    // Also where the kernel's hash table has them in another order.
    let rows = connections[0]["subflows"].as_array().expect("a list").clone();
    let names: Vec<&str> = rows.iter().filter_map(|row| row["name"].as_str()).collect();
    assert_eq!(names, ["one", "two", "three"]);
    assert_eq!(rows.iter().map(|row| row["backup"] == true).collect::<Vec<_>>(), [false, false, true]);
    assert_eq!(
        rows.iter().map(|row| row["local-id"].as_u64()).collect::<Vec<_>>(),
        [Some(0), Some(2), Some(3)]
    );
    assert_eq!(rows[1]["dev"], "c2");
    assert!(
        rows.iter().all(|row| row["state"] == "established" && row["remote"] == "10.9.9.9:5000"),
        "{rows:#?}"
    );
    // The tokens are those of `ss`, and the ends are those that it sees.
    let mut ss = links.client.command("ss");
    ss.args(["-Htni"]);
    let seen = run(ss, "").expect(0).stdout;
    let token = connections[0]["token"].as_str().expect("a token");
    for token in [token, rows[0]["remote-token"].as_str().expect("a token")] {
        assert!(seen.contains(token.trim_start_matches('0')), "{token} is not in {seen}");
    }
    assert_eq!(subflows(&links.client).len(), 3);
    let page = show(&links.client, &options).expect(0).stdout;
    assert!(page.contains(&format!("connection {token} path manager kernel\n")), "{page}");
    assert!(
        page.lines().any(|line| line.contains("10.1.3.1%c3:") && line.ends_with("three  backup")),
        "{page}"
    );
}

/// One byte went there and came back, at least once. The kernel counts the SYN as acknowledged, too.
#[test]
fn the_handshake_is_no_data() {
    let links = Links::new();
    let _server = Peer::server(&links.server, SERVICE);
    let _client = Peer::quiet_client(&links.client, SERVICE);
    wait_for("the bytes that ss tells", || {
        let document = json(&links.client, &["--connections"]);
        let subflow = &document["connections"][0]["subflows"][0];
        let [sent, received] = &bytes(&links.client)["10.1.1.1"];
        let page = show(&links.client, &["--connections"]).expect(0).stdout;
        [&subflow["bytes-sent"], &subflow["bytes-received"]] == [sent, received]
            && page.contains(&format!("  sent {sent} B  received {received} B  "))
    });
}

#[test]
fn looking_needs_no_rights() {
    let namespace = Namespace::new();
    namespace.ip("mptcp endpoint add 10.0.0.1 subflow");
    let mut command = namespace.command("setpriv");
    command.args([
        "--bounding-set",
        "-all",
        "--inh-caps",
        "-all",
        "--ambient-caps",
        "-all",
        program_path(),
        "show",
        "--connections",
    ]);
    assert!(run(command, "").expect(0).stdout.starts_with("10.0.0.1 id 1 subflow\n"));
}

/// A connection that goes on as plain TCP has one path for good.
#[test]
fn a_connection_that_fell_back_is_marked() {
    let links = Links::new();
    let _server = Peer::plain_server(&links.server, SERVICE);
    let _client = Peer::client(&links.client, SERVICE);
    assert_eq!(json(&links.client, &["--connections"])["connections"][0]["fallback"], true);
    let page = show(&links.client, &["--connections"]).expect(0).stdout;
    let heading = page.lines().find(|line| line.starts_with("connection ")).expect("a connection");
    assert!(heading.ends_with("   fallback to TCP"), "{page}");
}

/// Beside one that speaks MPTCP, to the same host and port: all that `ss -M` lists, each by its own end.
#[test]
fn a_connection_that_fell_back_is_shown_beside_another_one() {
    let links = Links::new();
    let _server = Peer::server(&links.server, SERVICE);
    let _client = Peer::client(&links.client, SERVICE);
    let mut nft = links.server.command("nft");
    nft.args(["-f", "-"]);
    let hook = "type filter hook prerouting priority -300;";
    let rule = "tcp flags syn reset tcp option mptcp";
    run(nft, &format!("table ip box {{\nchain in {{\n{hook}\n{rule}\n}}\n}}\n")).expect(0);
    let _plain = (Peer::client(&links.client, SERVICE), Peer::client(&links.client, SERVICE));
    let document = json(&links.client, &["--connections"]);
    let all = document["connections"].as_array().expect("a list");
    let shown = all.iter().map(|connection| {
        let local = connection["subflows"][0]["local"].as_str().expect("an end");
        (local.to_owned(), connection["fallback"] == true)
    });
    let mut shown: Vec<(String, bool)> = shown.collect();
    shown.sort();
    let mut ss = links.client.command("ss");
    ss.args(["-HMni"]);
    let listed = run(ss, "").expect(0).stdout;
    let rows = listed.lines().collect::<Vec<_>>();
    let row = |pair: &[&str]| {
        let local = pair[0].split_whitespace().find(|word| word.starts_with("10.1.1.1:")).expect("an end");
        (local.to_owned(), pair[1].contains(" fallback "))
    };
    let mut expected: Vec<(String, bool)> = rows.chunks_exact(2).map(row).collect();
    expected.sort();
    assert_eq!(shown, expected, "{listed}");
    assert_eq!(shown.iter().filter(|(_, fell_back)| *fell_back).count(), 2, "{listed}");
}

/// Long addresses and names on a real terminal, by script(1): no line is torn, whatever an interface is called.
#[test]
fn connections_fit_a_terminal() {
    let links = Links::new();
    let (dev, six) = ("name\u{1b}[31mofc2", "2001:db8:1111:2222:3333:4444:5555:6666");
    links.client.ip_batch(&format!("link set c2 down\nlink set c2 name {dev}\nlink set {dev} up\n"));
    links.client.ip(&format!("address add {six}/64 dev {dev} nodad"));
    links.server.ip("address add 2001:db8:1111:2222:3333:4444:5555:7777/64 dev s2 nodad");
    links.client.ip("address add 2001:db8:1111:2222:3333:4444:5555:8888/64 dev c1 nodad");
    links.client.ip(&format!("mptcp endpoint add {six} subflow backup dev {dev}"));
    let service = "[2001:db8:1111:2222:3333:4444:5555:7777]:50000";
    let _peers = (Peer::server(&links.server, service), Peer::client(&links.client, service));
    let mut script = links.client.command("script");
    let inner = format!("stty cols 80 && {} show --connections --color never", program_path());
    script.args(["--quiet", "--return", "--command", &inner, "/dev/null"]);
    let page = run(script, "").expect(0).stdout.replace('\r', "");
    let (_, rows) = page.split_once("connection ").expect("a connection");
    assert!(rows.lines().all(|line| line.chars().count() <= 80), "{page}");
    assert!(rows.contains(&format!("established  [{six}]")), "{page}");
    assert!(
        rows.lines()
            .any(|line| line.starts_with("               [2001:db8:1111:2222:3333:4444:5555:7777]:50000")),
        "{page}"
    );
    assert!(!page.contains('\u{1b}'), "{page:?}");
}
