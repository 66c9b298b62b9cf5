//! Outcomes to text for people and to JSON for programs. Pure: the bytes are made here and written by `command`.

pub mod json_v1;
pub mod show;
pub mod snippet;
pub mod text;
pub mod yaml;

/// Whether colours are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Only the text.
    Plain,
    /// With ANSI escapes.
    Coloured,
}
