//! Addresses, prefixes, interface names and globs in declarations.

mod remedy;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;

use glob::Pattern;

use crate::model::{Family, Interface, Prefix, canonical};

use remedy::{address_help, mask_help, several_help, tidy_help};
pub use remedy::{list_hint, spelling_help, template_help};

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
            Some((address, length)) => prefix(address, length).map_err(|error| AddressError {
                help: several_help(text).or_else(|| tidy_help(text)).or(error.help),
                ..error
            })?,
            None => {
                let address = unicast(bare)?;
                (address, if address.is_ipv4() { 32 } else { 128 })
            }
        };
        Ok(AddressPrefix { network, length, excludes: text.starts_with('!') })
    }

    fn contains(&self, address: IpAddr) -> bool {
        Prefix { network: self.network, length: self.length }.covers(address)
    }

    /// Whether it lies inside fe80::/10 or 169.254.0.0/16.
    pub fn is_link_local(&self) -> bool {
        match self.network {
            IpAddr::V4(v4) => v4.is_link_local() && self.length >= 16,
            IpAddr::V6(v6) => v6.is_unicast_link_local() && self.length >= 10,
        }
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

    /// Whether a prefix contains the address, and no exclusion does, even if it is a unique local one in a wider prefix.
    pub fn covers(&self, address: IpAddr) -> bool {
        let mut excluded = self.prefixes().iter().filter(|prefix| prefix.excludes);
        let mut included = self.prefixes().iter().filter(|prefix| !prefix.excludes).peekable();
        let is_in = |prefix: &AddressPrefix| prefix.contains(address);
        !excluded.any(is_in) && (included.peek().is_none() || included.any(is_in))
    }

    /// Whether the exclusions take away all that the prefixes have. Only single exclusions are compared, and of prefixes
    /// that exclude alone, those of both families.
    pub fn is_contradiction(&self) -> bool {
        let excluded = || self.prefixes().iter().filter(|prefix| prefix.excludes);
        let mut included = self.prefixes().iter().filter(|prefix| !prefix.excludes).peekable();
        let covers =
            |out: &AddressPrefix, own: &AddressPrefix| out.length <= own.length && out.contains(own.network);
        match included.peek() {
            Some(_) => included.all(|own| excluded().any(|out| covers(out, own))),
            None => Family::ALL
                .into_iter()
                .all(|family| excluded().any(|out| out.length == 0 && Family::of(out.network) == family)),
        }
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
        let Interface { name, altnames, .. } = interface;
        let is_one = |word: &str| is_match(word, name) || altnames.iter().any(|name| is_match(word, name));
        let mut included = self.globs.iter().filter(|word| !word.starts_with('!')).peekable();
        let mut excluded = self.globs.iter().filter_map(|word| word.strip_prefix('!'));
        (included.peek().is_none() || included.any(|word| is_one(word))) && !excluded.any(is_one)
    }

    /// Whether the exclusions take away all that the list names.
    pub fn is_contradiction(&self) -> bool {
        let excluded = || self.globs.iter().filter_map(|word| word.strip_prefix('!'));
        let mut included = self.globs.iter().filter(|word| !word.starts_with('!')).peekable();
        let is_all = |out: &str| out == "*";
        let is_out = |own: &String| {
            excluded().any(|out| is_all(out) || out == own || (!is_glob(own) && is_match(out, own)))
        };
        match included.peek() {
            Some(_) => included.all(is_out),
            None => excluded().any(is_all),
        }
    }

    /// Whether one of the words is a name of the interface, letter by letter.
    pub fn names(&self, interface: &Interface) -> bool {
        self.globs.iter().any(|word| interface.names().any(|name| name == word))
    }

    /// Why the word cannot be an interface name or glob (`dev_valid_name` in `net/core/dev.c`).
    pub fn name_error(word: &str) -> Option<&'static str> {
        let name = word.strip_prefix('!').unwrap_or(word);
        // The parsers are asked only about words that have these: they would take longer than all else here.
        let has_brackets = name.contains('[');
        let is_maybe_address = name.bytes().any(|byte| matches!(byte, b'.' | b':'));
        let too_long = name.len() > ALTNAME_MAX && !is_glob(name);
        match name {
            "" => Some("an interface name cannot be empty"),
            "." | ".." | "all" | "default" => Some("an interface cannot have this name"),
            _ if is_maybe_address && name.parse::<IpAddr>().is_ok() => Some("it is an address"),
            _ if has_brackets && name.split('[').skip(1).any(|rest| !rest.contains(']')) => {
                Some("a `[` is not closed")
            }
            _ if name.as_bytes().windows(2).any(|pair| pair == b"**") => {
                Some("`**` is not allowed; one `*` matches any number of characters")
            }
            // Of `*` and `?` alone, every glob is valid.
            _ if has_brackets && Pattern::new(name).is_err() => Some("the glob is not valid"),
            _ if too_long => Some("an interface name has at most 15 bytes, and an alternative name 127"),
            _ if name.contains(|c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control()) => {
                Some("an interface name cannot contain `/`, `:` or spaces")
            }
            _ => None,
        }
    }
}

fn is_glob(name: &str) -> bool {
    name.bytes().any(is_special)
}

/// Whether it makes a glob of a name.
fn is_special(byte: u8) -> bool {
    matches!(byte, b'*' | b'?' | b'[')
}

/// Whether a word, a name or a glob, matches a name. A glob is compiled only where its literal start matches: that takes
/// longer than all else, and there may be thousands.
fn is_match(word: &str, name: &str) -> bool {
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
