//! Renders diagnostics as text: the message, `FILE:LINE:COLUMN`, the source line with a caret, and the remedy.

use std::cell::RefCell;
use std::rc::Rc;

use annotate_snippets::{Annotation, AnnotationKind, Level, Origin, Renderer, Snippet};

use crate::model::diagnostic::{Diagnostic, Label, Location, Severity, SourceId, lines};
use crate::model::{escaped, escaped_lines};
use crate::source::SourceFile;

use super::Style;

/// A longer line is cut to a window around the label; a file may be one line of a megabyte.
const LINE_MAX: usize = 400;
/// Labels that are more lines apart get snippets of their own.
const LINES_MAX: usize = 50;

/// Draws diagnostics about some sources.
pub struct Snippets<'a> {
    sources: &'a [SourceFile],
    lines: Vec<RefCell<Lines<'a>>>,
    renderer: Renderer,
}

/// The lines of a source, as far as they were asked for: many findings of one kind are shown by the first of them.
struct Lines<'a> {
    found: Vec<Line<'a>>,
    others: Box<dyn Iterator<Item = &'a str> + 'a>,
}

/// A line of a source.
#[derive(Clone)]
struct Line<'a> {
    text: &'a str,
    /// Where each character begins. Only a long line has it: a thousand findings on one line of a megabyte would
    /// otherwise each count its characters from the start.
    starts: Option<Rc<[usize]>>,
}

impl<'a> Snippets<'a> {
    /// For diagnostics with locations in `sources`. On a screen that is too narrow for a source line, both of its ends are
    /// left out, so that the marks stay below what they mark.
    pub fn new(sources: &'a [SourceFile], style: Style, screen: Option<usize>) -> Snippets<'a> {
        let renderer = match style {
            Style::Plain => Renderer::plain(),
            Style::Coloured => Renderer::styled(),
        };
        let renderer = screen.map_or(renderer.clone(), |columns| renderer.term_width(columns));
        let lines = sources
            .iter()
            .map(|source| RefCell::new(Lines { found: Vec::new(), others: Box::new(lines(&source.text)) }));
        Snippets { sources, lines: lines.collect(), renderer }
    }

    /// One diagnostic, without a line end after it.
    pub fn render(&self, diagnostic: &Diagnostic) -> String {
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
            Severity::Note => Level::NOTE,
        };
        let mut group = level.primary_title(escaped(&diagnostic.message)).elements(None::<Origin>);
        let mut moved = Vec::new();
        if let Some((first, others)) = diagnostic.labels.split_first() {
            let (near, far): (Vec<_>, Vec<_>) = others.iter().partition(|other| self.is_near(first, other));
            group = group.element(self.snippet(first, AnnotationKind::Primary, &near, &mut moved));
            for label in far {
                group = group.element(self.snippet(label, AnnotationKind::Context, &[], &mut moved));
            }
        }
        if let Some(help) = &diagnostic.help {
            group = group.element(Level::HELP.message(escaped_lines(help)));
        }
        let text = self.renderer.render(&[group]);
        moved.iter().fold(text, |text, Moved { wrong, right }| text.replace(wrong, right))
    }

    /// Whether a label fits into the snippet of the first one.
    fn is_near(&self, first: &Label, other: &Label) -> bool {
        let (first, other) = (first.location, other.location);
        let (from, to) = (first.span.line().min(other.span.line()), first.span.line().max(other.span.line()));
        first.source == other.source
            && if from == to {
                let start = self.line(first.source, from).window_start(first.span.column() - 1);
                (start..=start + LINE_MAX).contains(&(other.span.column() - 1))
            } else {
                to - from < LINES_MAX && (from..=to).all(|number| self.line(first.source, number).is_short())
            }
    }

    /// The lines of one label and of those near it.
    fn snippet<'s>(
        &'s self,
        label: &'s Label,
        kind: AnnotationKind,
        near: &[&'s Label],
        moved: &mut Vec<Moved>,
    ) -> Snippet<'s, Annotation<'s>> {
        let Location { source, span } = label.location;
        let lines = near.iter().map(|near| near.location.span.line());
        let (first, last) = lines.fold((span.line(), span.line()), |(min, max), n| (min.min(n), max.max(n)));
        let from = self.line(source, span.line()).window_start(span.column() - 1);
        let shown: Vec<&str> = (first..=last).map(|number| self.line(source, number).window(from)).collect();
        let annotation = |label: &'s Label, kind: AnnotationKind| {
            let span = label.location.span;
            let (line, column, length) = (span.line(), span.column(), span.length());
            let (above, line) = (&shown[..line - first], shown[line - first]);
            let above: usize = above.iter().map(|line| line.len() + 1).sum();
            let (at, end) = (column - 1 - from, (column - 1 - from).saturating_add(length.max(1)));
            let text = (!label.text.is_empty()).then(|| escaped(&label.text));
            kind.span(above + byte_of(line, at)..above + byte_of(line, end)).label(text)
        };
        let snippet = Snippet::source(shown.join("\n"))
            .line_start(first)
            .annotation(annotation(label, kind))
            .annotations(near.iter().map(|near| annotation(near, AnnotationKind::Context)));
        let name = escaped(&self.sources[source.index()].name);
        if from == 0 {
            return snippet.path(name);
        }
        let right = format!("{name}:{}:{}", span.line(), span.column());
        let column = shown[0].chars().count().min(span.column() - 1 - from) + 1;
        moved.push(Moved { wrong: format!("{right}:{}:{column}", span.line()), right: right.clone() });
        snippet.path(right)
    }

    /// The line of that number, an empty one after the last one, for an error at the end of the text.
    fn line(&self, source: SourceId, number: usize) -> Line<'a> {
        let Lines { found, others } = &mut *self.lines[source.index()].borrow_mut();
        found.extend(others.take(number.saturating_sub(found.len())).map(Line::new));
        found.get(number - 1).cloned().unwrap_or_else(|| Line::new(""))
    }
}

/// The header of a line that is shown in part. The renderer counts columns from the start of that part, so it gets the
/// right location as part of the path, and the location that it adds is removed.
struct Moved {
    wrong: String,
    right: String,
}

impl<'a> Line<'a> {
    fn new(text: &'a str) -> Line<'a> {
        let starts = (text.len() > LINE_MAX).then(|| text.char_indices().map(|(byte, _)| byte).collect());
        Line { text, starts }
    }

    fn is_short(&self) -> bool {
        self.byte_of(LINE_MAX) == self.text.len()
    }

    /// The first character of the stretch that is shown around another one: all of a line that is short.
    fn window_start(&self, at: usize) -> usize {
        if self.is_short() { 0 } else { at.saturating_sub(LINE_MAX / 2) }
    }

    /// The stretch that begins with that character.
    fn window(&self, from: usize) -> &'a str {
        &self.text[self.byte_of(from)..self.byte_of(from.saturating_add(LINE_MAX))]
    }

    fn byte_of(&self, character: usize) -> usize {
        match &self.starts {
            Some(starts) => starts.get(character).copied().unwrap_or(self.text.len()),
            None => byte_of(self.text, character),
        }
    }
}

/// Where the character of that number begins, or the end of the text.
fn byte_of(text: &str, character: usize) -> usize {
    text.char_indices().nth(character).map_or(text.len(), |(byte, _)| byte)
}
