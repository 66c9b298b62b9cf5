//! What an uplink's `check` declares: how the uplink is tested, how often, and how many results in a row decide.

#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::model::diagnostic::{Diagnostic, Diagnostics, Location};
use crate::model::{canonical, code};

use super::body::Overlay;
use super::document::{CheckDocument, Located, Name};
use super::pattern::AddressError;
use super::written::{Content, Entry, Valued};

/// The range of `every` and `timeout`: below it a check would be a load, above it no check.
pub const PERIOD_MIN: Duration = Duration::from_millis(100);
/// See [`PERIOD_MIN`].
pub const PERIOD_MAX: Duration = Duration::from_secs(3600);
/// The most results in a row that `fall` and `rise` can ask for.
pub const STREAK_MAX: u32 = 1000;

/// The units of durations, with their milliseconds, as systemd writes them.
pub const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1000), ("min", 60_000), ("h", 3_600_000)];

/// Units of other programs, and how many of which of ours they are.
const OTHER_UNITS: [(&str, u64, &str); 6] = [
    ("msec msecs millis millisecond milliseconds", 1, "ms"),
    ("sec secs second seconds", 1, "s"),
    ("m mins minute minutes", 1, "min"),
    ("hr hrs hour hours", 1, "h"),
    ("d day days", 24, "h"),
    ("w week weeks", 168, "h"),
];

/// How an uplink is tested.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CheckMethod {
    /// A TCP connection is opened to this address, out of the uplink's interface.
    Connect(SocketAddr),
    /// A command is run by `sh -c`; it passes if it exits with 0.
    Run(String),
    /// The kernel asks the router whether it is there (`NUD_PROBE`).
    Gateway,
}

impl CheckMethod {
    /// The key of a command.
    pub const RUN: &'static str = "run";
    /// The key of a connection.
    pub const CONNECT: &'static str = "connect";
    /// The word for the router.
    pub const GATEWAY: &'static str = "gateway";
}

/// The complete `check` of an uplink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UplinkCheck {
    /// What is done.
    pub method: CheckMethod,
    /// The time from the beginning of one to that of the next, [`PERIOD_MIN`] to [`PERIOD_MAX`].
    pub every: Duration,
    /// How long one may take, in the same range. Then it has failed.
    pub timeout: Duration,
    /// How many in a row have to fail until the uplink is down; 1 to [`STREAK_MAX`].
    pub fall: u32,
    /// How many in a row have to pass until it is up again; 1 to [`STREAK_MAX`].
    pub rise: u32,
}

impl UplinkCheck {
    /// The default of `every`.
    pub const EVERY: Duration = Duration::from_secs(5);
    /// The default of `timeout`.
    pub const TIMEOUT: Duration = Duration::from_secs(2);
    /// The default of `fall`.
    pub const FALL: u32 = 3;
    /// The default of `rise`.
    pub const RISE: u32 = 6;
}

impl Overlay for CheckDocument {
    fn over(self, earlier: CheckDocument) -> CheckDocument {
        CheckDocument {
            method: self.method.or(earlier.method),
            every: self.every.or(earlier.every),
            timeout: self.timeout.or(earlier.timeout),
            fall: self.fall.or(earlier.fall),
            rise: self.rise.or(earlier.rise),
        }
    }
}

/// The check of the router is a word, so that times of another file cannot stand beside it.
impl Valued for CheckDocument {
    fn content(&self) -> Content {
        let period = |key, period: &Option<Located<Duration>>| {
            let text =
                period.map(|period| Located { value: Period(period.value), location: period.location });
            text.map(|text| Entry::of(key, &text))
        };
        let streak =
            |key, streak: &Option<Located<u32>>| streak.as_ref().map(|streak| Entry::of(key, streak));
        let method = self.method.as_ref().and_then(|method| {
            let key = method.value.key()?;
            Some(Entry::of(key, method))
        });
        let times = [period("every", &self.every), period("timeout", &self.timeout)];
        let streaks = [streak("fall", &self.fall), streak("rise", &self.rise)];
        let entries: Vec<Entry> = std::iter::once(method).chain(times).chain(streaks).flatten().collect();
        match &self.method {
            Some(Located { value: CheckMethod::Gateway, .. }) => Content::word(CheckMethod::GATEWAY),
            _ => Content::Entries(entries),
        }
    }

    fn origin(&self, last: Location) -> Option<Location> {
        let CheckDocument { method, every, timeout, fall, rise } = self;
        let method = method.as_ref().map(|method| (method.location, &method.value));
        if let Some((location, CheckMethod::Gateway)) = method {
            return Some(location);
        }
        let times = [every, timeout].map(|time| time.map(|time| time.location));
        let streaks = [fall, rise].map(|streak| streak.map(|streak| streak.location));
        let method = method.map(|(location, _)| location);
        let mut all = times.into_iter().chain(streaks).chain([method]).flatten();
        all.all(|location| location.source == last.source).then_some(last)
    }
}

impl CheckMethod {
    /// Its key; the router has none.
    fn key(&self) -> Option<&'static str> {
        match self {
            CheckMethod::Connect(_) => Some(CheckMethod::CONNECT),
            CheckMethod::Run(_) => Some(CheckMethod::RUN),
            CheckMethod::Gateway => None,
        }
    }
}

impl Valued for CheckMethod {
    fn content(&self) -> Content {
        match self {
            CheckMethod::Connect(address) => Content::word(address),
            CheckMethod::Run(command) => Content::word(command),
            CheckMethod::Gateway => Content::word(CheckMethod::GATEWAY),
        }
    }
}

impl Valued for u32 {
    fn content(&self) -> Content {
        Content::number(*self)
    }
}

/// A duration as [`duration`] parses it.
struct Period(Duration);

impl Valued for Period {
    fn content(&self) -> Content {
        match self.0.subsec_millis() {
            0 => Content::word(format!("{}s", self.0.as_secs())),
            _ => Content::word(format!("{}ms", self.0.as_millis())),
        }
    }
}

/// Completes the merged `check` of an uplink; for one that tests nothing an error, and none.
pub fn complete(
    uplink: &Located<Name>,
    document: Located<CheckDocument>,
    diagnostics: &mut Diagnostics,
) -> Option<UplinkCheck> {
    let CheckDocument { method, every, timeout, fall, rise } = document.value;
    let Some(method) = method else {
        let message = format!("the `check` of uplink `{}` says nothing to do", uplink.value);
        let error = Diagnostic::error(code::NO_TARGET, message).at(document.location, "");
        let help = "add `connect: \"ADDRESS:PORT\"` or `run: \"COMMAND\"`, or write `check: gateway`";
        diagnostics.push(error.endpoint(uplink.value.as_str()).help(help));
        return None;
    };
    Some(UplinkCheck {
        method: method.value,
        every: every.map_or(UplinkCheck::EVERY, |every| every.value),
        timeout: timeout.map_or(UplinkCheck::TIMEOUT, |timeout| timeout.value),
        fall: fall.map_or(UplinkCheck::FALL, |fall| fall.value),
        rise: rise.map_or(UplinkCheck::RISE, |rise| rise.value),
    })
}

/// Parses a duration: a number with a unit, or seconds.
///
/// # Errors
/// With a remedy where there is one.
pub fn duration(text: &str) -> Result<Duration, Option<String>> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start();
    let factor = UNITS.iter().find(|(name, _)| *name == unit || (unit.is_empty() && *name == "s"));
    match (number.parse::<u64>(), factor) {
        (Ok(number), Some((_, factor))) => Ok(Duration::from_millis(number.saturating_mul(*factor))),
        (Ok(_), None) if unit.starts_with('.') => Err(Some("write a part of a second as `500ms`".to_owned())),
        (Ok(number), None) => Err(respelt(number, unit).map(|meant| format!("write `{meant}`"))),
        (Err(_), _) => Err(None),
    }
}

/// The duration that is meant, in units as other programs write them too.
pub fn meant_duration(text: &str) -> Option<Duration> {
    let text = text.to_lowercase();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let respelt = || respelt(number.parse().ok()?, unit.trim_start());
    duration(&text).ok().or_else(|| duration(&respelt()?).ok())
}

/// A duration in one of our [`UNITS`], if its unit is one of another program.
fn respelt(number: u64, unit: &str) -> Option<String> {
    let (_, count, unit) =
        OTHER_UNITS.iter().find(|(words, ..)| words.split(' ').any(|word| word == unit))?;
    Some(format!("{}{unit}", number.checked_mul(*count)?))
}

/// Parses where to connect to. An IPv4-mapped IPv6 address becomes the IPv4 address.
///
/// # Errors
/// When it is no address with a port, or none that another host can have.
pub fn destination(text: &str) -> Result<SocketAddr, AddressError> {
    let error = |reason: &str, help: &str| AddressError {
        reason: reason.to_owned(),
        help: Some(help.to_owned()).filter(|help| !help.is_empty()),
    };
    let Ok(parsed) = text.parse::<SocketAddr>() else { return Err(misspelt_destination(text)) };
    let address = SocketAddr::new(canonical(parsed.ip()), parsed.port());
    match address.ip() {
        _ if address.port() == 0 => Err(error("no host listens on port 0", "")),
        ip if ip.is_unspecified() || ip.is_multicast() => Err(error("no host has this address", "")),
        ip if ip.is_loopback() => {
            Err(error("a loopback address is on this host", "name a host that is behind the uplink"))
        }
        _ => Ok(address),
    }
}

/// Why a text is no address with a port, with a remedy.
fn misspelt_destination(text: &str) -> AddressError {
    let error = |reason: &str, help: Option<String>| AddressError { reason: reason.to_owned(), help };
    let address = |text: &str| text.parse::<IpAddr>().ok();
    let whole = address(text).map(|address| SocketAddr::new(address, 443));
    let split = text.rsplit_once(':');
    // The last group of an IPv6 address may be meant as the port.
    let bare = split.and_then(|(host, port)| Some(SocketAddr::new(address(host)?, port.parse().ok()?)));
    match (bare, whole) {
        (Some(bare), Some(whole)) => error(
            "an IPv6 address with a port needs brackets",
            Some(format!("write it as `{bare}`, or as `{whole}` if {} belongs to the address", bare.port())),
        ),
        (Some(bare), None) => {
            error("an IPv6 address with a port needs brackets", Some(format!("write it as `{bare}`")))
        }
        (None, Some(whole)) => error("the port is missing", Some(format!("write it as `{whole}`"))),
        (None, None) if split.is_some_and(|(host, _)| address(host.trim_matches(['[', ']'])).is_some()) => {
            error("the port is not a number from 1 to 65535", None)
        }
        (None, None) => {
            let help = "write `ADDRESS:PORT`, or `[ADDRESS]:PORT` for IPv6; host names are not looked up, since \
                        that would need a way that works";
            error("not an address with a port", Some(help.to_owned()))
        }
    }
}
