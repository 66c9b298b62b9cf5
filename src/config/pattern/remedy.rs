//! Remedies for texts that are almost addresses, prefixes or interface names.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::config::foreign::Row;
use crate::config::habits;
use crate::config::written::yaml_word;

use super::{AddressPrefix, DevicePattern};

/// The remedy for a text that is almost an address.
pub fn address_help(text: &str) -> Option<String> {
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
        .or_else(|| template_help(text))
        .or_else(row)
        .or_else(|| several_help(text))
        .or_else(habit)
        .or_else(name)
        .or_else(numbers)
}

/// The remedy for a template in place of a value.
pub fn template_help(text: &str) -> Option<String> {
    let is_template = [("{{", "}}"), ("${", "}"), ("{%", "%}")]
        .iter()
        .any(|(open, close)| text.split_once(open).is_some_and(|(_, rest)| rest.contains(close)));
    is_template.then(|| "it is a template that was not filled in; write the value".to_owned())
}

/// The remedy for blanks around a prefix.
pub fn tidy_help(text: &str) -> Option<String> {
    let tidy = tidied(text).filter(|tidy| AddressPrefix::parse(tidy).is_ok())?;
    Some(format!("write it as `{}`", yaml_word(&tidy)))
}

/// The text without blanks around it or behind its `!`; none where there are none.
fn tidied(text: &str) -> Option<String> {
    let (mark, name) = match text.trim().strip_prefix('!') {
        Some(name) => ("!", name.trim_start()),
        None => ("", text.trim()),
    };
    (mark.len() + name.len() < text.len()).then(|| format!("{mark}{name}"))
}

/// The remedy for several addresses in one text: with commas, as a range, or with a `*`.
pub fn several_help(text: &str) -> Option<String> {
    let is_prefix = |text: &&str| AddressPrefix::parse(text).is_ok();
    let list = |parts: Vec<String>| {
        let parts: Vec<String> = parts.iter().map(|part| yaml_word(part)).collect();
        format!("`address: [{}]`", parts.join(", "))
    };
    let parts: Vec<&str> = text.split([',', ' ', ';']).filter(|part| !part.is_empty()).collect();
    if parts.len() > 1 && parts.iter().all(is_prefix) {
        return Some(format!("write a list: {}", list(parts.into_iter().map(str::to_owned).collect())));
    }
    if let Some((from, to)) = text.split_once('-')
        && is_prefix(&from.trim())
        && (is_prefix(&to.trim()) || to.trim().parse::<u8>().is_ok())
    {
        let prefixes: Option<Vec<String>> = range(from.trim(), to.trim());
        let prefixes = prefixes.filter(|all| all.iter().all(|prefix| is_prefix(&prefix.as_str())));
        let sample = prefixes.map_or_else(String::new, |prefixes| format!(": {}", list(prefixes)));
        return Some(format!("write prefixes in place of a range{sample}"));
    }
    let bytes = text.trim_end_matches(".*");
    let count = bytes.split('.').filter(|byte| byte.parse::<u8>().is_ok()).count();
    let is_wild = bytes != text && (1..4).contains(&count) && bytes.split('.').count() == count;
    is_wild.then(|| format!("write a prefix: `address: {bytes}{}/{}`", ".0".repeat(4 - count), 8 * count))
}

/// The fewest prefixes that have the addresses of a range and no others; none where they are too many for a remedy. The
/// last address may be its last number alone.
fn range(from: &str, to: &str) -> Option<Vec<String>> {
    const PREFIXES_MAX: usize = 8;
    let first: IpAddr = from.parse().ok()?;
    let last: IpAddr = match (first, to.parse::<u8>()) {
        (IpAddr::V4(v4), Ok(number)) => {
            let [a, b, c, _] = v4.octets();
            Ipv4Addr::new(a, b, c, number).into()
        }
        _ => to.parse().ok()?,
    };
    let (width, mut next, end) = match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => {
            (32, u128::from(first.to_bits()), u128::from(last.to_bits()))
        }
        (IpAddr::V6(first), IpAddr::V6(last)) => (128, first.to_bits(), last.to_bits()),
        _ => return None,
    };
    let mut prefixes = Vec::new();
    while next <= end {
        // As many host bits as the first address has zeros, and as fit before the end.
        let left = (end - next).saturating_add(1);
        let bits = next.trailing_zeros().min(left.ilog2()).min(width);
        let network = match first {
            IpAddr::V4(_) => IpAddr::V4(u32::try_from(next).ok()?.into()),
            IpAddr::V6(_) => IpAddr::V6(next.into()),
        };
        prefixes.push(format!("{network}/{}", width - bits));
        if prefixes.len() > PREFIXES_MAX {
            return None;
        }
        next = next.checked_add(1_u128.checked_shl(bits)?)?;
    }
    (!prefixes.is_empty()).then_some(prefixes)
}

/// The remedy for the mask of an IPv4 network in place of a prefix length.
pub fn mask_help(address: IpAddr, mask: &str) -> Option<String> {
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

/// The remedy for a text that is no interface name: blanks around one, a template, or several in one word.
pub fn list_hint(word: &str) -> Option<String> {
    let is_separator = |c| matches!(c, ',' | ';' | '|' | '{' | '}' | '(' | ')' | '"' | '\'');
    let separates = |c: char| is_separator(c) || c.is_whitespace();
    // All that follow have one of them, and most words have none.
    if !word.contains(separates) {
        return None;
    }
    if let Some(tidy) = tidied(word).filter(|tidy| DevicePattern::name_error(tidy).is_none()) {
        return Some(format!("write it as `{}`", yaml_word(&tidy)));
    }
    if let Some(help) = template_help(word) {
        return Some(help);
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
