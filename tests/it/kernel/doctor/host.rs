//! What is wrong with a host, whatever its connections do.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::peer::Peer;
use crate::support::{Namespace, is_root, program_path, run, table_size, wait_for};

use super::{doctor, doctor_without_rights, findings, found, mend, mend_by, sh};

const CONFIG: &str = "{version: 1, endpoints: {fiber: {address: 10.0.1.1, dev: eth0, flags: [subflow]}, \
                      lte: {address: 10.0.2.1, dev: wwan0, flags: [subflow, backup]}}}";

/// The same with one more endpoint behind.
fn with_another(declaration: &str) -> String {
    CONFIG.replace("backup]}}}", &format!("backup]}}, {declaration}}}}}"))
}

/// Two ways to the Internet, each with its own default route, and an application that listens with MPTCP.
pub struct Scene {
    pub host: Namespace,
    pub _service: Peer,
}

impl Scene {
    #[track_caller]
    pub fn new() -> Scene {
        let host = Namespace::new();
        host.links(&[("eth0", "peer0"), ("wwan0", "peer1")]);
        host.ip_batch(
            "address add 10.0.1.1/24 dev eth0\naddress add 10.0.2.1/24 dev wwan0\n\
             route add default via 10.0.1.2 dev eth0\nroute add default via 10.0.2.2 dev wwan0 table 120\n\
             rule add from 10.0.2.1 table 120\n",
        );
        host.apply(CONFIG, &[]).expect(0);
        let service = Peer::server(&host, "127.0.0.1:5000");
        assert_eq!(found(&host, CONFIG), [""; 0], "in good health");
        Scene { host, _service: service }
    }
}

#[test]
fn a_healthy_host_is_left_in_peace() {
    let Scene { host, _service } = Scene::new();
    let ran = doctor(&host, CONFIG, &[]).expect(0);
    assert_eq!(ran.stdout, "no problems found; checked 2 endpoints and 0 live connections\n");
    assert_eq!(ran.stderr, "");
    // Without any configuration, and on a host that was never configured.
    assert_eq!(found(&host, ""), [""; 0]);
    assert_eq!(found(&Namespace::new(), ""), [""; 0]);
}

/// It changes nothing.
#[test]
fn it_only_looks() {
    let Scene { host, _service } = Scene::new();
    host.ip("mptcp limits set subflows 0");
    let before = (
        host.endpoints(),
        host.limits(),
        host.ip("address"),
        host.ip("rule"),
        host.ip("route show table all"),
    );
    doctor(&host, CONFIG, &[]).expect(1);
    let after = (
        host.endpoints(),
        host.limits(),
        host.ip("address"),
        host.ip("rule"),
        host.ip("route show table all"),
    );
    assert_eq!(before, after);
}

#[test]
fn without_rights_it_finds_the_same() {
    let Scene { host, _service } = Scene::new();
    let bare = |expected: i32| doctor_without_rights(&host, CONFIG).expect(expected).stdout;
    assert!(bare(0).starts_with("no problems found"));
    host.ip("link set wwan0 down");
    assert!(bare(1).contains("interface-down"));
}

/// Two ways out of one default route: the very question that this is for.
#[test]
fn a_route_is_missing() {
    let Scene { host, _service } = Scene::new();
    host.ip("rule delete from 10.0.2.1 table 120");
    assert_eq!(found(&host, CONFIG), ["fault no-route lte"]);
    let finding = &findings(&host, CONFIG)[0];
    let remedy = "\
# in the configuration: uplinks: {wwan0: {dev: wwan0, gateway: 10.0.2.2}}
# or by hand, until the address or the router changes:
ip rule add from 10.0.2.1 lookup main suppress_prefixlength 0 priority 8684
ip rule add from 10.0.2.1 lookup 120 priority 8685";
    assert_eq!(finding["remedy"], remedy);
    assert_eq!((&finding["file"], &finding["line"]), (&"<stdin>".into(), &1.into()));
    mend(&host, CONFIG, "no-route", &[]);
    assert_eq!(found(&host, CONFIG), [""; 0]);
    // Without a table too.
    host.ip_batch("rule delete from 10.0.2.1 table 120\nroute flush table 120\nrule delete from 10.0.2.1\n");
    assert_eq!(found(&host, CONFIG), ["fault no-route lte"]);
    mend(&host, CONFIG, "no-route", &[("via GATEWAY", "via 10.0.2.2")]);
    assert_eq!(found(&host, CONFIG), [""; 0]);
}

#[test]
fn a_route_leads_elsewhere() {
    let Scene { host, _service } = Scene::new();
    let config = CONFIG.replace("dev: wwan0, ", "");
    host.apply(&config, &[]).expect(0);
    assert_eq!(found(&host, &config), [""; 0]);
    host.ip("rule delete from 10.0.2.1 table 120");
    assert_eq!(found(&host, &config), ["fault route-elsewhere lte"]);
    mend(&host, &config, "route-elsewhere", &[]);
    assert_eq!(found(&host, &config), [""; 0]);
}

#[test]
fn an_ipv6_route_is_missing() {
    let Scene { host, _service } = Scene::new();
    let config = "{version: 1, endpoints: {six: {address: '2001:db8:2::1', dev: wwan0, flags: [subflow]}}}";
    host.ip_batch(
        "address add 2001:db8:1::1/64 dev eth0 nodad\naddress add 2001:db8:2::1/64 dev wwan0 nodad\n\
         route add default via 2001:db8:1::2 dev eth0\n",
    );
    host.apply(config, &[]).expect(0);
    assert_eq!(found(&host, config), ["fault no-route six"]);
    mend(&host, config, "no-route", &[("GATEWAY dev", "2001:db8:2::2 dev")]);
    assert_eq!(found(&host, config), [""; 0]);
}

/// A second default route of a worse metric is enough for an endpoint that is bound to its interface, except where
/// reverse path filtering is strict.
#[test]
fn strict_reverse_path_filtering() {
    let Scene { host, _service } = Scene::new();
    host.ip_batch("rule delete from 10.0.2.1 table 120\nroute flush table 120\nroute add default via 10.0.2.2 dev wwan0 metric 700\n");
    sh(&host, "echo 2 > /proc/sys/net/ipv4/conf/wwan0/rp_filter");
    assert_eq!(found(&host, CONFIG), [""; 0]);
    sh(
        &host,
        "echo 0 > /proc/sys/net/ipv4/conf/wwan0/rp_filter; echo 1 > /proc/sys/net/ipv4/conf/all/rp_filter",
    );
    assert_eq!(found(&host, CONFIG), ["fault rp-filter lte"]);
    let remedy = findings(&host, CONFIG)[0]["remedy"].as_str().expect("text").to_owned();
    assert!(remedy.contains("ip route replace default via 10.0.2.2 dev wwan0 table 102\n"), "{remedy}");
    // Either half of it helps.
    sh(&host, remedy.split("# or:\n").next().expect("a half"));
    assert_eq!(found(&host, CONFIG), [""; 0]);
    host.ip_batch("rule delete from 10.0.2.1\nrule delete from 10.0.2.1\n");
    assert_eq!(found(&host, CONFIG), ["fault rp-filter lte"]);
    sh(&host, "echo 2 > /proc/sys/net/ipv4/conf/wwan0/rp_filter");
    assert_eq!(found(&host, CONFIG), [""; 0]);
}

#[test]
fn an_address_is_missing_or_elsewhere() {
    let Scene { host, _service } = Scene::new();
    host.ip("address delete 10.0.2.1/24 dev wwan0");
    assert_eq!(found(&host, CONFIG), ["fault address-missing lte"]);
    mend(&host, CONFIG, "address-missing", &[("PREFIX", "24")]);
    assert_eq!(found(&host, CONFIG), ["fault no-route lte"], "its routes went with it");
    host.ip("route add default via 10.0.2.2 dev wwan0 table 120");
    assert_eq!(found(&host, CONFIG), [""; 0]);
    host.ip("address delete 10.0.2.1/24 dev wwan0");
    host.ip("address add 10.0.2.1/24 dev peer1");
    assert_eq!(found(&host, CONFIG), ["fault address-elsewhere lte"]);
    // What is local by a route needs no interface.
    host.ip_batch("address delete 10.0.2.1/24 dev peer1\nroute add local 10.0.2.1 dev lo\n");
    assert_eq!(found(&host, CONFIG), [""; 0]);
}

#[test]
fn an_address_is_not_settled() {
    let Scene { host, _service } = Scene::new();
    let config = "{version: 1, endpoints: {six: {address: '2001:db8:2::1', dev: wwan0, flags: [subflow]}}}";
    host.ip("-6 address add 2001:db8:2::1/64 dev wwan0 nodad");
    host.apply(config, &[]).expect(0);
    assert_eq!(found(&host, config), [""; 0]);
    host.ip("-6 address delete 2001:db8:2::1/64 dev wwan0");
    // One probe takes a second; so many take longer than any test.
    sh(&host, "echo 1000 > /proc/sys/net/ipv6/conf/wwan0/dad_transmits");
    host.ip("-6 address add 2001:db8:2::1/64 dev wwan0");
    assert_eq!(found(&host, config), ["fault address-tentative six"]);
    mend(&host, config, "address-tentative", &[("PREFIX", "64")]);
    assert_eq!(found(&host, config), [""; 0]);
    host.ip("-6 address delete 2001:db8:2::1/64 dev wwan0");
    // The other end has it already.
    host.ip("-6 address add 2001:db8:2::1/64 dev peer1 nodad");
    sh(&host, "echo 1 > /proc/sys/net/ipv6/conf/wwan0/dad_transmits");
    host.ip("-6 address add 2001:db8:2::1/64 dev wwan0");
    wait_for("dadfailed", || host.ip("-6 address show dev wwan0").contains("dadfailed"));
    assert_eq!(found(&host, config), ["fault address-dadfailed six"]);
}

#[test]
fn an_address_is_deprecated() {
    let Scene { host, _service } = Scene::new();
    host.ip("address change 10.0.2.1/24 dev wwan0 preferred_lft 0");
    assert_eq!(found(&host, CONFIG), ["hint address-deprecated lte"]);
    host.ip("address change 10.0.2.1/24 dev wwan0 preferred_lft forever");
    assert_eq!(found(&host, CONFIG), [""; 0]);
}

#[test]
fn an_interface_is_down_or_without_carrier() {
    let Scene { host, _service } = Scene::new();
    host.ip("link set peer1 down");
    assert_eq!(found(&host, CONFIG), ["fault no-carrier lte"]);
    host.ip("link set wwan0 down");
    assert_eq!(found(&host, CONFIG), ["fault interface-down lte"]);
    host.ip("link set peer1 up");
    mend(&host, CONFIG, "interface-down", &[]);
    host.ip("route replace default via 10.0.2.2 dev wwan0 table 120");
    assert_eq!(found(&host, CONFIG), [""; 0]);
}

#[test]
fn an_interface_is_gone_or_made_anew() {
    let Scene { host, _service } = Scene::new();
    host.ip("link delete wwan0");
    assert_eq!(found(&host, ""), ["fault dev-gone 10.0.2.1"]);
    assert_eq!(found(&host, CONFIG), ["fault dev-gone lte"]);
    host.links(&[("wwan0", "peer1")]);
    host.ip_batch("address add 10.0.2.1/24 dev wwan0\nroute add default via 10.0.2.2 dev wwan0 table 120\n");
    assert_eq!(found(&host, ""), ["fault dev-gone 10.0.2.1"]);
    mend(&host, "", "dev-gone", &[]);
    assert_eq!(found(&host, ""), [""; 0]);
    assert_eq!(found(&host, CONFIG), [""; 0]);
}

#[test]
fn the_limit_of_subflows() {
    let Scene { host, _service } = Scene::new();
    host.ip("mptcp limits set subflows 0");
    assert_eq!(found(&host, CONFIG), ["fault subflows-limit-zero -"]);
    mend(&host, "", "subflows-limit-zero", &[]);
    assert_eq!(found(&host, ""), [""; 0]);
    // One of the two is where connections start from, and needs none of the limit.
    host.ip("mptcp limits set subflows 1");
    assert_eq!(found(&host, CONFIG), [""; 0]);
    host.ip_batch("address add 10.0.2.3/24 dev wwan0\nrule add from 10.0.2.3 table 120\n");
    let three = with_another("x: {address: 10.0.2.3, dev: wwan0, flags: [subflow]}");
    host.apply(&three, &[]).expect(0);
    assert_eq!(found(&host, &three), ["fault subflows-limit-low -", "hint never-used x"]);
    mend(&host, "", "subflows-limit-low", &[]);
    assert_eq!(found(&host, &three), [""; 0]);
    // Where connections start from an address that is no endpoint, all of them are needed.
    host.ip("address add 10.0.1.9/24 dev eth0");
    host.ip("route replace default via 10.0.1.2 dev eth0 src 10.0.1.9");
    assert_eq!(found(&host, &three), ["fault subflows-limit-low -", "hint never-used x"]);
}

#[test]
fn mptcp_is_switched_off() {
    let Scene { host, _service } = Scene::new();
    sh(&host, "echo 0 > /proc/sys/net/mptcp/enabled");
    assert_eq!(found(&host, CONFIG), ["fault mptcp-disabled -"]);
    sh(&host, "echo 1 > /proc/sys/net/mptcp/enabled");
    assert_eq!(found(&host, CONFIG), [""; 0]);
}

#[test]
fn the_userspace_path_manager_is_selected() {
    let Scene { host, _service } = Scene::new();
    sh(&host, "echo 1 > /proc/sys/net/mptcp/pm_type");
    assert_eq!(found(&host, CONFIG), ["fault userspace-path-manager -"]);
    host.ip("mptcp endpoint flush");
    assert_eq!(found(&host, ""), [""; 0], "without endpoints it is no mistake");
}

#[test]
fn the_configuration_is_invalid_or_not_applied() {
    let Scene { host, _service } = Scene::new();
    assert_eq!(found(&host, "version: 2"), ["fault configuration-invalid -"]);
    assert_eq!(found(&host, &CONFIG.replace("backup", "fullmesh")), ["fault not-applied -"]);
    let waiting = "{version: 1, prune: false, endpoints: {lan: {dev: 'lan*', flags: [subflow]}}}";
    assert_eq!(found(&host, waiting), ["fault dev-missing lan"], "those that work are kept");
    let required = waiting.replace("flags", "required: true, flags");
    assert_eq!(found(&host, &required), ["fault required lan"]);
    assert_eq!(found(&host, &waiting.replace("lan: ", "fiber: {address: 10.0.1.1, dev: eth0, flags: [subflow]}, lte: {address: 10.0.2.1, dev: wwan0, flags: [subflow, backup]}, lan: ")), ["fault dev-missing lan"]);
    let impossible = format!("{{limits: {{subflows: 1000}}, {}", &CONFIG[1..]);
    assert_eq!(found(&host, &impossible), ["fault not-possible -"]);
    let missing = doctor(&host, "", &["/no/such/file"]);
    assert_eq!(missing.code, 66, "{}", missing.stderr);
}

#[test]
fn the_table_is_full() {
    let Scene { host, _service } = Scene::new();
    let row =
        |number: usize| format!("mptcp endpoint add 10.9.{}.{} signal\n", number / 200, number % 200 + 1);
    host.ip_batch(&(2..table_size()).map(row).collect::<String>());
    let full = |config| {
        let mut found = found(&host, config);
        // Those addresses are nowhere.
        found.retain(|line| !line.contains("address-missing"));
        found
    };
    assert_eq!(full(""), [""; 0], "a table that is just large enough");
    let one_more =
        with_another("x: {address: 10.0.1.9, flags: [signal]}").replace("{version", "{prune: false, version");
    assert_eq!(full(&one_more), ["fault not-possible -"]);
    // There is room once the others are gone.
    assert_eq!(full(CONFIG), ["fault not-applied -"]);
    assert_eq!(full(&with_another("x: {address: 10.0.1.9, flags: [signal]}")), ["fault not-applied -"]);
}

#[test]
fn a_port_is_held_by_something_else() {
    let Scene { host, _service } = Scene::new();
    let config = "{version: 1, endpoints: {p: {address: 10.0.1.1, port: 8443, flags: [signal]}}}";
    host.apply(config, &[]).expect(0);
    assert_eq!(found(&host, config), [""; 0], "the kernel itself listens there");
    host.ip("mptcp endpoint flush");
    let _other = Peer::server(&host, "0.0.0.0:8443");
    assert_eq!(found(&host, config), ["fault not-applied -", "fault port-held p"]);
}

#[test]
fn no_application_uses_mptcp() {
    let Scene { host, _service } = Scene::new();
    drop(_service);
    assert_eq!(found(&host, CONFIG), ["hint no-application -"]);
    let _plain = std::net::TcpListener::bind("127.0.0.1:0");
    assert_eq!(found(&host, CONFIG), ["hint no-application -"]);
    let _again = Peer::server(&host, "127.0.0.1:5000");
    assert_eq!(found(&host, CONFIG), [""; 0]);
}

/// A program of that name stands for it; what it is said to do is done by hand.
#[test]
fn network_manager_interferes() {
    let Scene { host, _service } = Scene::new();
    let program = host.folder.path().join("NetworkManager");
    fs::copy("/bin/sleep", &program).expect("copied");
    let mut running = host.command(program.to_str().expect("UTF-8")).arg("1000").spawn().expect("started");
    wait_for("the other program", || {
        fs::read_to_string(format!("/proc/{}/comm", running.id()))
            .is_ok_and(|comm| comm.trim() == "NetworkManager")
    });
    let before = found(&host, CONFIG);
    host.ip("mptcp endpoint add 10.0.1.7 subflow");
    host.ip("address add 10.0.1.7/24 dev eth0");
    let seen = found(&host, CONFIG);
    running.kill().expect("ended");
    running.wait().expect("waited");
    assert_eq!(before, [""; 0], "it was in the way of nothing");
    assert_eq!(seen, ["fault not-applied -", "hint other-manager -"]);
    assert_eq!(found(&host, CONFIG), ["fault not-applied -"]);
}

/// As an ordinary user, who may not even know whose processes run where.
#[test]
fn an_ordinary_user_finds_less_and_no_error() {
    let Scene { host, _service } = Scene::new();
    // The program lies where others may not look.
    let folder = tempfile::TempDir::new().expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("open to all");
    let program = folder.path().join("mptcp-apply");
    fs::copy(program_path(), &program).expect("copied");
    let as_nobody = |config: &str| {
        // In the user namespace of an ordinary user there is no other user to be.
        let mut command = match is_root() {
            true => {
                let mut command = host.command("setpriv");
                command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--no-new-privs"]);
                command.arg(&program);
                command
            }
            false => host.command(program.to_str().expect("UTF-8")),
        };
        command.args(["doctor", "-"]);
        run(command, config)
    };
    let ran = as_nobody(CONFIG).expect(0);
    assert!(ran.stdout.starts_with("no problems found; checked 2 endpoints"), "{}", ran.stdout);
    assert_eq!(ran.stderr, "");
    host.ip("rule delete from 10.0.2.1 table 120");
    let ran = as_nobody(CONFIG).expect(1);
    assert!(ran.stdout.contains("code      no-route\n") && ran.stderr.is_empty(), "{ran:?}");
}

/// What applying would remove of its own, and leaves alone of others, with `prune: false`.
#[test]
fn own_endpoints_that_are_no_longer_declared_are_a_difference() {
    let Scene { host, _service } = Scene::new();
    host.ip_batch("address add 10.0.1.7/24 dev eth0\nmptcp endpoint add 10.0.1.7 signal\n");
    let fewer =
        "{version: 1, prune: false, endpoints: {fiber: {address: 10.0.1.1, dev: eth0, flags: [subflow]}}}";
    assert_eq!(found(&host, fewer), ["fault not-applied -"]);
    let evidence = findings(&host, fewer)[0]["evidence"].as_str().expect("text").to_owned();
    assert_eq!(evidence, "applying would remove 10.0.2.1 id 2 subflow backup dev wwan0");
    host.apply(fewer, &[]).expect(0);
    assert_eq!(found(&host, fewer), [""; 0]);
    assert_eq!(host.endpoints().len(), 2, "that of another program is still there");
}

/// An empty table may have an owner all the same.
#[test]
fn a_table_that_a_rule_leads_to_is_not_taken() {
    let Scene { host, _service } = Scene::new();
    host.ip_batch(
        "rule delete from 10.0.2.1 table 120\nroute flush table 120\nrule add to 192.0.2.0/24 table 101\n",
    );
    let remedy = findings(&host, CONFIG)[0]["remedy"].as_str().expect("text").to_owned();
    assert!(remedy.contains("dev wwan0 table 103\n"), "{remedy}");
    mend(&host, CONFIG, "no-route", &[("via GATEWAY", "via 10.0.2.2")]);
    assert_eq!(found(&host, CONFIG), [""; 0]);
}

/// On an inner link there are routes to some networks; a peer elsewhere is not known of.
#[test]
fn a_link_to_some_networks_is_a_hint() {
    let Scene { host, _service } = Scene::new();
    host.ip_batch("rule delete from 10.0.2.1 table 120\nroute flush table 120\nroute add 10.64.0.0/10 via 10.0.2.2 dev wwan0\n");
    assert_eq!(found(&host, CONFIG), ["hint no-route lte"]);
}

/// Names of interfaces go into commands.
#[test]
fn remedies_work_with_any_name_of_an_interface() {
    for name in ["eth0.100", "x;touch", "it's", "a\u{1b}[2J"] {
        let host = Namespace::new();
        host.links(&[("eth0", "peer0"), (name, "peer1")]);
        host.ip_batch(
            "address add 10.0.1.1/24 dev eth0\nroute add default via 10.0.1.2 dev eth0\n\
             mptcp endpoint add 10.0.1.1 subflow dev eth0\n",
        );
        host.ip(&format!("address add 10.0.2.1/24 dev {name}"));
        host.ip(&format!("route add default via 10.0.2.2 dev {name} metric 700"));
        host.ip(&format!("mptcp endpoint add 10.0.2.1 subflow dev {name}"));
        let _service = Peer::server(&host, "127.0.0.1:5000");
        assert_eq!(found(&host, ""), [""; 0], "{name:?}");
        host.ip(&format!("link set {name} down"));
        assert_eq!(found(&host, ""), ["fault interface-down 10.0.2.1"], "{name:?}");
        let page = doctor(&host, "", &[]).expect(1).stdout;
        assert!(!page.contains(|c: char| c.is_control() && c != '\n'), "{page:?}");
        mend_by("bash", &host, "", "interface-down", &[]);
        host.ip(&format!("route replace default via 10.0.2.2 dev {name} metric 700"));
        assert_eq!(found(&host, ""), [""; 0], "{name:?}");
        sh(&host, "echo 1 > /proc/sys/net/ipv4/conf/all/rp_filter");
        assert_eq!(found(&host, ""), ["fault rp-filter 10.0.2.1"], "{name:?}");
        let remedy = findings(&host, "")[0]["remedy"].as_str().expect("text").to_owned();
        let (_, sysctl) = remedy.split_once("# or:\n").expect("two ways");
        let mut bash = host.command("bash");
        bash.args(["-euc", sysctl]);
        run(bash, "").expect(0);
        assert_eq!(found(&host, ""), [""; 0], "{name:?}");
    }
}

/// The command of a remedy applies just what was looked at.
#[test]
fn remedies_name_the_files_that_were_read() {
    let Scene { host, _service } = Scene::new();
    let root = host.folder.path().join("a root");
    fs::create_dir_all(root.join("etc/mptcp-apply")).expect("made");
    let file = root.join("etc/mptcp-apply/a.yaml");
    fs::write(&file, CONFIG.replace("backup", "fullmesh")).expect("written");
    for arguments in
        [["--root-dir", root.to_str().expect("UTF-8")].as_slice(), &[file.to_str().expect("UTF-8")]]
    {
        let mut command = host.command(program_path());
        command.args(["doctor", "--format", "json"]).args(arguments);
        let document: serde_json::Value =
            serde_json::from_str(&run(command, "").expect(1).stdout).expect("JSON");
        let remedy = document["findings"][0]["remedy"].as_str().expect("text").to_owned();
        assert_eq!(
            remedy,
            format!(
                "{} {}",
                program_path(),
                arguments.join(" ").replace(root.to_str().expect("UTF-8"), &format!("'{}", root.display()))
                    + "'"
            )
        );
    }
}

/// A router of the other family has to be called one.
#[test]
fn an_ipv4_route_may_lead_by_an_ipv6_router() {
    let Scene { host, _service } = Scene::new();
    host.ip_batch("rule delete from 10.0.2.1 table 120\nroute flush table 120\n");
    host.ip("-4 route add default via inet6 fe80::2 dev wwan0 metric 700");
    sh(&host, "echo 1 > /proc/sys/net/ipv4/conf/all/rp_filter");
    assert_eq!(found(&host, CONFIG), ["fault rp-filter lte"]);
    let remedy = findings(&host, CONFIG)[0]["remedy"].as_str().expect("text").to_owned();
    assert!(
        remedy.contains("ip -4 route replace default via inet6 fe80::2 dev wwan0 table 102\n"),
        "{remedy}"
    );
    sh(&host, remedy.split("# or:\n").next().expect("a half"));
    assert_eq!(found(&host, CONFIG), [""; 0]);
}
