//! Limits and sysctls.

use mptcp_apply::model::Sysctl;

use crate::support::{Namespace, kernel_release, limits_max, program_path, run};

#[test]
fn limits_that_are_absent_are_not_managed() {
    let namespace = Namespace::new();
    namespace.ip("mptcp limits set subflows 3 add_addr_accepted 5");
    namespace.apply("{version: 1, limits: {add-addr-accepted: 1}}", &[]).expect(0);
    assert_eq!(namespace.limits(), "add_addr_accepted 1 subflows 3");
}

#[test]
fn max_is_what_the_kernel_allows() {
    let namespace = Namespace::new();
    let most = limits_max();
    namespace.apply("{version: 1, limits: {subflows: max, add-addr-accepted: max}}", &[]).expect(0);
    assert_eq!(namespace.limits(), format!("add_addr_accepted {most} subflows {most}"));
    let number = format!("{{version: 1, limits: {{subflows: {most}, add-addr-accepted: {most}}}}}");
    assert_eq!(namespace.apply(&number, &[]).expect(0).stdout, "no changes\n");
    // One more is too many, for the kernel as for the program.
    let more = number.replace(&format!("accepted: {most}"), &format!("accepted: {}", most + 1));
    let ran = namespace.apply(&more, &[]).expect(5);
    let told = format!("limit `add-addr-accepted` is {}, but this kernel allows at most {most}", most + 1);
    assert!(ran.stderr.contains(&told), "{}", ran.stderr);
    let mut command = namespace.command("ip");
    command.args(["mptcp", "limits", "set", "subflows", &(most + 1).to_string()]);
    let ran = run(command, "");
    assert!(ran.code != 0, "the kernel took a limit of {}", most + 1);
}

#[test]
fn a_limit_above_the_kernels_is_exit_5_and_changes_nothing() {
    let namespace = Namespace::new();
    let config = "{version: 1, limits: {subflows: 1000}, sysctls: {checksum_enabled: true}, endpoints: {a: {address: 10.0.0.1, flags: [subflow]}}}";
    let ran = namespace.apply(config, &[]).expect(5);
    assert!(ran.stderr.contains("limit `subflows` is 1000, but this kernel allows"), "{}", ran.stderr);
    assert!(ran.stderr.contains("<stdin>:1:33"), "{}", ran.stderr);
    assert_eq!(namespace.endpoints(), [""; 0]);
    assert_eq!(sysctl(&namespace, "checksum_enabled"), "0");
    namespace.apply(config, &["--dry-run"]).expect(5);
}

#[test]
fn sysctls_are_set_and_read_back() {
    let namespace = Namespace::new();
    let config = "\
version: 1
sysctls:
  checksum_enabled: true
  allow_join_initial_addr_port: 0
  add_addr_timeout: 30
  stale_loss_cnt: 7
";
    let ran = namespace.apply(config, &[]).expect(0);
    assert!(ran.stdout.contains("~ sysctl add_addr_timeout 120 -> 30\n"), "{}", ran.stdout);
    for (name, value) in [
        ("checksum_enabled", "1"),
        ("allow_join_initial_addr_port", "0"),
        ("add_addr_timeout", "30"),
        ("stale_loss_cnt", "7"),
    ] {
        assert_eq!(sysctl(&namespace, name), value, "{name}");
    }
    assert_eq!(namespace.apply(config, &[]).expect(0).stdout, "no changes\n");
}

/// `path_manager` and `pm_type` are one setting, and either word works on every kernel.
#[test]
fn either_word_for_the_path_manager_works() {
    let namespace = Namespace::new();
    for (config, word, number) in [
        ("{version: 1, sysctls: {pm_type: 1}}", "userspace", "1"),
        ("{version: 1, sysctls: {path_manager: kernel}}", "kernel", "0"),
        ("{version: 1, sysctls: {path_manager: userspace}}", "userspace", "1"),
        ("{version: 1, sysctls: {pm_type: 0}}", "kernel", "0"),
    ] {
        namespace.apply(config, &["--detailed-exitcode"]).expect(2);
        assert_eq!(sysctl(&namespace, "pm_type"), number, "{config}");
        if exists(&namespace, "path_manager") {
            assert_eq!(sysctl(&namespace, "path_manager"), word, "{config}");
        }
        namespace.apply(config, &["--detailed-exitcode"]).expect(0);
    }
}

#[test]
fn a_scheduler_that_is_not_there_is_exit_5_before_anything_is_written() {
    let namespace = Namespace::new();
    let config = "{version: 1, limits: {subflows: 5}, sysctls: {enabled: 0, scheduler: warp}}";
    let ran = namespace.apply(config, &[]).expect(5);
    let missing = if kernel_release() >= (6, 6) {
        "no packet scheduler `warp`"
    } else {
        "no sysctl net.mptcp.scheduler"
    };
    assert!(ran.stderr.contains(missing), "{}", ran.stderr);
    assert_eq!(sysctl(&namespace, "enabled"), "1");
    assert_eq!(namespace.limits(), "add_addr_accepted 0 subflows 2");
}

#[test]
fn settings_that_make_endpoints_useless_are_warned_of() {
    let namespace = Namespace::new();
    let config = "{version: 1, sysctls: {enabled: false, pm_type: 1}, endpoints: {a: {address: 10.0.0.1, flags: [subflow]}}}";
    let ran = namespace.apply(config, &[]).expect(0);
    assert!(ran.stderr.contains("net.mptcp.enabled is 0"), "{}", ran.stderr);
    assert!(ran.stderr.contains("the userspace path manager is selected"), "{}", ran.stderr);
    // The same when another program has set them.
    let config = "{version: 1, endpoints: {a: {address: 10.0.0.2, flags: [subflow]}}}";
    let ran = namespace.apply(config, &["--dry-run"]).expect(0);
    assert!(ran.stderr.contains("net.mptcp.enabled is 0"), "{}", ran.stderr);
    assert!(ran.stderr.contains("the userspace path manager is selected"), "{}", ran.stderr);
    // Which path manager is selected is asked for only where there is something to do.
    let config = "{version: 1, endpoints: {a: {address: 10.0.0.1, flags: [subflow]}}}";
    let ran = namespace.apply(config, &[]).expect(0);
    assert!(ran.stderr.contains("net.mptcp.enabled is 0"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("the userspace path manager is selected"), "{}", ran.stderr);
}

fn exists(namespace: &Namespace, name: &str) -> bool {
    let mut command = namespace.command("test");
    command.args(["-e", &format!("/proc/sys/net/mptcp/{name}")]);
    run(command, "").code == 0
}

#[test]
fn a_namespace_starts_with_what_the_schema_and_the_manual_say() {
    let namespace = Namespace::new();
    let known: Vec<Sysctl> = Sysctl::all().filter(|known| exists(&namespace, known.name())).collect();
    // Linux 6.1 has six of them.
    assert!(known.len() >= 6, "{known:?}");
    for known in known {
        assert_eq!(sysctl(&namespace, known.name()), known.initial(), "{known:?}");
    }
}

fn sysctl(namespace: &Namespace, name: &str) -> String {
    let mut command = namespace.command("cat");
    command.arg(format!("/proc/sys/net/mptcp/{name}"));
    run(command, "").expect(0).stdout.trim().to_owned()
}

/// CAP_NET_ADMIN is all that it takes, but for ports below 1024.
#[test]
fn one_capability_is_enough() {
    let namespace = Namespace::new();
    namespace.ip("address add 203.0.113.1/32 dev lo");
    let apply = |config: &str| {
        let mut command = namespace.command("setpriv");
        command.args(["--bounding-set=-all,+net_admin", "--inh-caps=-all", "--no-new-privs"]);
        command.args([program_path(), "-"]);
        run(command, config)
    };
    let config = "\
version: 1
limits: {subflows: 5}
sysctls: {stale_loss_cnt: 6}
endpoints:
  a: {address: 10.0.0.1, flags: [subflow]}
  b: {address: 203.0.113.1, port: 8443, flags: [signal]}
";
    // The runtime folder is of the user who runs the tests, and of nobody else.
    std::fs::create_dir(namespace.runtime()).expect("made");
    apply(config).expect(0);
    assert_eq!(namespace.endpoints(), ["10.0.0.1 id 1 subflow", "203.0.113.1 port 8443 id 2 signal"]);
    assert_eq!(sysctl(&namespace, "stale_loss_cnt"), "6");
    let ran = apply(&config.replace("8443", "443")).expect(77);
    assert!(ran.stderr.contains("needs CAP_NET_BIND_SERVICE"), "{}", ran.stderr);
    assert_eq!(namespace.endpoints()[1], "203.0.113.1 port 8443 id 2 signal");
}
