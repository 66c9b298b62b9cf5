//! Messages for errors of the YAML parser: what is wrong, at the location where a reader sees it, and what to do.

use crate::model::code::{self, Code};
use crate::model::diagnostic::{Diagnostic, Location, Span, lines};

/// The deepest nesting of mappings and sequences.
pub const DEPTH_MAX: usize = 16;

/// The message for an alias, also when its anchor is unknown.
pub const ALIAS: &str = "YAML aliases are not allowed";
/// Its remedy.
pub const ALIAS_HELP: &str = "write the value out, or quote a word that starts with `*`";
/// The message for an anchor, also when it has no name.
pub const ANCHOR: &str = "YAML anchors are not allowed";
/// Its remedy.
pub const ANCHOR_HELP: &str =
    "write the value out wherever it is needed, or quote a word that starts with `&`";
/// The remedy for deep nesting.
pub const DEPTH_HELP: &str = "a configuration needs at most four levels";

/// The message for deep nesting, which `yaml` or the parser finds; the parser has a limit of its own.
pub fn depth_message() -> String {
    format!("nested deeper than {DEPTH_MAX} levels")
}

/// A part of the parser's message, our message, and the remedy. The first row that matches is used.
const TABLE: [(&str, &str, &str); 20] = [
    ("valid YAML whitespace", TAB, TAB_HELP),
    ("tabs disallowed", TAB, TAB_HELP),
    ("tab cannot be used", TAB, TAB_HELP),
    ("a tab", TAB, TAB_HELP),
    ("unprintable character", "control characters are not allowed", "remove it"),
    ("byte order mark", "a byte order mark inside the file", "remove it; it is invisible in most editors"),
    ("unexpected end of stream", QUOTE, QUOTE_HELP),
    ("indentation in quoted scalar", QUOTE, QUOTE_HELP),
    (
        "trailing content after",
        "text after the closing quote",
        "put all of it between the quotes; write `\\\"` for a quote in the text",
    ),
    ("did not find expected hexadecimal number", ESCAPE, ESCAPE_HELP),
    ("invalid Unicode character escape code", ESCAPE, ESCAPE_HELP),
    (
        "block mapping, did not find expected key",
        "the indentation matches no mapping above",
        "indent all keys of a mapping by the same amount",
    ),
    ("expected ',' or '}'", "expected `,` or `}`", "close the mapping with `}`, or quote this text"),
    ("expected ',' or ']'", "expected `,` or `]`", "close the list with `]`, or quote this text"),
    (
        "indentation in flow construct",
        "a `{` or `[` above is not closed",
        "close it, or indent this line more than the line that opens it",
    ),
    ("misplaced bracket", "a closing bracket without an opening one", "remove it, or write the opening one"),
    (
        "comments must be separated",
        "a comment needs a space before its `#`",
        "add a space, or quote the text with the `#`",
    ),
    ("<document start>", "expected a line `---` after a `%` directive", "leave the directive out"),
    ("tag", "YAML tags are not allowed", "quote a word that starts with `!`"),
    (
        "sequence entries are not allowed",
        "a list cannot start here",
        "start it on a line of its own, or write `[a, b]`",
    ),
];
const TAB: &str = "a tab where YAML allows only spaces";
const TAB_HELP: &str = "use spaces";
const QUOTE: &str = "the quote that opens here is not closed";
const QUOTE_HELP: &str = "close it, or indent the lines that continue the text";
const ESCAPE: &str = "an escape sequence for a character that does not exist";
const ESCAPE_HELP: &str = "write `\\\\` for a backslash, or use single quotes";

/// Converts an error of the parser to a diagnostic.
pub fn error(info: &str, text: &str, mut location: Location) -> Diagnostic {
    let span = location.span;
    let mut range = Range { line: span.line(), column: span.column(), length: span.length() };
    let (code, message, help) = explain(info, text, &mut range);
    // In lines of directives, the parser counts bytes instead of characters.
    let end = line(text, range.line).chars().count() + 1;
    location.span = Span::new(range.line, range.column.min(end), range.length);
    Diagnostic::error(code, message).at(location, "").help(help)
}

/// The range of an error, while it is moved; as in [`Span`].
struct Range {
    line: usize,
    column: usize,
    length: usize,
}

/// Code, message and remedy; moves the span to where a reader sees the error.
fn explain(info: &str, text: &str, span: &mut Range) -> (Code, String, String) {
    let line = line(text, span.line);
    let before: String = line.chars().take(span.column - 1).collect();
    let here = line.chars().nth(span.column - 1);
    let syntax =
        |message: &str, help: &str| (code::YAML_SYNTAX, format!("invalid YAML: {message}"), help.to_owned());
    if info.contains("recursion limit") {
        return (code::YAML_DEPTH, depth_message(), DEPTH_HELP.to_owned());
    }
    if info.contains("anchor") {
        span.length = line.chars().skip(span.column - 1).take_while(|c| !c.is_whitespace()).count();
        return match here {
            Some('*') => (code::YAML_ALIAS, ALIAS.to_owned(), ALIAS_HELP.to_owned()),
            _ => (code::YAML_ANCHOR, ANCHOR.to_owned(), ANCHOR_HELP.to_owned()),
        };
    }
    if let Some(character) = here.filter(|_| info.starts_with("unexpected character")) {
        let character = if character == '`' {
            "a backquote".to_owned()
        } else {
            format!("`{}`", character.escape_debug())
        };
        return syntax(&format!("a word without quotes cannot start with {character}"), "quote it");
    }
    if info.contains("unknown escape") {
        let escape = to_escape(line, span);
        return syntax(&format!("unknown escape sequence{escape}"), ESCAPE_HELP);
    }
    if here == Some(':') && before.ends_with(':') {
        return syntax(
            "a word without quotes cannot end with `:`",
            "quote an IPv6 address that ends with `::`",
        );
    }
    if info.contains("simple key expect") || info.contains("mapping values are not allowed") {
        let (message, help) = colon(text, span, &before);
        return syntax(message, help);
    }
    if line.trim().is_empty() {
        let (number, above) = line_above(text, span.line);
        (span.line, span.column) = (number, above.trim_end().chars().count().max(1));
    }
    match TABLE.iter().find(|(part, ..)| info.contains(part)) {
        Some((_, message, help)) => {
            if *message == TAB {
                // The parser has already passed it.
                span.column = before.chars().position(|c| c == '\t').map_or(span.column, |at| at + 1);
            }
            syntax(message, help)
        }
        None => syntax(info, "check indentation, colons and quotes on this line and the one above"),
    }
}

/// A colon too many, or one too few above: the parser reads lines without `: ` as one long word and fails later.
fn colon(text: &str, span: &mut Range, before: &str) -> (&'static str, &'static str) {
    const KEY_MAX: usize = 1024;
    if before.contains(": ") {
        return ("a second `: ` on one line", "quote a value that contains a colon");
    }
    if before.chars().count() > KEY_MAX {
        return ("a key has more than 1024 characters", "shorten it");
    }
    let (number, above) = line_above(text, span.line);
    let indent = above.chars().take_while(|c| c.is_whitespace()).count();
    *span = Range { line: number, column: indent + 1, length: above.trim().chars().count() };
    ("expected `key: value`", "write a space after the colon; quote a text of several lines")
}

/// The unknown escape sequence after the span; moves the span to it.
fn to_escape(line: &str, span: &mut Range) -> String {
    const KNOWN: &str = "0abt\tnvfre \"/\\N_LPxuU";
    let mut characters = line.chars().enumerate().skip(span.column - 1);
    while let Some((index, character)) = characters.next() {
        let Some((_, escaped)) = characters.next().filter(|_| character == '\\') else { continue };
        if !KNOWN.contains(escaped) {
            (span.column, span.length) = (index + 1, 2);
            return format!(" `\\{}`", escaped.escape_debug());
        }
    }
    String::new()
}

fn line(text: &str, number: usize) -> &str {
    lines(text).nth(number - 1).unwrap_or_default()
}

/// The last line before that number that is neither blank nor a comment, with its number.
fn line_above(text: &str, number: usize) -> (usize, &str) {
    let says_something = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let above = lines(text).enumerate().take(number - 1).filter(|(_, line)| says_something(line)).last();
    above.map_or((number, ""), |(index, line)| (index + 1, line))
}
