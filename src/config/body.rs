//! What the kinds of declarations have in common: names with bodies, which are decoded, merged and counted alike.

use std::fmt;

use crate::model::code::Code;

use super::decode::Decoder;
use super::habits::Habit;
use super::node::Node;
use super::written::Entry;

/// The words for one kind of declaration.
pub struct DeclarationKind {
    /// One of them: `endpoint`.
    pub word: &'static str,
    /// The key of all of them: `endpoints`.
    pub section: &'static str,
    /// The key that names what a declaration is about, for samples.
    pub subject: &'static str,
    /// What to write in place of a section without a value.
    pub empty_help: &'static str,
    /// The code of the error that too many are declared, and what to do instead.
    pub too_many: (Code, &'static str),
    /// Keys that people bring from other programs, or from another section, each with its remedy.
    pub foreign_keys: &'static [Habit],
}

/// A value of one file over that of an earlier one: it replaces it, unless it is a mapping.
pub trait Overlay: Sized {
    /// Both values together.
    fn over(self, _earlier: Self) -> Self {
        self
    }
}

/// The keys of one declaration in one file; another file may have the rest.
pub trait Body: Clone + fmt::Debug + Default {
    /// Its kind.
    const KIND: DeclarationKind;
    /// Its keys.
    const KEYS: &'static [&'static str];

    /// Decodes the value of one of [`Body::KEYS`].
    fn decode(&mut self, key: &str, node: &Node, decoder: &mut Decoder<'_>);

    /// Takes the values of a later file in place of its own.
    fn overlay(&mut self, later: Self);

    /// Keys that are absent here only because their values were wrong.
    fn invalid(&mut self) -> &mut Vec<&'static str>;

    /// The keys that are written, with their values.
    fn entries(&self) -> Vec<Entry>;
}

/// Defines a [`Body`] by the table of its keys: the key, the field, its type, and the function that decodes it. A new key
/// is a row here and the file of its type.
macro_rules! body {
    (
        $(#[$attribute:meta])* $name:ident = $kind:expr;
        $($key:literal => $field:ident: $type:ty = $decode:path;)*
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Debug, Default)]
        pub struct $name {
            $(#[doc = concat!("`", $key, "`")] pub $field: Option<Located<$type>>,)*
            /// Keys that are absent here only because their values were wrong.
            pub invalid: Vec<&'static str>,
        }

        impl $name {
            /// Whether the value of this key was wrong, so that its absence has no meaning.
            pub fn has_invalid(&self, key: &str) -> bool {
                self.invalid.contains(&key)
            }
        }

        impl Body for $name {
            const KIND: DeclarationKind = $kind;
            const KEYS: &'static [&'static str] = &[$($key),*];

            fn decode(&mut self, key: &str, node: &Node, decoder: &mut Decoder<'_>) {
                match key {
                    $($key => self.$field = $decode(decoder, node),)*
                    _ => {}
                }
            }

            fn overlay(&mut self, later: Self) {
                $(self.$field = match (later.$field, self.$field.take()) {
                    (Some(later), Some(earlier)) => {
                        let Located { value, location } = later;
                        Some(Located { value: value.over(earlier.value), location })
                    }
                    (later, earlier) => later.or(earlier),
                };)*
                self.invalid.extend(later.invalid);
            }

            fn invalid(&mut self) -> &mut Vec<&'static str> {
                &mut self.invalid
            }

            fn entries(&self) -> Vec<Entry> {
                let mut entries = Vec::new();
                $(entries.extend(self.$field.as_ref().map(|value| Entry::of($key, value)));)*
                entries
            }
        }
    };
}

pub(super) use body;
