//! Addresses, prefixes, interface names and globs in declarations.

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use glob::Pattern;

use crate::model::{Interface, canonical};

use super::foreign::Row;
use super::habits;
use super::written::yaml_word;

/// The longest interface name in bytes: `IFNAMSIZ` without the terminating zero.
pub const INTERFACE_NAME_MAX: usize = 15;
/// The longest alternative name in bytes: `ALTIFNAMSIZ` without the terminating zero.
pub const ALTNAME_MAX: usize = 127;

/// An address, or prefixes, which make the declaration a selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressPattern {
    /// `192.0.2.1`
    Exact(IpAddr),
    /// `192.0.2.0/24`, `["192.0.2.0/24", "!192.0.2.7"]`
    Prefixes(Vec<AddressPrefix>),
}

/// A prefix without host bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressPrefix {
    /// Its first address.
    pub network: IpAddr,
    /// The bits of the network.
    pub length: u8,
    /// Whether it excludes its addresses (`!`).
    pub excludes: bool,
}

/// Why a text is not an [`AddressPattern`], with a remedy if there is one.
#[derive(Debug, PartialEq, Eq)]
pub struct AddressError {
    /// What is wrong with it.
    pub reason: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl AddressPattern {
    /// Parses an address or a prefix; an IPv4-mapped IPv6 address becomes the IPv4 address.
    pub fn parse(text: &str) -> Result<AddressPattern, AddressError> {
        if text.contains('/') || text.starts_with('!') {
            Ok(AddressPattern::Prefixes(vec![AddressPrefix::parse(text)?]))
        } else {
            Ok(AddressPattern::Exact(unicast(text)?))
        }
    }
}

impl AddressPrefix {
    /// Parses a prefix, or an address, which is the prefix of itself; `!` before it excludes.
    pub fn parse(text: &str) -> Result<AddressPrefix, AddressError> {
        let bare = text.strip_prefix('!').unwrap_or(text);
        let (network, length) = match bare.split_once('/') {
            Some((address, length)) => prefix(address, length)?,
            None => {
                let address = unicast(bare)?;
                (address, if address.is_ipv4() { 32 } else { 128 })
            }
        };
        Ok(AddressPrefix { network, length, excludes: text.starts_with('!') })
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.network.is_ipv4() == address.is_ipv4() && network(address, self.length) == self.network
    }

    /// Whether it lies inside fc00::/7.
    fn is_unique_local(&self) -> bool {
        self.length >= 7 && is_unique_local(self.network)
    }
}

impl fmt::Display for AddressPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.excludes { "!" } else { "" };
        write!(f, "{mark}{}/{}", self.network, self.length)
    }
}

/// Whether an address is a unique local one (fc00::/7), which only the networks of one site route.
pub fn is_unique_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unique_local())
}

const MULTICAST: &str = "a multicast address cannot be an endpoint";

fn unicast(text: &str) -> Result<IpAddr, AddressError> {
    let address = address(text)?;
    let (reason, help) = match address {
        _ if address.is_unspecified() => (
            "the unspecified address cannot be an endpoint",
            Some(format!("to match every address, write `\"{address}/0\"`, or use `dev`")),
        ),
        _ if address.is_multicast() => (MULTICAST, None),
        IpAddr::V4(v4) if v4.is_broadcast() => ("the broadcast address cannot be an endpoint", None),
        _ => return Ok(address),
    };
    Err(AddressError { reason: reason.to_owned(), help })
}

fn address(text: &str) -> Result<IpAddr, AddressError> {
    text.parse().map(canonical).map_err(|_| {
        let error = |reason: &str, help| AddressError { reason: reason.to_owned(), help };
        match text.split_once('%') {
            Some((address, zone)) if address.parse::<IpAddr>().is_ok() => error(
                "an address cannot have a zone here",
                Some(format!("write `address: {address}` and `dev: {}`", zone.escape_debug())),
            ),
            _ if text.is_empty() => error("the address is empty", None),
            _ => error("not an IP address", address_help(text)),
        }
    })
}

/// The remedy for a text that is almost an address.
fn address_help(text: &str) -> Option<String> {
    if let Ok(socket) = text.parse::<SocketAddr>() {
        return Some(format!("write `address: {}` and `port: {}`", socket.ip(), socket.port()));
    }
    let row = || {
        let row = Row::parse(text)?;
        Some(format!("write `{}`, each a key of its own", row.keys().join("`, `")))
    };
    let is_name = text.contains(|c: char| c.is_ascii_alphabetic()) && !text.contains([':', ' ', '/']);
    let name = || match (is_name, text.contains('.')) {
        (false, _) => None,
        (true, true) => Some("write the address; host names are not looked up".to_owned()),
        (true, false) => Some(format!(
            "write `dev: {}` for the addresses of an interface; host names are not looked up",
            yaml_word(text)
        )),
    };
    let is_numeric = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let numbers = || is_numeric.then(|| "an IPv4 address has four numbers, such as `192.0.2.10`".to_owned());
    let habit = || habits::remedy(text, habits::ADDRESSES);
    spelling_help(text)
        .or_else(row)
        .or_else(|| several_help(text))
        .or_else(habit)
        .or_else(name)
        .or_else(numbers)
}

/// The remedy for several addresses in one text: with commas, as a range, or with a `*`.
fn several_help(text: &str) -> Option<String> {
    let is_address =
        |text: &&str| text.split('/').next().is_some_and(|address| address.parse::<IpAddr>().is_ok());
    let parts: Vec<&str> = text.split([',', ' ', ';']).filter(|part| !part.is_empty()).collect();
    if parts.len() > 1 && parts.iter().all(is_address) {
        let parts: Vec<String> = parts.into_iter().map(yaml_word).collect();
        return Some(format!("write a list: `address: [{}]`", parts.join(", ")));
    }
    if let Some((from, to)) = text.split_once('-')
        && is_address(&from.trim())
        && (is_address(&to.trim()) || to.trim().parse::<u8>().is_ok())
    {
        return Some(
            "write prefixes in place of a range: `address: [\"10.0.0.0/28\", \"!10.0.0.1\"]`".to_owned(),
        );
    }
    let bytes = text.trim_end_matches(".*");
    let count = bytes.split('.').filter(|byte| byte.parse::<u8>().is_ok()).count();
    let is_wild = bytes != text && (1..4).contains(&count) && bytes.split('.').count() == count;
    is_wild.then(|| format!("write a prefix: `address: {bytes}{}/{}`", ".0".repeat(4 - count), 8 * count))
}

/// The remedy for the mask of an IPv4 network in place of a prefix length.
fn mask_help(address: IpAddr, mask: &str) -> Option<String> {
    let mask = mask.parse::<Ipv4Addr>().ok().filter(|_| address.is_ipv4())?.to_bits();
    let length = mask.leading_ones();
    (mask.count_ones() == length).then(|| format!("write it as `{address}/{length}`"))
}

/// The remedy for an address that is written in a way of its own.
pub fn spelling_help(text: &str) -> Option<String> {
    let is_address = |text: &str| text.parse::<IpAddr>().is_ok();
    let bare = text.trim().trim_start_matches('[').trim_end_matches(']');
    if is_address(bare) {
        return Some(format!("write it as `{bare}`"));
    }
    let without_zeros = |part: &str| match part.trim_start_matches('0') {
        "" => "0".to_owned(),
        rest => rest.to_owned(),
    };
    let decimal = text.split('.').map(without_zeros).collect::<Vec<_>>().join(".");
    let is_padded = decimal != text && is_address(&decimal);
    is_padded.then(|| "write the numbers without leading zeros, which some programs read as octal".to_owned())
}

fn prefix(address_text: &str, length_text: &str) -> Result<(IpAddr, u8), AddressError> {
    /// The bits before the IPv4 address in an IPv4-mapped IPv6 address.
    const MAPPED_BITS: u8 = 96;
    let given = address(address_text)?;
    let mapped = given.is_ipv4() && address_text.contains(':');
    let shortest = if mapped { MAPPED_BITS } else { 0 };
    let longest = shortest + if given.is_ipv4() { 32 } else { 128 };
    // Rust accepts a sign, and leading zeros.
    let decimal = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    let digits = Some(length_text).filter(|text| decimal(text) || *text == "0");
    let length = digits.and_then(|digits| digits.parse().ok());
    let Some(length) = length.filter(|length| (shortest..=longest).contains(length)) else {
        let help = mask_help(given, length_text).or_else(|| Some(format!("use {shortest} to {longest}")));
        return Err(AddressError { reason: "invalid prefix length".to_owned(), help });
    };
    let length = length - shortest;
    let network = network(given, length);
    if network != given {
        let help =
            format!("write `{given}` for this one address, or `{network}/{length}` for the whole prefix");
        return Err(AddressError { reason: "the prefix has host bits set".to_owned(), help: Some(help) });
    }
    if network.is_multicast() {
        return Err(AddressError { reason: MULTICAST.to_owned(), help: None });
    }
    Ok((network, length))
}

fn network(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    }
}

impl AddressPattern {
    /// The length of the longest prefix that contains the address; none where no prefix does, or an exclusion does.
    /// Exclusions only mean every other address. A unique local address counts only in a prefix of such addresses.
    pub fn matches(&self, address: IpAddr) -> Option<u8> {
        let all = self.prefixes().iter();
        if all.clone().any(|prefix| prefix.excludes && prefix.contains(address)) {
            return None;
        }
        let mut included = all.filter(|prefix| !prefix.excludes).peekable();
        if included.peek().is_none() {
            return (!is_unique_local(address)).then_some(0);
        }
        let is_meant = |prefix: &AddressPrefix| prefix.is_unique_local() || !is_unique_local(address);
        let matching = included.filter(|prefix| prefix.contains(address) && is_meant(prefix));
        matching.map(|prefix| prefix.length).max()
    }

    /// The prefixes of a selector.
    pub fn prefixes(&self) -> &[AddressPrefix] {
        match self {
            AddressPattern::Exact(_) => &[],
            AddressPattern::Prefixes(prefixes) => prefixes,
        }
    }
}

impl fmt::Display for AddressPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AddressPattern::Exact(address) => address.fmt(f),
            AddressPattern::Prefixes(prefixes) => {
                f.write_str(&prefixes.iter().map(AddressPrefix::to_string).collect::<Vec<_>>().join(" "))
            }
        }
    }
}

/// An interface name, a glob, or several; `!` before one excludes what it matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevicePattern {
    /// Names and globs in the order of the file.
    pub globs: Vec<String>,
}

impl DevicePattern {
    /// The interface name, if it is neither a list nor a glob.
    pub fn literal(&self) -> Option<&str> {
        match self.globs.as_slice() {
            [name] if !name.starts_with('!') && !is_glob(name) => Some(name),
            _ => None,
        }
    }

    /// The words that name one interface each. None where the list excludes some: the host alone knows what is left.
    pub fn literals(&self) -> impl Iterator<Item = &str> {
        let excludes = self.globs.iter().any(|word| word.starts_with('!'));
        self.globs.iter().filter(move |word| !excludes && !is_glob(word)).map(String::as_str)
    }

    /// Whether an interface matches by one of its names, and none of them is excluded.
    pub fn matches(&self, interface: &Interface) -> bool {
        let is_one = |word: &str| interface.names().any(|name| is_match(word, name));
        let mut included = self.globs.iter().filter(|word| !word.starts_with('!')).peekable();
        let mut excluded = self.globs.iter().filter_map(|word| word.strip_prefix('!'));
        (included.peek().is_none() || included.any(|word| is_one(word))) && !excluded.any(is_one)
    }

    /// Whether one of the words is a name of the interface, letter by letter.
    pub fn names(&self, interface: &Interface) -> bool {
        self.globs.iter().any(|word| interface.names().any(|name| name == word))
    }

    /// Why the word cannot be an interface name or glob (`dev_valid_name` in `net/core/dev.c`).
    pub fn name_error(word: &str) -> Option<&'static str> {
        let name = word.strip_prefix('!').unwrap_or(word);
        let is_glob = is_glob(name);
        let too_long = name.len() > ALTNAME_MAX && !is_glob;
        match name {
            "" => Some("an interface name cannot be empty"),
            "." | ".." | "all" | "default" => Some("an interface cannot have this name"),
            _ if name.parse::<IpAddr>().is_ok() => Some("it is an address"),
            _ if name.split('[').skip(1).any(|rest| !rest.contains(']')) => Some("a `[` is not closed"),
            _ if name.as_bytes().windows(2).any(|pair| pair == b"**") => {
                Some("`**` is not allowed; one `*` matches any number of characters")
            }
            // Of `*` and `?` alone, every glob is valid.
            _ if name.contains('[') && Pattern::new(name).is_err() => Some("the glob is not valid"),
            _ if too_long => Some("an interface name has at most 15 bytes, and an alternative name 127"),
            _ if name.contains(|c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control()) => {
                Some("an interface name cannot contain `/`, `:` or spaces")
            }
            _ => None,
        }
    }
}

/// The remedy for a text that looks like several interfaces in one word.
pub fn list_hint(word: &str) -> Option<String> {
    const SEPARATORS: [char; 9] = [',', ';', '|', '{', '}', '(', ')', '"', '\''];
    let separates = |c: char| SEPARATORS.contains(&c) || c.is_whitespace();
    if !word.contains(separates) {
        return None;
    }
    let is_name = |part: &&str| part.starts_with(|c: char| c.is_alphabetic() || matches!(c, '!' | '*'));
    let parts: Vec<&str> = word.split(separates).filter(|part| !part.is_empty()).collect();
    let sample = parts.len() > 1 && parts.iter().all(is_name);
    let quote = |part: &&str| match part.contains(['!', '*', '?', '[']) {
        true => format!("\"{}\"", part.escape_debug()),
        false => part.escape_debug().to_string(),
    };
    let parts: Vec<String> =
        if sample { parts.iter().map(quote).collect() } else { vec!["eth0".into(), "eth1".into()] };
    Some(format!("write a list: `dev: [{}]`", parts.join(", ")))
}

/// What makes a glob of a name.
const SPECIAL: [char; 3] = ['*', '?', '['];

fn is_glob(name: &str) -> bool {
    name.contains(SPECIAL)
}

/// Whether a word, a name or a glob, matches a name. A glob is compiled only where its literal start matches: that takes
/// longer than all else, and there may be thousands.
fn is_match(word: &str, name: &str) -> bool {
    let is_special = |byte: u8| SPECIAL.contains(&char::from(byte));
    let same = word.bytes().zip(name.bytes()).take_while(|(one, other)| one == other && !is_special(*one));
    let same = same.count();
    match word.as_bytes().get(same) {
        None => same == name.len(),
        Some(next) => is_special(*next) && Pattern::new(word).is_ok_and(|glob| glob.matches(name)),
    }
}

impl fmt::Display for DevicePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.globs.join(" "))
    }
}
