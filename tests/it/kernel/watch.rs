//! `--watch`: hosts that change beneath it, and other writers.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::kernel::links::{Links, SERVICE, subflows};
use crate::kernel::watcher::{Watcher, addresses, endpoints, replace, wait_for_table};
use crate::peer::Peer;
use crate::support::{Namespace, allowed, full_pipe, program_path, run, table_size, wait_for};

const LTE: &str =
    "{version: 1, endpoints: {lte: {dev: ['wwan*', '!wwan9'], family: ipv4, flags: [subflow]}}}";

/// What each step does, and why.
fn reasons(run: &Value) -> Vec<(&str, &str)> {
    let steps = run["steps"].as_array().expect("steps");
    steps.iter().map(|step| (step["op"].as_str().unwrap_or(""), step["why"].as_str().unwrap_or(""))).collect()
}

/// A modem that loses its address, and its whole interface, a hundred times.
#[test]
fn a_modem_may_flap() {
    let namespace = Namespace::new();
    namespace.links(&[("wwan0", "peer0")]);
    let (watcher, _) = Watcher::of(&namespace, LTE);
    for number in 0..100 {
        namespace.ip(&format!("address add 10.7.0.{}/24 dev wwan0", number + 1));
        if number % 10 == 9 {
            wait_for_table(&namespace, &[&format!("10.7.0.{}", number + 1)]);
        }
        if number % 25 == 24 {
            namespace.ip("link delete wwan0");
            namespace.links(&[("wwan0", "peer0")]);
        } else {
            namespace.ip(&format!("address delete 10.7.0.{}/24 dev wwan0", number + 1));
        }
    }
    wait_for_table(&namespace, &[]);
    namespace.links(&[("wwan9", "peer9"), ("wwan1", "peer1")]);
    namespace.ip("address add 10.7.9.1/24 dev wwan9");
    namespace.ip("address add 10.7.1.1/24 dev wwan1");
    namespace.ip("address add 10.7.0.200/24 dev wwan0");
    wait_for("both", || namespace.endpoints().len() == 2);
    let mut rows = namespace.endpoints();
    rows.sort();
    assert!(rows[0].starts_with("10.7.0.200 id ") && rows[0].ends_with("subflow dev wwan0"), "{rows:?}");
    assert!(rows[1].starts_with("10.7.1.1 id ") && rows[1].ends_with("subflow dev wwan1"), "{rows:?}");
    watcher.stop();
}

/// While its duplicate address detection runs, an address cannot be used.
#[test]
fn a_tentative_address_is_no_match_yet() {
    let namespace = Namespace::new();
    namespace.links(&[("wwan0", "peer0")]);
    let config = "{version: 1, endpoints: {lte: {dev: wwan0, family: ipv6, flags: [subflow]}}}";
    let (watcher, _) = Watcher::of(&namespace, config);
    // Each takes a second.
    let mut sh = namespace.command("sh");
    sh.args(["-c", "echo 3 > /proc/sys/net/ipv6/conf/wwan0/dad_transmits"]);
    run(sh, "").expect(0);
    namespace.ip("address add 2001:db8::7/64 dev wwan0");
    assert!(namespace.ip("address show dev wwan0").contains("tentative"));
    wait_for_table(&namespace, &["2001:db8::7"]);
    assert!(!namespace.ip("address show to 2001:db8::7").contains("tentative"));
    // One run saw the links' own addresses at most; none took what was not usable.
    let added = || watcher.runs().iter().filter(|run| run["changed"] == true).count();
    wait_for("the report of the change", || added() > 0);
    assert_eq!(added(), 1);
    watcher.stop();
}

#[test]
fn an_address_may_move_to_another_interface() {
    let namespace = Namespace::new();
    namespace.links(&[("wwan0", "peer0"), ("wwan1", "peer1")]);
    namespace.ip("address add 10.7.0.1/24 dev wwan0");
    let (watcher, _) = Watcher::of(&namespace, LTE);
    assert_eq!(namespace.endpoints(), ["10.7.0.1 id 1 subflow dev wwan0"]);
    namespace.ip_batch("address delete 10.7.0.1/24 dev wwan0\naddress add 10.7.0.1/24 dev wwan1\n");
    wait_for("the other interface", || namespace.endpoints().concat().ends_with("dev wwan1"));
    assert_eq!(namespace.endpoints().len(), 1);
    watcher.stop();
}

/// The kernel keeps the index of an interface that is gone.
#[test]
fn an_interface_may_be_made_anew() {
    let namespace = Namespace::new();
    namespace.links(&[("eth7", "peer7")]);
    namespace.ip("address add 10.7.0.1/24 dev eth7");
    let config = "{version: 1, endpoints: {a: {address: 10.7.0.1, dev: eth7, flags: [subflow]}}}";
    let (watcher, _) = Watcher::of(&namespace, config);
    namespace.ip("link delete eth7");
    namespace.links(&[("eth7", "peer7")]);
    namespace.ip("address add 10.7.0.1/24 dev eth7");
    wait_for("the new index", || namespace.endpoints() == ["10.7.0.1 id 1 subflow dev eth7"]);
    watcher.stop();
}

/// Added before its address was there: live connections never got a subflow from it, and get one now. Once.
#[test]
fn an_early_endpoint_is_renewed_once() {
    let namespace = Namespace::new();
    namespace.links(&[("eth7", "peer7")]);
    let (watcher, _) = Watcher::of(&namespace, &endpoints(&["10.7.0.1"]));
    assert_eq!(addresses(&namespace), ["10.7.0.1"], "endpoints need no address");
    namespace.ip("address add 10.7.0.1/24 dev eth7");
    wait_for("its renewal", || {
        watcher.runs().iter().any(|run| run["changed"] == true && run != &watcher.runs()[0])
    });
    let renewal = watcher.runs().into_iter().rfind(|run| run["changed"] == true).expect("a run");
    let why = "added before its address could be used";
    assert_eq!(reasons(&renewal), [("del-addr", why), ("add-addr", why)]);
    assert_eq!(renewal["steps"][0]["id"], renewal["steps"][1]["id"]);
    let runs = watcher.count();
    namespace.ip("address add 10.7.0.2/24 dev eth7");
    watcher.wait_for_runs(runs + 1);
    assert_eq!(watcher.runs()[runs]["changed"], false);
    watcher.stop();
}

/// What it was added with has gone and come back since. Where that is only a name, nothing is to be done.
#[test]
fn an_endpoint_that_was_not_early_is_not_called_early() {
    let namespace = Namespace::new();
    namespace.links(&[("eth7", "peer7")]);
    namespace.ip_batch("address add 10.7.0.1/24 dev eth7\nlink property add dev eth7 altname wan\n");
    let config = "{version: 1, endpoints: {a: {address: 10.7.0.1, dev: wan, flags: [subflow]}}}";
    let (watcher, _) = Watcher::of(&namespace, config);
    let look = |change: &str| {
        namespace.ip(change);
        watcher.signal(Signal::HUP);
        watcher.wait_until_idle();
    };
    look("link property del dev eth7 altname wan");
    look("link property add dev eth7 altname wan");
    let changes =
        || watcher.runs().into_iter().skip(1).filter(|run| run["changed"] == true).collect::<Vec<_>>();
    assert_eq!(changes(), [0; 0]);
    look("address delete 10.7.0.1/24 dev eth7");
    assert_eq!(changes(), [0; 0]);
    look("address add 10.7.0.1/24 dev eth7");
    let [renewal] = &changes()[..] else { panic!("{:?}", changes()) };
    assert_eq!(reasons(renewal), [("del-addr", "renewed"), ("add-addr", "renewed")]);
    watcher.stop();
}

/// Within a second of the address, and no subflow of before is closed.
#[test]
fn a_live_connection_gets_a_subflow_with_a_new_address() {
    let links = Links::new();
    links.client.ip("address delete 10.1.2.1/24 dev c2");
    links.client.ip("mptcp limits set subflows 8");
    let config = "{version: 1, endpoints: {lan: {address: 10.1.1.1, dev: c1, flags: [subflow]}, \
                  early: {address: 10.1.2.1, flags: [subflow]}, \
                  lte: {dev: c3, address: 10.1.3.0/28, flags: [subflow]}}}";
    links.client.ip("address delete 10.1.3.11/24 dev c3");
    links.client.ip("address delete 10.1.3.1/24 dev c3");
    let (watcher, _) = Watcher::of(&links.client, config);
    let _server = Peer::server(&links.server, SERVICE);
    let client = Peer::client(&links.client, SERVICE);
    links.wait_for_paths(&["10.1.1.1"]);
    let first = subflows(&links.client);
    for (number, paths) in [(3, &["10.1.1.1", "10.1.3.1"][..]), (2, &["10.1.1.1", "10.1.2.1", "10.1.3.1"])] {
        watcher.wait_until_idle();
        let (start, runs) = (Instant::now(), watcher.count());
        links.client.ip(&format!("address add 10.1.{number}.1/24 dev c{number}"));
        // The kernel took the routes with the last address of its network; a DHCP client adds them after the address.
        let route = format!("route replace 10.9.9.9 via 10.1.{number}.2 dev c{number}");
        links.client.ip_batch(&format!("{route} metric {number}\n{route} table 10{number}\n"));
        let routed = start.elapsed();
        links.wait_for_paths(paths);
        let took = start.elapsed();
        assert!(took < allowed(Duration::from_secs(1)), "{number} came after {took:?}");
        watcher.wait_until_idle();
        let changed = watcher.runs()[runs..].iter().filter(|run| run["changed"] == true).count();
        // Where the routes came later, it was added before them, and again.
        assert!(
            changed == 1 || routed > Duration::from_millis(60),
            "{number}: {:#?}",
            &watcher.runs()[runs..]
        );
    }
    let now = subflows(&links.client);
    assert!(first.iter().all(|pair| now.contains(pair)), "{first:?} are not all in {now:?}");
    assert!(client.ask() > 0);
    watcher.stop();
}

/// An address that went and came back so soon that its subflow lives on is left alone.
#[test]
fn a_subflow_that_lives_on_is_not_renewed() {
    let links = Links::new();
    let config = "{version: 1, limits: {subflows: 4}, endpoints: {\
                  a: {address: 10.1.1.1, flags: [subflow]}, b: {address: 10.1.2.1, flags: [subflow]}}}";
    let (watcher, _) = Watcher::of(&links.client, config);
    let (_server, _client) = links.connect();
    links.wait_for_paths(&["10.1.1.1", "10.1.2.1"]);
    let runs = watcher.count();
    links.client.ip("address delete 10.1.2.1/24 dev c2");
    watcher.wait_for_runs(runs + 1);
    let runs = watcher.count();
    links.client.ip("address add 10.1.2.1/24 dev c2");
    watcher.wait_for_runs(runs + 1);
    assert!(watcher.runs()[1..].iter().all(|run| run["changed"] == false), "{:#?}", watcher.runs());
    assert_eq!(links.paths(), ["10.1.1.1", "10.1.2.1"]);
    watcher.stop();
}

/// The kernel asked for the subflow when the endpoint was added, in vain.
#[test]
fn a_route_that_comes_late_is_not_waited_out() {
    let links = Links::new();
    // Otherwise the kernel finds the server on the link, where it has no route to it.
    links.server.sh("echo 1 > /proc/sys/net/ipv4/conf/all/arp_ignore");
    links.client.ip_batch("address delete 10.1.3.11/24 dev c3\naddress delete 10.1.3.1/24 dev c3\n");
    let config = "{version: 1, limits: {subflows: 4}, endpoints: {\
                  a: {address: 10.1.1.1, flags: [subflow]}, c: {dev: c3, family: ipv4, flags: [subflow]}}}";
    let (watcher, _) = Watcher::of(&links.client, config);
    let (_server, _client) = links.connect();
    links.wait_for_paths(&["10.1.1.1"]);
    // A connection is given two seconds to get its subflows by itself.
    watcher.signal(Signal::HUP);
    std::thread::sleep(Duration::from_millis(2100));
    links.client.ip("address add 10.1.3.1/24 dev c3");
    wait_for_table(&links.client, &["10.1.1.1", "10.1.3.1"]);
    watcher.wait_until_idle();
    let start = Instant::now();
    links.client.ip("route add 10.9.9.9 via 10.1.3.2 dev c3 table 103");
    links.wait_for_paths(&["10.1.1.1", "10.1.3.1"]);
    assert!(start.elapsed() < allowed(Duration::from_secs(1)), "{:?}", start.elapsed());
    watcher.stop();
}

/// The kernel tells nobody of it, so it takes until the next look.
#[test]
fn drift_is_put_back_and_told() {
    let namespace = Namespace::new();
    let path = namespace.folder.path().join("config.yaml");
    let config = "{version: 1, limits: {subflows: 3}, sysctls: {stale_loss_cnt: 5}, endpoints: {\
                  a: {address: 10.0.0.1, flags: [subflow]}, b: {address: 10.0.0.2, flags: [signal]}}}";
    fs::write(&path, config).expect("written");
    let watcher = Watcher::start(&namespace, &["--resync", "1", path.to_str().expect("UTF-8")]);
    watcher.wait_for_runs(1);
    namespace.ip_batch(
        "mptcp endpoint delete id 1\nmptcp endpoint change id 2 backup\nmptcp endpoint add 10.0.0.3 signal\n\
         mptcp limits set subflows 1\n",
    );
    let mut sh = namespace.command("sh");
    sh.args(["-c", "echo 7 > /proc/sys/net/mptcp/stale_loss_cnt"]);
    run(sh, "").expect(0);
    wait_for("the table", || {
        let mut table = addresses(&namespace);
        table.sort();
        table == ["10.0.0.1", "10.0.0.2"] && namespace.limits().contains("subflows 3")
    });
    for words in [
        "drift: another program removed 10.0.0.1 id 1 subflow",
        "drift: another program changed 10.0.0.2 id 2 signal to 10.0.0.2 id 2 signal backup",
        "drift: another program added 10.0.0.3 id 3 signal",
        "drift: another program set the limits from subflows 3 add-addr-accepted 0 to subflows 1 add-addr-accepted 0",
        "drift: another program set stale_loss_cnt from 5 to 7",
    ] {
        watcher.wait_until_said(words);
    }
    watcher.stop();
}

/// More notices than a socket holds: some are lost, and that is news too.
#[test]
fn lost_notices_are_news() {
    let namespace = Namespace::new();
    namespace.links(&[("wwan0", "peer0")]);
    let (watcher, _) = Watcher::of(&namespace, LTE);
    watcher.signal(Signal::STOP);
    let noise = |n: u32| format!("address add 10.8.{}.{}/32 dev lo\n", n / 200, n % 200 + 1);
    namespace.ip_batch(&(0..2000).map(noise).collect::<String>());
    namespace.ip("address add 10.7.0.1/24 dev wwan0");
    watcher.signal(Signal::CONT);
    wait_for_table(&namespace, &["10.7.0.1"]);
    watcher.wait_for_runs(2);
    let trigger = |run: &Value| run["trigger"].as_str().unwrap_or_default().to_owned();
    assert_eq!(watcher.runs().iter().map(trigger).collect::<Vec<_>>(), ["start", "host"]);
    watcher.stop();
}

/// What finds no place in the table waits for one.
#[test]
fn what_was_left_out_takes_a_place_that_becomes_free() {
    let namespace = Namespace::new();
    namespace.links(&[("wwan0", "peer0")]);
    let address = |n: usize| format!("10.7.{}.{}", n / 200, n % 200 + 1);
    let add = |n: usize| namespace.ip(&format!("address add {}/32 dev wwan0", address(n)));
    (0..table_size()).for_each(|n| drop(add(n)));
    let (watcher, _) = Watcher::of(&namespace, LTE);
    assert_eq!(namespace.endpoints().len(), table_size());
    let last = address(table_size());
    add(table_size());
    watcher.wait_until_said(&format!("left out: {last}"));
    namespace.ip(&format!("address delete {}/32 dev wwan0", address(2)));
    wait_for("its place is taken", || {
        namespace.endpoints().iter().any(|row| row.starts_with(&format!("{last} ")))
    });
    assert_eq!(namespace.endpoints().len(), table_size());
    watcher.stop();
}

/// What a new configuration changes is no drift.
#[test]
fn a_new_configuration_is_no_drift() {
    let namespace = Namespace::new();
    let (watcher, path) = Watcher::of(&namespace, &endpoints(&["10.0.0.1", "10.0.0.2"]));
    replace(&path, &endpoints(&["10.0.0.3"]));
    wait_for_table(&namespace, &["10.0.0.3"]);
    assert!(!watcher.stop().said.iter().any(|line| line.contains("drift")));
}

#[test]
fn a_second_one_is_told_of_the_first() {
    let namespace = Namespace::new();
    let (watcher, path) = Watcher::of(&namespace, &endpoints(&["10.0.0.1"]));
    let ended = Watcher::start(&namespace, &[path.to_str().expect("UTF-8")]).end();
    assert_eq!(ended.code, 75, "{:?}", ended.said);
    assert!(ended.said[0].contains("another run of mptcp-apply"), "{:?}", ended.said);
    namespace.apply(&endpoints(&["10.0.0.2"]), &[]).expect(75);
    // To look needs no lock.
    namespace.apply(&endpoints(&["10.0.0.2"]), &["--dry-run"]).expect(0);
    watcher.stop();
    namespace.apply(&endpoints(&["10.0.0.2"]), &[]).expect(0);
}

/// What is declared beside it is applied, and each document says that it waits.
#[test]
fn a_required_endpoint_that_waits_is_an_error_of_each_document() {
    let namespace = Namespace::new();
    let config = "{version: 1, endpoints: {late: {dev: gone0, required: true, flags: [subflow]}, \
                  more: {dev: gone1, required: true, flags: [subflow]}, there: {address: 10.0.0.1, flags: [signal]}}}";
    let (watcher, _) = Watcher::of(&namespace, config);
    watcher.signal(Signal::HUP);
    watcher.wait_for_runs(2);
    assert_eq!(addresses(&namespace), ["10.0.0.1"]);
    for (run, result) in watcher.runs().iter().zip(["applied", "unchanged"]) {
        assert_eq!((&run["result"], &run["error"]), (&json!(result), &Value::Null));
        let errors = run["errors"].as_array().expect("errors");
        let codes: Vec<_> = errors.iter().map(|error| (&error["code"], &error["endpoint"])).collect();
        let required = json!("required");
        assert_eq!(codes, [(&required, &json!("late")), (&required, &json!("more"))]);
    }
    watcher.stop();
}

/// Nobody tells when a port is free: it is tried again after 1 s, 2 s and so on.
#[test]
fn a_refused_step_is_tried_again() {
    let namespace = Namespace::new();
    namespace.links(&[("eth7", "peer7")]);
    namespace.ip("address add 10.7.0.1/24 dev eth7");
    let server = Peer::server(&namespace, "10.7.0.1:8443");
    let config = "{version: 1, endpoints: {a: {address: 10.7.0.1, port: 8443, flags: [signal]}}}";
    let (watcher, _) = Watcher::of(&namespace, config);
    watcher.wait_for_runs(3);
    for run in watcher.runs() {
        assert_eq!((&run["result"], &run["error"]["errno"]), (&json!("rolled-back"), &json!("EADDRINUSE")));
    }
    drop(server);
    wait_for("the endpoint", || namespace.endpoints() == ["10.7.0.1 port 8443 id 1 signal"]);
    watcher.stop();
}

/// And at once when there is news.
#[test]
fn a_port_is_opened_when_its_address_comes() {
    let namespace = Namespace::new();
    namespace.links(&[("eth7", "peer7")]);
    let config = "{version: 1, endpoints: {a: {address: 10.7.0.1, port: 8443, flags: [signal]}}}";
    let (watcher, _) = Watcher::of(&namespace, config);
    assert_eq!(watcher.runs()[0]["error"]["errno"], "EADDRNOTAVAIL");
    // The pauses have grown to four seconds.
    watcher.wait_for_runs(3);
    namespace.ip("address add 10.7.0.1/24 dev eth7");
    let start = Instant::now();
    wait_for("the endpoint", || namespace.endpoints().len() == 1);
    assert!(start.elapsed() < allowed(Duration::from_secs(2)));
    watcher.stop();
}

/// Even while it waits for connections to find other paths, which may take half a minute.
#[test]
fn it_ends_soon_in_the_midst_of_waiting() {
    let links = Links::new();
    links.server.ip("mptcp limits set subflows 0");
    let config = "{version: 1, limits: {subflows: 8}, endpoints: {a: {address: 10.1.1.1, flags: [subflow]}}}";
    let (watcher, path) = Watcher::of(&links.client, config);
    let (_server, _client) = links.connect();
    links.wait_for_paths(&["10.1.1.1"]);
    replace(&path, &config.replace("10.1.1.1", "10.1.1.11"));
    wait_for("the new endpoint", || addresses(&links.client).contains(&"10.1.1.11".to_owned()));
    watcher.stop();
    assert_eq!(addresses(&links.client), ["10.1.1.1"], "the connection keeps the path that it has");
}

/// A reader that stops reading loses lines, and nothing else happens.
#[test]
fn a_reader_that_does_not_read_stops_nothing() {
    let namespace = Namespace::new();
    let path = namespace.folder.path().join("config.yaml");
    fs::write(&path, endpoints(&["10.0.0.1"])).expect("written");
    let (mut output, its_output) = full_pipe();
    let (_log, its_log) = full_pipe();
    let mut command = namespace.command(program_path());
    command.args(["-v", "--watch", "--resync", "1", "--format", "json"]).arg(&path);
    let mut child = command.stdout(its_output).stderr(its_log).spawn().expect("starts");
    for _ in 0..2 {
        wait_for_table(&namespace, &["10.0.0.1"]);
        namespace.ip("mptcp endpoint flush");
    }
    wait_for_table(&namespace, &["10.0.0.1"]);
    // Once it reads again, there are whole lines.
    let mut read = vec![0; 65536];
    std::io::Read::read_exact(&mut output, &mut read).expect("read");
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(&mut output), &mut line).expect("read");
    serde_json::from_str::<Value>(&line).expect("a document");
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::TERM).expect("it lives");
    let start = Instant::now();
    assert_eq!(child.wait().expect("waited").code(), Some(0));
    assert!(start.elapsed() < allowed(Duration::from_secs(1)), "{:?}", start.elapsed());
}

/// Nor does a service manager, which hears later that it is ready.
#[test]
fn a_service_manager_that_does_not_read_stops_nothing() {
    let namespace = Namespace::new();
    let folder = namespace.folder.path();
    fs::write(folder.join("config.yaml"), endpoints(&["10.0.0.1"])).expect("written");
    let socket = UnixDatagram::bind(folder.join("notify")).expect("bound");
    let filler = UnixDatagram::unbound().expect("a socket");
    filler.set_nonblocking(true).expect("set");
    filler.connect(folder.join("notify")).expect("connected");
    while filler.send(b"x").is_ok() {}
    let mut command = namespace.command(program_path());
    command.args(["--watch", "--resync", "1", "--format", "json"]).arg(folder.join("config.yaml"));
    command.env("NOTIFY_SOCKET", folder.join("notify"));
    let watcher = Watcher::run(command);
    watcher.wait_for_runs(2);
    namespace.ip("mptcp endpoint flush");
    wait_for_table(&namespace, &["10.0.0.1"]);
    let mut message = [0; 4096];
    let mut receive = || {
        let length = socket.recv(&mut message).expect("received");
        String::from_utf8_lossy(&message[..length]).into_owned()
    };
    while !receive().contains("READY=1") {}
    watcher.wait_until_said("notifications were dropped");
    watcher.stop();
}
