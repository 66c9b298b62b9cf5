//! Reads the YAML that most configurations are written in: words, quoted or not, in block mappings and lists, and in flow
//! collections that end on their line. Anything else, errors included, is left to the whole parser.
//!
//! It takes a tenth of the parser's instructions, a quarter of its memory, and copies nothing. Where it reads a text at
//! all, it gives the same tree, which a test compares on all samples and on damaged ones.

#[cfg(test)]
mod tests;

use crate::model::diagnostic::{Location, SourceId, Span};

use super::node::{Key, Node, Scalar, Value};
use super::syntax::DEPTH_MAX;

/// The tree of a text, if all of it is of the usual form.
pub fn parse(text: &str, source: SourceId) -> Option<Node<'_>> {
    let mut reader =
        Reader { text, at: 0, line: 1, start: 0, source, entries: Vec::new(), items: Vec::new() };
    let mut indent = reader.next_line()?;
    if indent == Some(0) && text[reader.at..].starts_with("---\n") {
        reader.at += "---".len();
        indent = reader.next_line()?;
    }
    let location = reader.location(reader.at, 0);
    let value = reader.block_mapping(indent?, 0)?;
    (reader.at == text.len()).then_some(Node { location, value })
}

/// A place in the text. What a method returns is none where the text is of another form.
struct Reader<'t> {
    text: &'t str,
    /// The byte that is next.
    at: usize,
    line: usize,
    /// The first byte of the line. Only ASCII stands between it and the place, so columns are bytes.
    start: usize,
    source: SourceId,
    /// The entries of the mappings, and the items of the lists, that are not complete yet.
    entries: Vec<(Key<'t>, Node<'t>)>,
    items: Vec<Node<'t>>,
}

/// What a word ends at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    Block,
    Flow,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn is_next(&self, byte: u8) -> bool {
        self.peek() == Some(byte)
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        self.is_next(byte).then(|| self.at += 1)
    }

    fn blanks(&mut self) {
        while self.is_next(b' ') {
            self.at += 1;
        }
    }

    /// From a byte of this line to the place.
    fn location(&self, from: usize, length: usize) -> Location {
        let span = Span::new(self.line, from - self.start + 1, length);
        Location { source: self.source, span }
    }

    /// Blanks, and a comment after them, up to the end of the line.
    fn blanks_and_comment(&mut self) -> Option<()> {
        let from = self.at;
        self.blanks();
        if self.is_next(b'#') && (self.at > from || self.at == self.start) {
            // The first byte of a byte order mark, which is an error even here, is 0xef.
            while let Some(byte) = self.peek().filter(|byte| *byte != b'\n') {
                if byte < b' ' && byte != b'\t' || byte == 0xef {
                    return None;
                }
                self.at += 1;
            }
        }
        Some(())
    }

    /// Ends a line, and goes to the first word of the next one that has any: its column from 0, none at the end of the text.
    fn next_line(&mut self) -> Option<Option<usize>> {
        loop {
            self.blanks_and_comment()?;
            match self.peek() {
                None => return Some(None),
                Some(b'\n') => {
                    self.at += 1;
                    (self.line, self.start) = (self.line + 1, self.at);
                }
                Some(_) => return Some(Some(self.at - self.start)),
            }
        }
    }

    /// The same where the line has to end here.
    fn end_line(&mut self) -> Option<Option<usize>> {
        self.blanks_and_comment()?;
        self.peek().is_none_or(|byte| byte == b'\n').then(|| self.next_line())?
    }

    /// A mapping whose first key is next. Afterwards the place is at the next line that is indented less.
    fn block_mapping(&mut self, indent: usize, depth: usize) -> Option<Value<'t>> {
        let first = self.entries.len();
        let mut column = Some(indent);
        while column == Some(indent) && depth < DEPTH_MAX {
            let key = self.key()?;
            let (node, next) = self.block_value(indent, depth + 1)?;
            self.entries.push((key, node));
            column = next;
        }
        (column.is_none_or(|column| column < indent)).then(|| self.mapping(first))?
    }

    /// The value of a key that stands at that column, and the column of the line after it.
    fn block_value(&mut self, indent: usize, depth: usize) -> Option<(Node<'t>, Option<usize>)> {
        self.blanks();
        if !matches!(self.peek(), None | Some(b'\n' | b'#')) {
            let node = self.node(Within::Block, depth)?;
            return Some((node, self.end_line()?));
        }
        let column = self.end_line()??;
        let (node, next) = if self.text[self.at..].starts_with("- ") && column >= indent {
            self.block_sequence(column, indent, depth)?
        } else if column > indent {
            let location = self.location(self.at, 0);
            let value = self.block_mapping(column, depth)?;
            (Node { location, value }, self.peek().map(|_| self.at - self.start))
        } else {
            return None;
        };
        Some((node, next))
    }

    /// A list of words whose first dash is next.
    fn block_sequence(
        &mut self,
        dash: usize,
        indent: usize,
        depth: usize,
    ) -> Option<(Node<'t>, Option<usize>)> {
        let first = self.items.len();
        let mut from = self.at;
        // The parser has a list that is not indented begin at its first word.
        if dash == indent {
            from += self.text[from + 1..].find(|c| c != ' ')? + 1;
        }
        let (line, mut column) = (self.line, Some(dash));
        let start = from - self.start + 1;
        while column == Some(dash) && self.is_next(b'-') && depth < DEPTH_MAX {
            self.at += 1;
            self.take(b' ')?;
            self.blanks();
            let item = self.node(Within::Block, depth + 1)?;
            self.items.push(item);
            column = self.end_line()?;
        }
        let is_over = column.is_none_or(|column| column < dash || column == dash && dash == indent);
        let location = Location { source: self.source, span: Span::new(line, start, self.counted(from)) };
        let value = Value::Sequence(self.items.split_off(first));
        (is_over && depth < DEPTH_MAX).then_some((Node { location, value }, column))
    }

    /// A value on one line.
    fn node(&mut self, within: Within, depth: usize) -> Option<Node<'t>> {
        let from = self.at;
        let (value, length) = match self.peek()? {
            b'[' => (self.flow_sequence(depth)?, self.counted(from)),
            b'{' => {
                self.at += 1;
                self.blanks();
                let length = self.at - from;
                (self.flow_mapping(depth)?, length)
            }
            quote @ (b'"' | b'\'') => (self.quoted(quote)?, self.counted(from)),
            _ => {
                let text = self.word(within)?;
                (Value::Scalar(Scalar { text: text.into(), plain: true }), text.len())
            }
        };
        Some(Node { location: self.location(from, length), value })
    }

    /// The characters from there to the place.
    fn counted(&self, from: usize) -> usize {
        let text = &self.text[from..self.at];
        // Most is ASCII, which need not be counted one by one.
        if text.is_ascii() { text.len() } else { text.chars().count() }
    }

    fn flow_sequence(&mut self, depth: usize) -> Option<Value<'t>> {
        let first = self.items.len();
        self.take(b'[').filter(|()| depth < DEPTH_MAX)?;
        self.blanks();
        while !self.is_next(b']') {
            let item = self.node(Within::Flow, depth + 1)?;
            self.items.push(item);
            self.separator(b']')?;
        }
        self.at += 1;
        // To the parser, all up to the next word belongs to the bracket.
        self.blanks_and_comment()?;
        Some(Value::Sequence(self.items.split_off(first)))
    }

    /// A mapping whose brace was read.
    fn flow_mapping(&mut self, depth: usize) -> Option<Value<'t>> {
        let first = self.entries.len();
        while !self.is_next(b'}') && depth < DEPTH_MAX {
            let key = self.key()?;
            self.take(b' ')?;
            self.blanks();
            let node = self.node(Within::Flow, depth + 1)?;
            self.entries.push((key, node));
            self.separator(b'}')?;
        }
        self.take(b'}').filter(|()| depth < DEPTH_MAX)?;
        self.blanks_and_comment()?;
        self.mapping(first)
    }

    fn separator(&mut self, end: u8) -> Option<()> {
        self.blanks();
        if !self.is_next(end) {
            self.take(b',')?;
            self.blanks();
        }
        Some(())
    }

    /// A key of letters and digits, and its colon.
    fn key(&mut self) -> Option<Key<'t>> {
        let from = self.at;
        let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        while self.peek().is_some_and(is_usual) {
            self.at += 1;
        }
        let text = &self.text[from..self.at];
        let location = self.location(from, text.len());
        self.take(b':')?;
        let is_first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        let is_key = matches!(self.peek(), None | Some(b' ' | b'\n'));
        (text.len() <= KEY_MAX && is_first && is_key).then_some(Key {
            location,
            text: text.into(),
            refused: false,
        })
    }

    /// A text in quotes without escapes.
    fn quoted(&mut self, quote: u8) -> Option<Value<'t>> {
        self.at += 1;
        let from = self.at;
        while self.peek().is_some_and(|byte| byte != quote && is_printable(byte) && byte != b'\\') {
            self.at += 1;
        }
        let text = &self.text[from..self.at];
        self.take(quote)?;
        self.blanks_and_comment()?;
        let is_over = matches!(self.peek(), None | Some(b'\n' | b',' | b']' | b'}'));
        is_over.then_some(Value::Scalar(Scalar { text: text.into(), plain: false }))
    }

    /// A text without quotes.
    fn word(&mut self, within: Within) -> Option<&'t str> {
        let from = self.at;
        self.peek().filter(|first| first.is_ascii_alphanumeric() || b"./_".contains(first))?;
        while let Some(byte) = self.peek().filter(|byte| *byte != b'\n') {
            let next = self.text.as_bytes().get(self.at + 1);
            match byte {
                // Most are, and are none of the others.
                _ if byte.is_ascii_alphanumeric() => self.at += 1,
                b',' | b'[' | b']' | b'{' | b'}' if within == Within::Flow => break,
                b'#' if self.text.as_bytes()[self.at - 1] == b' ' => break,
                b'-' if within == Within::Flow && next.is_some_and(|next| b",[]{}".contains(next)) => {
                    return None;
                }
                b':' if next.is_none_or(|next| b" \n,[]{}".contains(next)) => return None,
                _ if !is_printable(byte) => return None,
                _ => self.at += 1,
            }
        }
        let text = self.text[from..self.at].trim_end_matches(' ');
        self.at = from + text.len();
        Some(text)
    }

    /// The mapping of the entries from there on, if no key is there twice.
    fn mapping(&mut self, first: usize) -> Option<Value<'t>> {
        let entries = self.entries.split_off(first);
        let keys = entries.iter().map(|(key, _)| key.text.as_ref());
        let is_twice = if entries.len() <= FEW_KEYS {
            keys.clone().enumerate().any(|(index, key)| keys.clone().take(index).any(|other| other == key))
        } else {
            let mut sorted: Vec<&str> = keys.collect();
            // By length first: names that end with a number, as thousands do, are mostly in that order, which is ten times as
            // fast.
            sorted.sort_unstable_by_key(|key| (key.len(), *key));
            sorted.windows(2).any(|pair| pair[0] == pair[1])
        };
        (!is_twice).then_some(Value::Mapping(entries))
    }
}

/// The longest key, in bytes. The parser takes longer ones, up to 1,024 characters.
const KEY_MAX: usize = 128;

/// Up to as many keys are compared one by one, which is faster.
const FEW_KEYS: usize = 8;

/// Neither a control character nor beyond ASCII.
fn is_printable(byte: u8) -> bool {
    (b' '..=b'~').contains(&byte)
}
