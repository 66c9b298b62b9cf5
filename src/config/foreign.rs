//! Text of other programs in place of a configuration: commands and output of `ip mptcp`, files of netplan, and INI files.
//! It becomes the YAML that means the same, as a remedy.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::model::diagnostic::{Diagnostic, Diagnostics, Location, Severity, SourceId, Span, lines};
use crate::model::{Flags, code};

use super::document::{NAME_MAX, Name};
use super::node::{Node, Value};
use super::validate::PURPOSES;
use super::written::yaml_word;

/// The most declarations that a remedy writes out.
const SHOWN_MAX: usize = 32;

/// An endpoint or uplink in the words of `ip`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    address: Option<IpAddr>,
    dev: Option<String>,
    id: Option<u8>,
    port: Option<u16>,
    flags: Flags,
    is_implicit: bool,
}

/// What text of `ip mptcp` says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Commands {
    rows: Vec<Row>,
    subflows: Option<u32>,
    add_addr_accepted: Option<u32>,
}

impl Row {
    /// Reads one row: an address or an interface, and what follows it in the words of `ip mptcp endpoint`.
    pub fn parse(text: &str) -> Option<Row> {
        let Commands { mut rows, subflows: None, add_addr_accepted: None } = Commands::parse(text)? else {
            return None;
        };
        rows.pop().filter(|_| rows.is_empty())
    }

    /// The keys of an endpoint with their values, as YAML, with the flag that the row lacks to be one.
    pub fn endpoint(&self) -> Vec<String> {
        let flags = self.flags.union(self.lacking().unwrap_or_default());
        Row { flags, ..self.clone() }.keys()
    }

    /// The flag that says what an endpoint is for, where the row has none.
    fn lacking(&self) -> Option<Flags> {
        let usual = if self.port.is_some() { Flags::SIGNAL } else { Flags::SUBFLOW };
        (!self.flags.intersects(PURPOSES)).then_some(usual)
    }

    /// The keys that the row has, with their values, as YAML.
    pub fn keys(&self) -> Vec<String> {
        let address = self.address.map(|address| format!("address: {}", yaml_word(&address.to_string())));
        let port = self.port.map(|port| format!("port: {port}"));
        let dev = self.dev.as_ref().map(|dev| format!("dev: {}", yaml_word(dev)));
        let id = self.id.map(|id| format!("id: {id}"));
        let has_flags = self.flags != Flags::default();
        let flags = has_flags.then(|| format!("flags: [{}]", self.flags.words().join(", ")));
        [address, port, dev, id, flags].into_iter().flatten().collect()
    }

    /// What a declaration of it may be named after; nothing where it is an address alone.
    pub fn name(&self) -> String {
        self.dev.clone().unwrap_or_default()
    }

    /// Adds the words after the address; the first one that is none of a row is left.
    fn complete<'w>(mut self, words: &mut std::iter::Peekable<impl Iterator<Item = &'w str>>) -> Option<Row> {
        while let Some(word) = words.peek().copied() {
            match word {
                "id" | "dev" | "port" | "rawflags" => {
                    words.next();
                    let value = words.next()?;
                    match word {
                        "id" => self.id = Some(value.parse().ok()?).filter(|id| *id != 0),
                        "port" => self.port = Some(value.parse().ok()?),
                        "dev" => self.dev = Some(value.to_owned()),
                        _ => {}
                    }
                }
                "nobackup" | "nofullmesh" => {
                    words.next();
                }
                _ => match Flags::named(word) {
                    Some(Flags::IMPLICIT) => {
                        self.is_implicit = true;
                        words.next();
                    }
                    Some(flag) => {
                        self.flags = self.flags.union(flag);
                        words.next();
                    }
                    None => break,
                },
            }
        }
        Some(self)
    }
}

impl Commands {
    /// Reads commands of `ip mptcp`, and what its `show` prints; none where there is any other word.
    fn parse(text: &str) -> Option<Commands> {
        /// What stands around the objects, and says nothing of the state.
        const NOISE: [&str; 21] = [
            "sudo",
            "ip",
            "/sbin/ip",
            "/usr/sbin/ip",
            "-6",
            "-4",
            "netns",
            "mptcp",
            "endpoint",
            "endpoints",
            "limits",
            "limit",
            "add",
            "change",
            "replace",
            "set",
            "show",
            "flush",
            "&&",
            ";",
            "$",
        ];
        let text = text.replace(';', " ; ");
        let mut words = text.split_whitespace().peekable();
        let mut commands = Commands::default();
        while let Some(word) = words.next() {
            let address = word.split('/').next().and_then(|address| address.parse().ok());
            match word {
                _ if NOISE.contains(&word) => {}
                "-n" | "-netns" | "exec" => {
                    words.next();
                }
                "subflow" | "subflows" => commands.subflows = Some(words.next()?.parse().ok()?),
                "add_addr_accepted" => commands.add_addr_accepted = Some(words.next()?.parse().ok()?),
                "dev" if commands.rows.is_empty() => {
                    let row = Row { dev: Some(words.next()?.to_owned()), ..Row::default() };
                    commands.rows.push(row.complete(&mut words)?);
                }
                _ => {
                    let row = Row { address: Some(address?), ..Row::default() };
                    commands.rows.push(row.complete(&mut words)?);
                }
            }
        }
        commands.rows.retain(|row| !row.is_implicit);
        let is_empty =
            commands.rows.is_empty() && commands.subflows.is_none() && commands.add_addr_accepted.is_none();
        (!is_empty).then_some(commands)
    }

    /// The remedy: the configuration that means the same, or comes nearest, with comments where it does not.
    fn remedy(&self) -> String {
        let (mut kept, mut comments) = (Commands { rows: Vec::new(), ..*self }, Vec::new());
        for row in self.rows.iter().take(SHOWN_MAX) {
            let words = row.keys().join(", ");
            kept.rows.push(row.clone());
            if let Some(reason) = refusal(&kept.yaml()) {
                kept.rows.pop();
                comments.push(format!("# left out: {{{words}}}: {reason}"));
            } else if let Some(flag) = row.lacking() {
                comments.push(format!("# `{flag}` is added to {{{words}}}, which has no purpose without it"));
            }
        }
        let more = self.rows.len().saturating_sub(SHOWN_MAX);
        comments.extend((more > 0).then(|| format!("# left out: {more} more")));
        let is_empty = kept == Commands::default();
        let heading = match (is_empty, comments.is_empty()) {
            (true, _) => "none of it can be declared:",
            (false, true) => "this means the same:",
            (false, false) => "this comes nearest:",
        };
        let yaml = if is_empty { String::new() } else { kept.yaml() };
        format!("{heading}\n{yaml}{}", comments.join("\n")).trim_end().to_owned()
    }

    /// The configuration that says the same, whether it is valid or not.
    fn yaml(&self) -> String {
        let mut text = "version: 1\n".to_owned();
        let subflows = self.subflows.map(|number| format!("subflows: {number}"));
        let accepted = self.add_addr_accepted.map(|number| format!("add-addr-accepted: {number}"));
        let limits: Vec<String> = [subflows, accepted].into_iter().flatten().collect();
        if !limits.is_empty() {
            text += &format!("limits: {{{}}}\n", limits.join(", "));
        }
        text + &section("endpoints", self.rows.iter().map(|row| (row.name(), row.endpoint())))
    }
}

/// A section with these declarations, each with the word that it is named after, and its keys.
pub fn section(section: &str, declarations: impl Iterator<Item = (String, Vec<String>)>) -> String {
    let mut taken = BTreeSet::new();
    let mut text = String::new();
    for (number, (word, keys)) in declarations.take(SHOWN_MAX).enumerate() {
        let is_name = word.len() < NAME_MAX - 4 && Name::new(&word).is_some();
        let wanted = if is_name { word } else { "endpoint".to_owned() };
        let name = if taken.contains(&wanted) { format!("{wanted}-{}", number + 1) } else { wanted };
        text += &format!("  {}: {{{}}}\n", yaml_word(&name), keys.join(", "));
        taken.insert(name);
    }
    if text.is_empty() { text } else { format!("{section}:\n{text}") }
}

/// A file that is not YAML of ours as a whole, with its remedy; none where it is of no known program.
pub fn document(text: &str, source: SourceId) -> Option<Diagnostic> {
    let is_code = |line: &str| !line.is_empty() && !line.starts_with('#');
    let code: Vec<(usize, &str)> =
        lines(text).map(str::trim).enumerate().filter(|(_, line)| is_code(line)).collect();
    let (index, first) = *code.first()?;
    let (message, help) = if is_ini(&code) {
        let message = "this is an INI file, as NetworkManager and systemd-networkd have them";
        (message, format!("leave it there; {OWN_FILE}"))
    } else {
        let joined: Vec<&str> = code.iter().map(|(_, line)| line.trim_end_matches('\\')).collect();
        let commands = Commands::parse(&joined.join(" "))?;
        ("these are words of `ip mptcp`, not YAML", commands.remedy())
    };
    let span = Span::new(index + 1, 1, first.chars().count());
    Some(Diagnostic::error(code::TYPE, message).at(Location { source, span }, "").help(help))
}

/// Why a configuration would be refused.
fn refusal(text: &str) -> Option<String> {
    let mut diagnostics = Diagnostics::default();
    super::parse([text], &mut diagnostics);
    let mut errors = diagnostics.iter().filter(|found| found.severity == Severity::Error);
    errors.next().map(|error| error.message.clone())
}

/// `[section]` and `key=value`.
fn is_ini(code: &[(usize, &str)]) -> bool {
    let is_section = |line: &str| line.starts_with('[') && line.ends_with(']') && !line.contains([',', ':']);
    let is_entry = |line: &str| line.split_once('=').is_some_and(|(key, _)| !key.contains([':', '{']));
    matches!(code, [(_, first), (_, second), ..] if is_section(first) && (is_entry(second) || is_section(second)))
}

const OWN_FILE: &str = "what MPTCP does with addresses is declared in a file of its own: `version: 1`, and \
                        `endpoints: {NAME: {dev: INTERFACE, flags: [subflow]}}`";

/// The remedy for a file of netplan: endpoints for the interfaces below its `network`.
pub fn netplan(network: &Node) -> Option<String> {
    const KINDS: [&str; 6] = ["ethernets", "wifis", "modems", "bonds", "vlans", "bridges"];
    let Value::Mapping(entries) = &network.value else { return None };
    let mut names = Vec::new();
    for (kind, links) in entries {
        if let (true, Value::Mapping(links)) = (KINDS.contains(&kind.text.as_ref()), &links.value) {
            names.extend(links.iter().map(|(name, _)| name.text.as_ref()).filter(|name| *name != "lo"));
        }
    }
    if names.is_empty() {
        return Some(format!("leave it in /etc/netplan; {OWN_FILE}"));
    }
    let row = |name: &str| Row { dev: Some(name.to_owned()), ..Row::default() };
    let yaml = section("endpoints", names.into_iter().map(|name| (name.to_owned(), row(name).endpoint())));
    Some(format!(
        "leave it in /etc/netplan, and write in a file of its own:\nversion: 1\n{}",
        yaml.trim_end()
    ))
}
