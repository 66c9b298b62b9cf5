//! Outcomes to text for people and to JSON for programs. Pure: the bytes are made here and written by `command`.

pub mod doctor;
pub mod json_v1;
pub mod show;
pub mod snippet;
pub mod text;
mod words;
pub mod yaml;

use crate::model::Event;

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
