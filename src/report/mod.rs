//! Outcomes to text for people and to JSON for programs. Pure: the bytes are made here and written by `command`.

pub mod doctor;
pub mod json_v1;
mod names;
mod probe;
pub mod show;
pub mod snippet;
#[cfg(test)]
mod tests;
pub mod text;
pub mod yaml;

use crate::config::LoadedConfig;
use crate::model::Event;
use crate::source::SourceFile;

/// Whether colours are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Only the text.
    Plain,
    /// With ANSI escapes.
    Coloured,
}

/// What a colour says is said in words too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// Something comes.
    Green,
    /// Something changes.
    Yellow,
    /// Something goes.
    Red,
}

impl Style {
    /// The words in that colour, if colours are written.
    pub fn paint(self, colour: Colour, words: &str) -> String {
        let number = match colour {
            Colour::Green => 32,
            Colour::Yellow => 33,
            Colour::Red => 31,
        };
        match self {
            Style::Plain => words.to_owned(),
            Style::Coloured => format!("\x1b[{number}m{words}\x1b[0m"),
        }
    }
}

/// The columns of a page.
const WIDTH: usize = 80;

/// The words in lines that fit on a page beside an indentation; one that is longer has a line of its own.
fn wrap(words: &str, indent: usize) -> Vec<String> {
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

/// What a report is about.
#[derive(Clone, Copy)]
pub struct About<'a> {
    /// The configuration; none where a trial is put back.
    pub loaded: Option<&'a LoadedConfig>,
    /// The network namespace, if it was named.
    pub netns: Option<&'a str>,
    /// Why a watch made the pass.
    pub trigger: Option<&'static str>,
}

impl<'a> About<'a> {
    /// The files that locations are in.
    pub fn sources(&self) -> &'a [SourceFile] {
        self.loaded.map_or(&[], |loaded| &loaded.sources)
    }
}

/// An event, and what is known of it beside.
#[derive(Clone, Copy, Debug)]
pub struct ToldEvent<'a> {
    /// The name of its network namespace; none for the one in which the program was started.
    pub netns: Option<&'a str>,
    /// The event.
    pub event: &'a Event,
    /// The name of the endpoint at this end.
    pub endpoint: Option<&'a str>,
}
