//! Diagnostics as text: the message, `FILE:LINE:COLUMN`, the source line with a caret, and the remedy.

use std::cell::OnceCell;

use annotate_snippets::{Annotation, AnnotationKind, Level, Origin, Renderer, Snippet};

use crate::model::diagnostic::{Diagnostic, Label, Severity, lines};
use crate::source::Source;

use super::Style;

/// A longer line is cut to a stretch around the place; a file may be one line of a megabyte.
const LINE_MAX: usize = 400;

/// Draws diagnostics about some sources.
pub struct Snippets<'a> {
    sources: &'a [Source],
    lines: Vec<OnceCell<Vec<Line<'a>>>>,
    /// The line behind the last one, where a text that ends too early is wrong.
    beyond: Line<'a>,
    renderer: Renderer,
}

/// A line of a source.
struct Line<'a> {
    text: &'a str,
    /// Where each character begins. Only a long line has it: a thousand findings on one line of a megabyte would
    /// otherwise each count its characters from the start.
    starts: OnceCell<Vec<usize>>,
}

impl<'a> Snippets<'a> {
    /// For diagnostics whose places are in `sources`.
    pub fn new(sources: &'a [Source], style: Style) -> Snippets<'a> {
        let renderer = match style {
            Style::Plain => Renderer::plain(),
            Style::Coloured => Renderer::styled(),
        };
        let lines = sources.iter().map(|_| OnceCell::new()).collect();
        Snippets { sources, lines, beyond: Line::new(""), renderer }
    }

    /// One diagnostic, without a line end after it.
    pub fn render(&self, diagnostic: &Diagnostic) -> String {
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = level.primary_title(diagnostic.message.as_str()).elements(None::<Origin>);
        let mut moved = Vec::new();
        for (index, label) in diagnostic.labels.iter().enumerate() {
            let kind = if index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
            group = group.element(self.snippet(label, kind, &mut moved));
        }
        if let Some(help) = &diagnostic.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        let text = self.renderer.render(&[group]);
        moved.iter().fold(text, |text, Moved { wrong, right }| text.replace(wrong, right))
    }

    fn snippet<'s>(
        &'s self,
        label: &'s Label,
        kind: AnnotationKind,
        moved: &mut Vec<Moved>,
    ) -> Snippet<'s, Annotation<'s>> {
        let span = label.place.span;
        let source = &self.sources[label.place.source.0];
        let line = self.line(label);
        let text = (!label.text.is_empty()).then_some(label.text.as_str());
        let at = span.column - 1;
        let from = line.window_start(at);
        let shown = &line.text[line.byte_of(from)..line.byte_of(from.saturating_add(LINE_MAX))];
        let start = byte_of(shown, at - from);
        let end = byte_of(shown, (at - from).saturating_add(span.length.max(1)));
        let snippet = Snippet::source(shown)
            .line_start(span.line)
            .annotation(kind.span(start..end.max(start)).label(text));
        if from == 0 {
            return snippet.path(source.name.as_str());
        }
        let right = format!("{}:{}:{}", source.name, span.line, span.column);
        let shown_column = shown[..start].chars().count() + 1;
        moved.push(Moved { wrong: format!("{right}:{}:{shown_column}", span.line), right: right.clone() });
        snippet.path(right)
    }

    fn line(&self, label: &Label) -> &Line<'a> {
        let index = label.place.source.0;
        let lines =
            self.lines[index].get_or_init(|| lines(&self.sources[index].text).map(Line::new).collect());
        lines.get(label.place.span.line - 1).unwrap_or(&self.beyond)
    }
}

/// A place on a line that is shown in part: the renderer counts columns from where the part begins, so the place is
/// given to it as a part of the path, and what it adds is taken away again.
struct Moved {
    wrong: String,
    right: String,
}

impl<'a> Line<'a> {
    fn new(text: &'a str) -> Line<'a> {
        Line { text, starts: OnceCell::new() }
    }

    /// The first character of the stretch that is shown: all of a line that is not too long.
    fn window_start(&self, at: usize) -> usize {
        if self.byte_of(LINE_MAX) == self.text.len() { 0 } else { at.saturating_sub(LINE_MAX / 2) }
    }

    fn byte_of(&self, character: usize) -> usize {
        if self.text.len() <= LINE_MAX {
            return byte_of(self.text, character);
        }
        let starts = self.starts.get_or_init(|| self.text.char_indices().map(|(byte, _)| byte).collect());
        starts.get(character).copied().unwrap_or(self.text.len())
    }
}

/// Where the character of that number begins, or the end of the text.
fn byte_of(text: &str, character: usize) -> usize {
    text.char_indices().nth(character).map_or(text.len(), |(byte, _)| byte)
}
