//! All codes of diagnostics and of the doctor's findings, in one table: the stable words by which programs know them.
//!
//! A code is a constant here and never a string elsewhere. The manual pages print the table.

use std::fmt;

/// A stable word for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Code(&'static str);

impl Code {
    /// The word, in kebab case.
    pub fn word(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

/// The severity: of diagnostics, the first three, or of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Nothing is applied, or the run failed.
    Error,
    /// The run goes on; with `--strict` it does not.
    Warning,
    /// What follows from an error.
    Note,
    /// Something does not work now.
    Fault,
    /// Something looks odd, or failed earlier.
    Hint,
}

impl Level {
    /// Whether findings of the doctor have it; else diagnostics do.
    pub fn is_of_findings(self) -> bool {
        matches!(self, Level::Fault | Level::Hint)
    }
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct CodeRow {
    /// The word.
    pub code: Code,
    /// All levels that it occurs with.
    pub levels: &'static [Level],
    /// What it means, in one line of Markdown.
    pub meaning: &'static str,
}

macro_rules! codes {
    ($(#[doc = $meaning:literal] $code:ident = $word:literal: $($level:ident)|+;)*) => {
        $(#[doc = $meaning] pub const $code: Code = Code($word);)*

        /// The table.
        pub const CODES: &[CodeRow] =
            &[$(CodeRow { code: $code, levels: &[$(Level::$level),+], meaning: $meaning.trim_ascii() }),*];
    };
}

codes! {
    // Reading files.
    /// No configuration file was found, or it could not be read.
    NO_INPUT = "no-input": Error;
    /// A file in a folder looks meant, and its name does not end with `.yaml`.
    FILE_SKIPPED = "file-skipped": Warning;
    /// A file is larger than 1 MiB.
    FILE_SIZE = "file-size": Error;
    /// A file is not UTF-8.
    ENCODING = "encoding": Error;
    /// Users other than root own or can write a file or its folder.
    FILE_PERMISSIONS = "file-permissions": Error | Warning;

    // YAML.
    /// The text is not valid YAML.
    YAML_SYNTAX = "yaml-syntax": Error;
    /// A file holds more than one YAML document.
    YAML_DOCUMENT = "yaml-document": Error;
    /// Mappings and lists are nested deeper than 16 levels.
    YAML_DEPTH = "yaml-depth": Error;
    /// A YAML alias (`*name`), which is not allowed.
    YAML_ALIAS = "yaml-alias": Error;
    /// A YAML anchor (`&name`), which is not allowed.
    YAML_ANCHOR = "yaml-anchor": Error;
    /// A YAML merge key (`<<`), which is not allowed.
    YAML_MERGE_KEY = "yaml-merge-key": Error;
    /// A YAML tag (`!name`), which is not allowed.
    YAML_TAG = "yaml-tag": Error;
    /// A key that is a list or a mapping.
    YAML_KEY = "yaml-key": Error;

    // Keys and values.
    /// A key occurs twice in one mapping.
    DUPLICATE_KEY = "duplicate-key": Error;
    /// A key that this version does not know.
    UNKNOWN_KEY = "unknown-key": Error;
    /// `version` is missing or unknown.
    VERSION = "version": Error;
    /// A value of the wrong type, such as text where a number is needed.
    TYPE = "type": Error;
    /// A number outside its range.
    RANGE = "range": Error;
    /// A word that is not among those that the key takes.
    VALUE = "value": Error;
    /// A sysctl that this version does not know, or that can only be read.
    UNKNOWN_SYSCTL = "unknown-sysctl": Error;
    /// The name of a declaration has characters that are not allowed, or is too long.
    NAME = "name": Error;
    /// Not an IP address or prefix, or one that no endpoint, or no router, can have.
    ADDRESS = "address": Error;
    /// `dev` has an invalid interface name, is empty, or stands for several interfaces beside an exact address.
    DEV = "dev": Error;
    /// A flag that this version does not know, or that only the kernel sets.
    UNKNOWN_FLAG = "unknown-flag": Error;
    /// A flag is listed twice.
    DUPLICATE_FLAG = "duplicate-flag": Error;

    // Declarations.
    /// Two values exclude each other.
    CONFLICT = "conflict": Error;
    /// An id, or an address and port, is declared twice.
    DUPLICATE_ENDPOINT = "duplicate-endpoint": Error;
    /// More than 4096 endpoints are declared.
    TOO_MANY_ENDPOINTS = "too-many-endpoints": Error;
    /// More than 4096 uplinks are declared.
    TOO_MANY_UPLINKS = "too-many-uplinks": Error;
    /// The name of a declaration has no value, and no earlier file declares it.
    WITHDRAWS_NOTHING = "withdraws-nothing": Error;
    /// An endpoint has neither `address` nor `dev`, or an uplink has no `dev`.
    NO_TARGET = "no-target": Error;
    /// An endpoint has none of the flags signal, subflow, fullmesh and laminar.
    NO_PURPOSE = "no-purpose": Error;
    /// A port with flags or with an address that exclude it.
    PORT = "port": Error;
    /// A key that goes only with an exact address, or only with a selector.
    SELECTOR = "selector": Error;
    /// `fullmesh` without `subflow` opens subflows only to addresses that the peer announces.
    FULLMESH_WITHOUT_SUBFLOW = "fullmesh-without-subflow": Warning | Fault | Hint;
    /// An endpoint with an exact address opens subflows and names no interface; they may leave by another one.
    DEV_UNSET = "dev-unset": Warning;
    /// A loopback address, which no other host can reach.
    LOOPBACK_ADDRESS = "loopback-address": Warning;
    /// A prefix of link-local addresses, which selectors never pick.
    LINK_LOCAL_ADDRESS = "link-local-address": Warning;
    /// More endpoints of one family that open subflows are declared than `limits.subflows` lets a connection use.
    MORE_ENDPOINTS_THAN_SUBFLOWS = "more-endpoints-than-subflows": Warning;

    // The configuration on this host.
    /// `init` finds no link with a default route and a usable address, and so declares nothing.
    NO_LINK = "no-link": Warning;
    /// This kernel does not allow such a high limit.
    LIMIT = "limit": Error;
    /// This kernel lacks the sysctl.
    SYSCTL = "sysctl": Error;
    /// This kernel lacks the packet scheduler.
    SCHEDULER = "scheduler": Error;
    /// The kernel's table cannot hold all endpoints that are declared.
    TABLE = "table": Error;
    /// An endpoint that `prune: false` leaves alone has the id that the file declares.
    ID_HELD = "id-held": Error;
    /// The interface of a declaration does not exist; the declaration waits.
    DEV_MISSING = "dev-missing": Warning | Fault;
    /// Nothing tells the router of an uplink, or it is not on the link; the uplink waits.
    GATEWAY_UNKNOWN = "gateway-unknown": Error | Warning | Fault;
    /// Another program has a default route in the table of an uplink.
    ROUTE_TAKEN = "route-taken": Error | Fault;
    /// An interface of an uplink is down, or has no global address; the uplink waits.
    UPLINK_DOWN = "uplink-down": Warning | Fault;
    /// An uplink has a `check`, which only `--watch` makes.
    CHECK_NEEDS_WATCH = "check-needs-watch": Warning;
    /// The check of an uplink cannot be made; the uplink counts as up.
    CHECK_NOT_RUN = "check-not-run": Warning;
    /// An uplink is down, and its default route has the metric 0, so that no other route comes before it.
    METRIC_ZERO = "metric-zero": Warning;
    /// systemd-networkd removes the rules and routes of uplinks.
    NETWORKD_FOREIGN_RULES = "networkd-foreign-rules": Warning | Fault;
    /// A selector matches no usable address; it waits.
    NO_MATCH = "no-match": Warning | Fault;
    /// The address of an endpoint is not on this host, or not usable yet.
    ADDRESS_MISSING = "address-missing": Warning | Fault | Hint;
    /// An endpoint with a port has an address that is not on this host, so that the kernel cannot listen there.
    PORT_ADDRESS_MISSING = "port-address-missing": Warning;
    /// Endpoints or uplinks stay, since none of their kind would be left while one waits, or a live connection would have no path.
    KEPT = "kept": Warning;
    /// Other declarations have every address, or every interface, that one matches.
    SELECTOR_SHADOWED = "selector-shadowed": Warning;
    /// An address is on two interfaces.
    ADDRESS_TWICE = "address-twice": Warning | Hint;
    /// A declaration with `required: true` waits.
    REQUIRED = "required": Error | Fault;
    /// The kernel does not let a listener have the port of an endpoint yet.
    PORT_TAKEN = "port-taken": Warning;
    /// Replacing an endpoint with live connections closes its port for about a minute.
    PORT_CLOSING = "port-closing": Error | Warning;
    /// `net.mptcp.enabled` is 0: no application can open an MPTCP connection.
    MPTCP_DISABLED = "mptcp-disabled": Warning | Fault;
    /// The userspace path manager, which ignores endpoints, is selected, or has live connections still.
    USERSPACE_PATH_MANAGER = "userspace-path-manager": Warning | Fault | Hint;
    /// No network namespace matches the pattern.
    NETNS_MISSING = "netns-missing": Error | Warning;
    /// What the rehearsal cannot copy from this host, or made in addition.
    REHEARSAL = "rehearsal": Warning;

    // The run.
    /// The run failed for a reason outside the configuration; the message names it.
    FAILED = "failed": Error;
    /// The kernel refused a step.
    REFUSED = "refused": Error;
    /// There is no live connection with the token.
    NO_CONNECTION = "no-connection": Error;
    /// A connection is under the in-kernel path manager, which takes no operations on single connections.
    KERNEL_PATH_MANAGER = "kernel-path-manager": Error;
    /// A connection went on as plain TCP, which carries no addresses, priorities and further subflows.
    FELL_BACK = "fell-back": Error;
    /// The subflow to be created exists already.
    SUBFLOW_EXISTS = "subflow-exists": Error;
    /// The peer has not answered the request for a subflow yet.
    SUBFLOW_UNANSWERED = "subflow-unanswered": Error;
    /// No MPTCP program listens on a port that is announced by hand.
    PORT_UNSERVED = "port-unserved": Warning;
    /// No program listens to path manager events, so subflows of peers are rejected.
    NO_EVENT_LISTENER = "no-event-listener": Warning;
    /// A signal ended the run before it was done, or before it began.
    INTERRUPTED = "interrupted": Error;
    /// Another program changes the table all the time.
    UNSTABLE = "unstable": Error;
    /// A step failed, and the steps before it were undone.
    ROLLED_BACK = "rolled-back": Note;
    /// A step failed, and not all steps before it could be undone.
    ROLLBACK_INCOMPLETE = "rollback-incomplete": Error;
    /// Live connections did not get their subflows back.
    SUBFLOWS_LOST = "subflows-lost": Warning;
    /// Renewing an endpoint closes subflows that live connections have.
    RENEW_CLOSES = "renew-closes": Error | Warning;
    /// The lock could not be made; two runs may work at the same time.
    NO_LOCK = "no-lock": Warning;
    /// The record of the endpoints that mptcp-apply added cannot be read or written.
    NO_RECORD = "no-record": Warning;
    /// The state before a run cannot be kept, so that `history` does not list it.
    NO_HISTORY = "no-history": Warning;

    /// The report of the doctor has addresses, of this host and of its peers.
    REPORT_PRIVATE = "report-private": Warning;

    // The doctor: the host.
    /// This kernel has no MPTCP.
    NO_MPTCP = "no-mptcp": Fault;
    /// The endpoints could not be read, so most findings are missing.
    TABLE_UNREADABLE = "table-unreadable": Hint;
    /// The configuration has errors; none of it is applied.
    CONFIGURATION_INVALID = "configuration-invalid": Fault;
    /// This kernel cannot do what the configuration declares.
    NOT_POSSIBLE = "not-possible": Error | Fault;
    /// The kernel's state differs from the configuration.
    NOT_APPLIED = "not-applied": Fault;
    /// Rules or routes of uplinks are not as declared.
    UPLINK_MISSING = "uplink-missing": Fault;
    /// Rules or routes of uplinks are left over.
    UPLINK_STALE = "uplink-stale": Fault;
    /// The kernel's table has no room for another endpoint.
    TABLE_FULL = "table-full": Warning | Hint;
    /// Another program listens on the port of an endpoint.
    PORT_HELD = "port-held": Fault;
    /// Another program that manages endpoints runs here.
    OTHER_MANAGER = "other-manager": Hint;

    // The doctor: endpoints.
    /// A link-local address without an interface.
    LINK_LOCAL = "link-local": Fault;
    /// No endpoint opens subflows of a family, and several links lead to peers.
    NO_ENDPOINT = "no-endpoint": Hint;
    /// The interface that an endpoint is bound to is gone.
    DEV_GONE = "dev-gone": Fault | Hint;
    /// The address is on another interface than the endpoint.
    ADDRESS_ELSEWHERE = "address-elsewhere": Warning | Fault;
    /// Duplicate address detection for the address is not over.
    ADDRESS_TENTATIVE = "address-tentative": Fault;
    /// Another host on the link has the same address.
    ADDRESS_DADFAILED = "address-dadfailed": Fault;
    /// The preferred lifetime of the address is over.
    ADDRESS_DEPRECATED = "address-deprecated": Hint;
    /// The interface of an endpoint is down.
    INTERFACE_DOWN = "interface-down": Fault;
    /// The interface of an endpoint has no carrier.
    NO_CARRIER = "no-carrier": Fault;
    /// No route leads from the endpoint to the peer.
    NO_ROUTE = "no-route": Fault | Hint;
    /// Packets from the endpoint leave by another interface than the one that has its address.
    ROUTE_ELSEWHERE = "route-elsewhere": Fault;
    /// Strict reverse path filtering drops the answers.
    RP_FILTER = "rp-filter": Fault;
    /// The endpoint was added before its address or route was there, and the kernel does not try again.
    ADDED_TOO_EARLY = "added-too-early": Fault;
    /// A connection lacks a subflow from an endpoint.
    SUBFLOW_MISSING = "subflow-missing": Warning | Fault | Hint;
    /// A subflow is established, and its data gets no answer.
    PATH_DEAD = "path-dead": Fault;
    /// A connection has its subflows, and its data does not move.
    DATA_STALLED = "data-stalled": Warning | Fault;

    // The doctor: limits.
    /// The limit of subflows is 0, so no connection has a second subflow.
    SUBFLOWS_LIMIT_ZERO = "subflows-limit-zero": Fault;
    /// The limit of subflows is lower than the endpoints that open them need.
    SUBFLOWS_LIMIT_LOW = "subflows-limit-low": Fault;
    /// Endpoints before this one use up the limit of subflows.
    NEVER_USED = "never-used": Hint;
    /// The limit of accepted addresses is 0, so announced addresses of peers are ignored.
    ADD_ADDR_ACCEPTED_ZERO = "add-addr-accepted-zero": Fault | Hint;
    /// This host rejected subflows that peers opened.
    JOINS_REJECTED = "joins-rejected": Fault | Hint;
    /// The limit of subflows is lower than a full mesh needs.
    FULLMESH_LIMITS = "fullmesh-limits": Fault | Hint;

    // The doctor: peers.
    /// The peer does not speak MPTCP, or a middlebox removes its options.
    PEER_WITHOUT_MPTCP = "peer-without-mptcp": Fault | Hint;
    /// Requests for subflows get no answer.
    JOINS_UNANSWERED = "joins-unanswered": Fault;
    /// Peers may not open subflows to the first address of a connection, and no other one is announced.
    JOINS_DENIED = "joins-denied": Fault | Hint;
    /// No client confirms the addresses that this host announces.
    ANNOUNCEMENTS_LOST = "announcements-lost": Hint;
    /// No service listens on an announced address.
    ANNOUNCED_UNSERVED = "announced-unserved": Fault | Hint;
    /// Answers to subflows that peers open have no route, or leave by another interface.
    ANSWERS_ASTRAY = "answers-astray": Fault | Hint;
    /// Subflows that peers open are not completed.
    JOINS_INCOMPLETE = "joins-incomplete": Fault | Hint;
    /// The kernel paused MPTCP after requests that got no answer.
    BLACKHOLE = "blackhole": Fault | Hint;
    /// Connections began with MPTCP and fell back to TCP.
    FALLBACK = "fallback": Fault | Hint;
    /// `subflow` endpoints on a host that has only accepted connections.
    SUBFLOW_ON_SERVER = "subflow-on-server": Hint;
    /// A private address is announced to peers with public addresses.
    PRIVATE_SIGNAL = "private-signal": Hint;
    /// No application uses MPTCP.
    NO_APPLICATION = "no-application": Hint;

    // The doctor: the test connection to a peer.
    /// The test connection could not be opened.
    PROBE_FAILED = "probe-failed": Fault;
    /// The kernel does not show the subflows of the test connection without CAP_NET_ADMIN.
    PROBE_UNSEEN = "probe-unseen": Hint;
    /// The peer refuses a subflow.
    SUBFLOW_REFUSED = "subflow-refused": Error | Fault | Hint;
}
