//! The state of network namespaces as OpenMetrics, for the textfile collector of node_exporter. It is valid in Prometheus's
//! own text format too.

use std::fmt::Write;

use crate::model::{KeeperRole, Moment, UplinkHealth, WatchCounters};

use super::{CheckRow, Condition, EndpointStatus, NamespaceStatus, UplinkRow};

/// A sample: its labels and value.
type Sample = (Vec<(&'static str, String)>, f64);

/// A family of metrics.
struct Family {
    name: &'static str,
    kind: Kind,
    help: &'static str,
    samples: fn(&NamespaceStatus) -> Vec<Sample>,
}

enum Kind {
    Gauge,
    Counter,
}

fn is_declared(row: &EndpointStatus) -> bool {
    !matches!(row.condition, Condition::Surplus | Condition::Undeclared)
}

/// All families.
const FAMILIES: [Family; 22] = [
    gauge("in_sync", "Whether applying would change nothing.", |it| {
        one(f64::from(u8::from(it.is_in_sync())))
    }),
    gauge("pending_steps", "Steps that applying would take.", |it| one(it.report.steps.len() as f64)),
    gauge("watched", "Whether a watch holds the lock.", |it| {
        one(f64::from(u8::from(it.keeper.as_ref().is_some_and(|it| it.role == KeeperRole::Watch))))
    }),
    gauge("watch_start_time_seconds", "When the watch was started, in seconds since 1970.", watch_start),
    gauge("endpoints_declared", "Endpoints that are declared.", |it| count(it, is_declared)),
    gauge("endpoints_present", "Declared endpoints that are in the table.", |it| {
        let is_there = |identity| it.report.before.endpoint(identity).is_some();
        count(it, |row| is_declared(row) && row.identity.is_some_and(is_there))
    }),
    gauge("endpoints_waiting", "Declared endpoints that are not possible now.", |it| {
        count(it, |row| matches!(row.condition, Condition::Waiting(_)))
    }),
    gauge("endpoint_subflows", "Established subflows of an endpoint.", |it| {
        each(it, |row| row.carried.subflows as f64)
    }),
    gauge("endpoint_sent_bytes", "Data that the live subflows of an endpoint sent.", |it| {
        each(it, |row| row.carried.traffic.sent as f64)
    }),
    gauge("endpoint_received_bytes", "Data that the live subflows of an endpoint received.", |it| {
        each(it, |row| row.carried.traffic.received as f64)
    }),
    gauge(
        "endpoint_retransmitted_segments",
        "Segments that the live subflows of an endpoint sent again.",
        |it| each(it, |row| row.carried.traffic.retransmitted.into()),
    ),
    gauge("uplink_in_place", "Whether the rules and routes of an uplink are as declared.", uplinks),
    gauge("uplink_up", "Whether the checks of a watch pass on an interface of an uplink.", checks),
    gauge("connections", "Live connections of MPTCP sockets.", |it| one(it.connections.connections as f64)),
    gauge("subflows", "Established subflows.", |it| one(it.connections.subflows as f64)),
    gauge("fallback_connections", "Live connections that are plain TCP.", |it| {
        one(it.connections.plain as f64)
    }),
    gauge("paused", "Whether the kernel has paused MPTCP for new connections.", |it| {
        one(f64::from(u8::from(it.is_paused)))
    }),
    counter(
        "fallbacks",
        "Connections that became plain TCP since the network namespace was made, by the kernel's counter.",
        fallbacks,
    ),
    counter("watch_passes", "Passes of the watch; only in the file of --metrics.", |it| {
        watch(it, |counters| counters.passes as f64)
    }),
    counter("watch_drift", "Passes that found the state changed by another program.", |it| {
        watch(it, |counters| counters.drift as f64)
    }),
    counter("watch_failures", "Passes that failed.", |it| watch(it, |counters| counters.failures as f64)),
    gauge("watch_last_pass_time_seconds", "When the last pass began, in seconds since 1970.", |it| {
        watch(it, |counters| counters.last.0.as_secs() as f64)
    }),
];

const fn gauge(
    name: &'static str,
    help: &'static str,
    samples: fn(&NamespaceStatus) -> Vec<Sample>,
) -> Family {
    Family { name, kind: Kind::Gauge, help, samples }
}

const fn counter(
    name: &'static str,
    help: &'static str,
    samples: fn(&NamespaceStatus) -> Vec<Sample>,
) -> Family {
    Family { name, kind: Kind::Counter, help, samples }
}

/// The kernel's counters of connections that became plain TCP.
const FALLBACKS: [&str; 7] = [
    "MPCapableFallbackACK",
    "MPCapableFallbackSYNACK",
    "MPCapableSYNTXDrop",
    "MPCapableDataFallback",
    "DSSCorruptionFallback",
    "DssFallback",
    "InfiniteMapRx",
];

/// The document for these network namespaces.
pub fn page<'n>(namespaces: impl Iterator<Item = &'n NamespaceStatus> + Clone) -> String {
    let mut page = String::new();
    for Family { name, kind, help, samples } in &FAMILIES {
        let (kind, suffix) = match kind {
            Kind::Gauge => ("gauge", ""),
            Kind::Counter => ("counter", "_total"),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(page, "# HELP mptcp_apply_{name} {help}\n# TYPE mptcp_apply_{name} {kind}");
        for status in namespaces.clone() {
            let netns = status.netns.iter().map(|name| ("netns", name.clone()));
            for (labels, value) in samples(status) {
                let labels: Vec<String> = netns.clone().chain(labels).map(label).collect();
                let labels =
                    if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
                let _ = writeln!(page, "mptcp_apply_{name}{suffix}{labels} {value}");
            }
        }
    }
    page + "# EOF\n"
}

fn label((name, value): (&str, String)) -> String {
    format!("{name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

fn checks(status: &NamespaceStatus) -> Vec<Sample> {
    let sample = |CheckRow { status, .. }: &CheckRow| {
        let labels = vec![("uplink", status.uplink.clone()), ("dev", status.dev.clone())];
        // What cannot be checked counts as up.
        (labels, f64::from(u8::from(status.state != UplinkHealth::Down.word())))
    };
    status.checks.iter().map(sample).collect()
}

fn one(value: f64) -> Vec<Sample> {
    vec![(Vec::new(), value)]
}

fn count(status: &NamespaceStatus, is_counted: impl Fn(&EndpointStatus) -> bool) -> Vec<Sample> {
    one(status.endpoints.iter().filter(|row| is_counted(row)).count() as f64)
}

/// One sample for each row of the table, since a selector has several.
fn each(status: &NamespaceStatus, value: fn(&EndpointStatus) -> f64) -> Vec<Sample> {
    let sample = |row: &EndpointStatus| {
        let identity = row.identity?;
        let port = identity.port.map(|port| ("port", port.to_string()));
        let labels = [
            ("endpoint", row.name.clone().unwrap_or_default()),
            ("address", identity.address.to_string()),
            ("dev", row.dev.clone().unwrap_or_default()),
        ];
        Some((labels.into_iter().chain(port).collect(), value(row)))
    };
    let is_there = |row: &&EndpointStatus| !matches!(row.condition, Condition::Missing);
    status.endpoints.iter().filter(is_there).filter_map(sample).collect()
}

fn uplinks(status: &NamespaceStatus) -> Vec<Sample> {
    let sample = |UplinkRow { name, dev, condition }: &UplinkRow| {
        let labels = vec![("uplink", name.clone()), ("dev", dev.clone())];
        (labels, f64::from(u8::from(*condition == Condition::InPlace)))
    };
    status.uplinks.iter().map(sample).collect()
}

fn watch(status: &NamespaceStatus, value: fn(&WatchCounters) -> f64) -> Vec<Sample> {
    status.watch.iter().flat_map(|counters| one(value(counters))).collect()
}

fn watch_start(status: &NamespaceStatus) -> Vec<Sample> {
    let watch = status.keeper.as_ref().filter(|keeper| keeper.role == KeeperRole::Watch);
    let since = watch.and_then(|watch| watch.since);
    since.map_or(Vec::new(), |Moment(since)| one(since.as_secs() as f64))
}

fn fallbacks(status: &NamespaceStatus) -> Vec<Sample> {
    let sample = |name: &&str| {
        let value = status.counters.known(name)?;
        Some((vec![("counter", (*name).to_owned())], value as f64))
    };
    FALLBACKS.iter().filter_map(sample).collect()
}
