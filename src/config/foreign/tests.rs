use super::*;

fn yaml(text: &str) -> Option<String> {
    Commands::parse(text).map(|commands| commands.yaml())
}

#[test]
fn commands_and_output_of_ip_mptcp_become_yaml() {
    for (text, expected) in [
        (
            "ip mptcp endpoint add 192.0.2.1 dev eth0 id 3 subflow backup",
            "endpoints:\n  eth0: {address: 192.0.2.1, dev: eth0, id: 3, flags: [subflow, backup]}\n",
        ),
        (
            "sudo ip -n blue mptcp limits set subflow 2 add_addr_accepted 1",
            "limits: {subflows: 2, add-addr-accepted: 1}\n",
        ),
        ("add_addr_accepted 0 subflows 2", "limits: {subflows: 2, add-addr-accepted: 0}\n"),
        (
            "192.0.2.1 id 1 signal port 80 2001:db8:: id 2 subflow nobackup dev eth0 10.0.0.1 id 3 implicit",
            "endpoints:\n  endpoint: {address: 192.0.2.1, port: 80, id: 1, flags: [signal]}\n  \
             eth0: {address: \"2001:db8::\", dev: eth0, id: 2, flags: [subflow]}\n",
        ),
        (
            "ip mptcp endpoint add 10.0.0.1 dev a; ip mptcp endpoint add 10.0.0.2 dev a",
            "endpoints:\n  a: {address: 10.0.0.1, dev: a, flags: [subflow]}\n  a-2: {address: 10.0.0.2, dev: a, flags: [subflow]}\n",
        ),
    ] {
        assert_eq!(yaml(text), Some(format!("version: 1\n{expected}")), "{text}");
    }
    for text in [
        "",
        "ip mptcp endpoint add 192.0.2.1 id 300 subflow",
        "sudo",
        "192.0.2.1 is my address",
        "ip address add 192.0.2.1",
        "dev",
        "subflow x",
        "eth0",
    ] {
        assert_eq!(yaml(text), None, "{text}");
    }
}

/// What stands below "this means the same" is a valid file, and says so.
#[test]
fn a_remedy_is_a_valid_file() {
    for (text, heading) in [
        ("ip mptcp endpoint add 192.0.2.1 dev a subflow", "this means the same:\n"),
        ("ip mptcp endpoint add 192.0.2.1 dev a backup", "this comes nearest:\n"),
        ("192.0.2.1 id 1 subflow 192.0.2.1 id 2 subflow", "this comes nearest:\n"),
        ("ip mptcp endpoint add 192.0.2.1 dev a signal fullmesh", "none of it can be declared:\n"),
    ] {
        let remedy = Commands::parse(text).expect("commands").remedy();
        let yaml = remedy.strip_prefix(heading).expect(&remedy);
        assert_eq!(refusal(yaml), None, "{remedy}");
    }
}
