//! What users of other programs write, and what to write here in its place: one table per vocabulary.
//!
//! A habit only gives an error its remedy. No other spelling is accepted: a file has one way to say a thing.

use std::net::IpAddr;

use crate::model::{Flags, Sysctl};

use super::body::Body;
use super::document::{CheckDocument, Document, EndpointDocument, LimitsDocument, UplinkDocument};
use super::node::{Node, Value};
use super::opposite::opposite;

/// Words that mean the same, with blanks between them, and their remedy.
pub type Habit = (&'static str, &'static str);

/// The word that stands for several values in a table of words.
const SEVERAL: &str = "[]";

/// The remedy for a word, in any case, and with `_` or `-`.
pub fn remedy(word: &str, habits: &[Habit]) -> Option<String> {
    let word = spelling(word);
    let found = habits.iter().find(|(words, _)| words.split(' ').any(|known| known == word));
    found.map(|(_, remedy)| (*remedy).to_owned())
}

/// The remedy for a value: a word, or several values where one belongs.
pub fn value_remedy(value: &Value, habits: &[Habit]) -> Option<String> {
    match value {
        Value::Scalar(scalar) => remedy(&scalar.text, habits).or_else(|| {
            let parts: Vec<&str> =
                scalar.text.split(['-', ',', ' ']).filter(|part| !part.is_empty()).collect();
            let is_number = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
            let is_several = parts.len() > 1 && parts.iter().all(is_number);
            if is_several { remedy(SEVERAL, habits) } else { None }
        }),
        Value::Sequence(items) if items.len() > 1 => remedy(SEVERAL, habits),
        _ => None,
    }
}

fn spelling(word: &str) -> String {
    word.to_lowercase().replace('_', "-")
}

/// A mapping of the grammar, for keys that stand in another one.
struct Section {
    keys: &'static [&'static str],
    place: &'static str,
}

/// In the order in which a key of several is looked for.
const SECTIONS: [Section; 5] = [
    Section { keys: &Document::KEYS, place: "at the start of a line, without indentation" },
    Section { keys: &LimitsDocument::KEYS, place: "below the top-level key `limits`" },
    Section {
        keys: EndpointDocument::KEYS,
        place: "to an endpoint, below its name: `endpoints: {NAME: {...}}`",
    },
    Section { keys: UplinkDocument::KEYS, place: "to an uplink, below its name: `uplinks: {NAME: {...}}`" },
    Section { keys: &CheckDocument::KEYS, place: "to the `check` of an uplink" },
];

/// Where a key belongs that is none of `known`.
pub fn elsewhere(key: &str, value: &Node, known: &[&str]) -> Option<String> {
    let name = key.trim_start_matches("net.mptcp.");
    if Sysctl::named(name).is_some() {
        return Some(format!("`{name}` belongs below the top-level key `sysctls`"));
    }
    let word = spelling(key);
    if known.contains(&"flags") {
        let names: Vec<&str> = Flags::declarable().map(|(flag, _)| flag).collect();
        let is_off = truth(value) == Some(false);
        let exact = names.iter().find(|flag| **flag == word).map(|flag| (*flag, is_off));
        let flag = exact.or_else(|| opposite(&word, &names).map(|flag| (flag, !is_off)));
        match flag {
            Some((_, true)) => return Some(FLAG_OFF.to_owned()),
            Some((flag, false)) => return Some(format!("flags are a list: `flags: [{flag}]`")),
            None => {}
        }
    }
    let section = SECTIONS.iter().find(|section| section.keys.contains(&word.as_str()))?;
    Some(format!("`{word}` belongs {}", section.place))
}

/// Whether a mapping looks like one endpoint.
pub fn is_endpoint(value: &Value) -> bool {
    let Value::Mapping(entries) = value else { return false };
    let is_known = |key: &str| EndpointDocument::KEYS.contains(&key);
    !entries.is_empty() && entries.iter().all(|(key, _)| is_known(&key.text))
}

/// Keys at the top level.
pub const DOCUMENT: &[Habit] = &[
    ("subflow", "write it as `subflows`, below the top-level key `limits`"),
    ("addresses ethernets interfaces devices ifaces links wifis modems", ENDPOINTS),
    ("mptcp network-config config", "leave it out, and write the keys below it without indentation"),
    ("sysctl net.mptcp", "write it as `sysctls`, with the names of net.mptcp: `sysctls: {enabled: true}`"),
    (
        "rules routes routing gateway routing-policy",
        "rules and routes follow from `uplinks`: `uplinks: {NAME: {dev: INTERFACE}}`",
    ),
    ("netns namespace namespaces", "leave it out; `--netns NAME` names network namespaces"),
    ("include includes import", "leave it out; all *.yaml files of a folder are merged"),
    ("flush purge exclusive", "write it as `prune`: whether endpoints that are not declared are removed"),
    ("renderer", "leave it out; endpoints are applied by netlink"),
];

const ENDPOINTS: &str =
    "write what MPTCP does with each below `endpoints`: `NAME: {dev: INTERFACE, flags: [subflow]}`";

/// Keys of `limits`.
pub const LIMITS: &[Habit] = &[
    ("subflow max-subflows subflows-max extra-subflows", "write it as `subflows`"),
    ("add-addr add-addrs max-add-addr accepted rcv-add-addrs accept", "write it as `add-addr-accepted`"),
    ("addresses max-endpoints", "leave it out; the kernel's table has a fixed size"),
];

/// Keys of an endpoint.
pub const ENDPOINT: &[Habit] = &[
    (
        "gateway table via gateway4 gateway6 routes routing-policy router route on-link",
        "routes belong to an uplink, under the top-level key `uplinks`: `NAME: {dev: ..., gateway: ...}`",
    ),
    (
        "interface iface ifname device interfaces devices devs link nic oif interface-name match-interface",
        "write it as `dev`",
    ),
    (
        "addresses ip ips ipaddr addr local source src laddr saddr ipv4 ipv6 address1",
        "write it as `address`: one address, or a prefix for every address in it",
    ),
    (
        "prefix subnet cidr network net range",
        "write it as `address`, which takes prefixes too: `address: 10.0.0.0/8`",
    ),
    ("exclude except not ignore", "exclude with `!`, in `address` or `dev`: `dev: [\"wwan*\", \"!wwan9\"]`"),
    (
        "flag type role mode mptcp-flags connection.mptcp-flags rawflags",
        "write it as `flags`, a list: `flags: [subflow]`",
    ),
    (
        "priority metric weight preference route-metric order prio",
        "leave it out; endpoints are preferred in their order, and `flags: [subflow, backup]` is used last",
    ),
    ("name alias label description", "leave it out; the key above is the endpoint's name"),
    ("endpoint-id addr-id address-id addrid loc-id local-id", "write it as `id`"),
    (
        "ports listen listen-port tcp-port lport sport",
        "write it as `port`: an endpoint has one, and needs `flags: [signal]` for it",
    ),
    ("mandatory require critical", "write it as `required`"),
    ("inet af ip-version ipversion address-family addressing", "write it as `family`: ipv4 or ipv6"),
    (
        "dhcp4 dhcp6 dhcp accept-ra method",
        "leave it out; `dev: INTERFACE` stands for every address that the interface has",
    ),
    (
        "nameservers dns mtu macaddress mac netmask set-name match wakeonlan link-local up down",
        "leave it out; links and addresses are configured elsewhere, such as by netplan or NetworkManager",
    ),
    (
        "enabled enable disabled active state status",
        "leave it out; an endpoint that is not declared is removed, and `NAME: null` withdraws one of an earlier file",
    ),
    (
        "remote peer destination dst raddr rport",
        "leave it out; an endpoint is an address of this host, and peers announce theirs",
    ),
];

/// Keys of an uplink.
pub const UPLINK: &[Habit] = &[
    (
        "address addresses family ip source src from",
        "leave it out; an uplink has every global address of its interfaces",
    ),
    ("device iface ifname interface interfaces link nic oif", "write it as `dev`"),
    ("flags", "leave it out; what the path manager does with an address is declared under `endpoints`"),
    (
        "gateway4 gateway6 router via gateways gw nexthop next-hop default",
        "write it as `gateway`: an address, or a list with one address per family",
    ),
    (
        "metric priority routes routing-policy table rule rules fwmark to scope",
        "leave it out; rules and routes follow from `dev` and `gateway`, with numbers of their own",
    ),
    (
        "health healthcheck health-check monitor probe test ping",
        "write it as `check`: `check: {connect: \"ADDRESS:PORT\"}`",
    ),
    (
        "dhcp4 dhcp6 nameservers mtu macaddress",
        "leave it out; links and addresses are configured elsewhere, such as by netplan or NetworkManager",
    ),
    ("name description", "leave it out; the key above is the uplink's name"),
    (
        "enabled enable disabled disable active state status",
        "leave it out; an uplink that is not declared is removed, and `NAME: null` withdraws one of an earlier file",
    ),
];

/// Keys of a check.
pub const CHECK: &[Habit] = &[
    ("dev", "`dev` belongs to the uplink, beside `check`"),
    ("enabled enable disabled disable active", "leave it out; an uplink without `check` is not tested"),
    ("gateway router", "write `check: gateway`, without a mapping"),
    ("interval period each frequency", "write it as `every`"),
    ("command cmd exec script shell", "write it as `run`"),
    ("ping icmp", "write `run: \"ping -c1 -W2 -I INTERFACE ADDRESS\"`"),
    ("host port tcp address url http target destination server", "write `connect: \"ADDRESS:PORT\"`"),
    (
        "failures failure-threshold retries down unhealthy max-fail count",
        "write it as `fall`: how many failures in a row make the uplink down",
    ),
    (
        "successes success-threshold up healthy",
        "write it as `rise`: how many successes in a row make the uplink up again",
    ),
];

/// Names of sysctls that MPTCP had before it was in the kernel.
pub const SYSCTLS: &[Habit] = &[
    ("mptcp-enabled enable", "write it as `enabled`"),
    ("mptcp-scheduler", "write it as `scheduler`; the kernel has `default`, others come as BPF programs"),
    ("mptcp-path-manager pm", "write it as `path_manager`: kernel or userspace"),
    ("mptcp-checksum checksum", "write it as `checksum_enabled`"),
    ("mptcp-syn-retries", "write it as `syn_retrans_before_tcp_fallback`"),
    ("mptcp-debug mptcp-version", "leave it out; the kernel has no such setting any more"),
    ("net mptcp", "leave the levels above out: `sysctls: {enabled: true}`"),
];

/// Words in a list of flags.
pub const FLAGS: &[Habit] = &[
    ("announce advertise add-addr advertised server", "did you mean `signal`?"),
    ("active initiate client primary connect join master default enabled", "did you mean `subflow`?"),
    ("standby failover secondary passive low-priority bkup slave", "did you mean `backup`?"),
    ("mesh full all", "did you mean `fullmesh`?"),
    ("none disabled also-without-sysctl also-without-default-route", "leave it out"),
];

/// Words in place of a limit.
pub const LIMIT_WORDS: &[Habit] = &[
    ("unlimited maximum infinity infinite all any inf -1", "write `max`, the most that the kernel allows"),
    ("auto default unset", "leave the key out: what is absent is not managed"),
    OFF_AT_ZERO,
];

/// Words in place of a number that is off at 0.
pub const ZERO_WORDS: &[Habit] = &[OFF_AT_ZERO];

const OFF_AT_ZERO: Habit = ("none off no false never disabled", "write `0`");

/// What is not written as a boolean: quoted, a number, or a word for one, such as those of YAML 1.1.
pub const TRUTH: &[Habit] = &[TRUE, FALSE];

const TRUE: Habit = ("true yes on y 1 enabled enable always ja oui si", "write `true`");
const FALSE: Habit = ("false no off n 0 disabled disable never none nein non", "write `false`");

/// Whether a value means true or false, by any of these words.
pub fn truth(value: &Node) -> Option<bool> {
    let is = |habit| value_remedy(&value.value, &[habit]).is_some();
    if is(TRUE) { Some(true) } else { is(FALSE).then_some(false) }
}

/// The remedy for a flag with a negation.
pub const FLAG_OFF: &str = "leave it out: a flag that is not declared is off";

/// Words in place of an id.
pub const ID_WORDS: &[Habit] = &[
    ("auto any none no off false 0 default automatic next", "leave `id` out; the kernel chooses a free one"),
    ("[]", "an endpoint has one id"),
];

/// Words in place of a port.
pub const PORT_WORDS: &[Habit] = &[
    ("any none no off false 0 auto all", "leave `port` out; the address is announced without one"),
    ("[]", "an endpoint has one port: declare one endpoint for each"),
    ("http", "write `80`"),
    ("https", "write `443`"),
    ("ssh", "write `22`"),
];

/// Words in place of a path manager: those of the MPTCP that was outside the kernel, and of `pm_type`.
pub const PATH_MANAGERS: &[Habit] = &[
    (
        "fullmesh ndiffports binder default in-kernel netlink 0",
        "write `kernel`; flags of endpoints say what it does",
    ),
    ("mptcpd daemon user 1", "write `userspace`"),
];

/// Words in place of the number of a path manager, in `pm_type`.
pub const PATH_MANAGER_NUMBERS: &[Habit] = &[
    ("kernel fullmesh ndiffports binder default in-kernel netlink", "write `0`"),
    ("userspace mptcpd daemon user", "write `1`"),
    (
        "true false yes no on off enabled disabled",
        "write `0` for the path manager of the kernel, `1` for one in userspace",
    ),
];

/// Words in place of a family.
pub const FAMILIES: &[Habit] = &[
    ("4 inet inet4 v4 ip ip4 af-inet", "did you mean `ipv4`?"),
    ("6 inet6 v6 ip6 af-inet6", "did you mean `ipv6`?"),
    ("any all both dual auto ipv4+ipv6 mixed []", "leave `family` out for both"),
];

/// Words in place of an address.
pub const ADDRESSES: &[Habit] = &[(
    "dhcp dhcp4 dhcp6 auto any all default dynamic * ra slaac true",
    "leave it out; `dev: INTERFACE` stands for every address that the interface has",
)];

/// The remedy for an interface name that is none.
pub fn interface(word: &str) -> Option<String> {
    let bare = word.split(['/', '%']).next().unwrap_or(word);
    if bare.parse::<IpAddr>().is_ok() {
        return Some(format!(
            "write `address: {bare}` for the address, and in `dev` the interface that has it"
        ));
    }
    if matches!(word, "all" | "default" | "any") {
        return Some("write `dev: \"*\"` for every interface".to_owned());
    }
    let (interface, label) = word.split_once(':')?;
    let is_label = !interface.is_empty() && !label.is_empty() && !label.contains(':');
    is_label
        .then(|| format!("write `dev: {}`: the rest is the label of an address", interface.escape_debug()))
}
