//! Renders results as text for people and as JSON for programs. Pure: `command` writes the text.

pub mod alike;
pub mod bug_report;
pub mod doctor;
pub mod history;
pub mod init;
pub mod json_v1;
pub mod merged;
mod names;
mod probe;
pub mod show;
pub mod snippet;
pub mod status;
mod table;
#[cfg(test)]
mod tests;
pub mod text;
pub mod time;
pub mod yaml;

use crate::config::LoadedConfig;
use crate::model::{Event, Moment, UplinkStatus};
use crate::source::SourceFile;

/// Whether the text is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without escape sequences.
    Plain,
    /// With ANSI escape sequences.
    Coloured,
}

/// The meaning of a colour, which the words always give too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// Something is added or established.
    Green,
    /// Something changes.
    Yellow,
    /// Something is removed or fails.
    Red,
    /// An interface, as `ip -c` paints it.
    Interface,
    /// An IPv4 address, as `ip -c` paints it.
    Ipv4,
    /// An IPv6 address, as `ip -c` paints it.
    Ipv6,
}

impl Style {
    /// The words in that colour, if the style has colours.
    pub fn paint(self, colour: Colour, words: &str) -> String {
        let number = match colour {
            Colour::Green => 32,
            Colour::Yellow => 33,
            Colour::Red => 31,
            Colour::Interface => 36,
            Colour::Ipv4 => 35,
            Colour::Ipv6 => 34,
        };
        match self {
            Style::Plain => words.to_owned(),
            Style::Coloured => format!("\x1b[{number}m{words}\x1b[0m"),
        }
    }
}

/// The width of a page in columns.
const WIDTH: usize = 80;

/// Breaks words into lines that fit on a page behind an indentation. A longer word has a line of its own.
pub fn wrap(words: &str, indent: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH.saturating_sub(indent) => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The text with lines that a screen is too narrow for broken between words, as a terminal would not do it. What follows
/// is indented.
pub fn folded(text: String, screen: Option<usize>) -> String {
    const INDENT: usize = 4;
    let Some(screen) = screen else { return text };
    let (mut folded, mut at) = (String::new(), 0);
    for word in text.split_inclusive([' ', '\n']) {
        let (end, width) = (shown_width(word.trim_end()), shown_width(word));
        if end > 0 && at > INDENT && at + end > screen {
            folded.truncate(folded.trim_end().len());
            folded += &format!("\n{:INDENT$}", "");
            at = INDENT;
        }
        folded += word;
        at = if word.ends_with('\n') { 0 } else { at + width };
    }
    folded
}

/// How many columns a text takes, of which escape sequences for colours take none.
fn shown_width(text: &str) -> usize {
    let mut parts = text.split('\x1b');
    let plain = parts.next().map_or(0, |part| part.chars().count());
    parts.fold(plain, |width, part| width + part.split_once('m').map_or(0, |(_, rest)| rest.chars().count()))
}

/// The configuration, namespace and cause of a reported pass.
#[derive(Clone, Copy)]
pub struct ReportContext<'a> {
    /// The configuration; none if a trial is put back.
    pub loaded: Option<&'a LoadedConfig>,
    /// The network namespace, if `--netns` named it.
    pub netns: Option<&'a str>,
    /// Why a watch made the pass.
    pub cause: Option<PassCause<'a>>,
    /// What the checks of a watch have found out.
    pub checks: &'a [UplinkStatus],
}

/// Why a watch made a pass.
#[derive(Clone, Copy, Debug)]
pub struct PassCause<'a> {
    /// A word for programs.
    pub trigger: &'static str,
    /// What happened, in words.
    pub words: &'a str,
    /// The line above the text.
    pub heading: &'a str,
}

impl<'a> ReportContext<'a> {
    /// The files of locations.
    pub fn sources(&self) -> &'a [SourceFile] {
        self.loaded.map_or(&[], |loaded| &loaded.sources)
    }
}

/// An event, with its time and the names of its namespace and endpoint.
#[derive(Clone, Copy, Debug)]
pub struct EventLine<'a> {
    /// When it was received.
    pub time: Moment,
    /// The name of its network namespace; none for the one in which the program was started.
    pub netns: Option<&'a str>,
    /// What the kernel sent.
    pub event: &'a Event,
    /// The name of the endpoint at the local end.
    pub endpoint: Option<&'a str>,
}
