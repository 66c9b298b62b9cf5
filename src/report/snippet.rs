//! Diagnostics as text: the message, `FILE:LINE:COLUMN`, the source line with a caret, and the remedy.

use std::cell::OnceCell;

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};

use crate::diagnostic::{Diagnostic, Label, Severity};
use crate::source::Source;

use super::Style;

/// A longer line is cut to a stretch around the place; a file may be one line of a megabyte.
const LINE_MAX: usize = 400;

/// Draws diagnostics about some sources.
pub struct Snippets<'a> {
    sources: &'a [Source],
    lines: Vec<OnceCell<Vec<&'a str>>>,
    renderer: Renderer,
}

impl<'a> Snippets<'a> {
    /// For diagnostics whose places are in `sources`.
    pub fn new(sources: &'a [Source], style: Style) -> Snippets<'a> {
        let renderer = match style {
            Style::Plain => Renderer::plain(),
            Style::Coloured => Renderer::styled(),
        };
        Snippets { sources, lines: sources.iter().map(|_| OnceCell::new()).collect(), renderer }
    }

    /// One diagnostic, without a line end after it.
    pub fn render(&self, diagnostic: &Diagnostic) -> String {
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = level.primary_title(diagnostic.message.as_str()).elements(None::<Origin>);
        for (index, label) in diagnostic.labels.iter().enumerate() {
            let kind = if index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
            group = self.add(group, label, kind);
        }
        if let Some(help) = &diagnostic.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        self.renderer.render(&[group])
    }

    fn add<'s>(
        &'s self,
        group: annotate_snippets::Group<'s>,
        label: &'s Label,
        kind: AnnotationKind,
    ) -> annotate_snippets::Group<'s> {
        let span = label.place.span;
        let source = &self.sources[label.place.source.0];
        let line = self.line(label);
        let text = (!label.text.is_empty()).then_some(label.text.as_str());
        let length = line.chars().count();
        let (from, to) = window(span.column - 1, length);
        let shown = slice(line, from, to);
        let start = byte_of(shown, span.column - 1 - from);
        let end = byte_of(shown, (span.column - 1 - from).saturating_add(span.length.max(1)));
        let snippet = Snippet::source(shown)
            .line_start(span.line)
            .annotation(kind.span(start..end.max(start)).label(text));
        if from == 0 {
            return group.element(snippet.path(source.name.as_str()));
        }
        let origin = Origin::path(source.name.as_str()).line(span.line).char_column(span.column);
        group.element(origin).element(snippet)
    }

    fn line(&self, label: &Label) -> &'a str {
        let index = label.place.source.0;
        let lines = self.lines[index].get_or_init(|| {
            let text = self.sources[index].text.as_str();
            text.strip_prefix('\u{feff}').unwrap_or(text).lines().collect()
        });
        lines.get(label.place.span.line - 1).copied().unwrap_or_default()
    }
}

/// The stretch of characters that is shown of a line of `length` characters.
fn window(at: usize, length: usize) -> (usize, usize) {
    if length <= LINE_MAX {
        return (0, length);
    }
    let from = at.saturating_sub(LINE_MAX / 2);
    (from, (from + LINE_MAX).min(length))
}

fn slice(line: &str, from: usize, to: usize) -> &str {
    &line[byte_of(line, from)..byte_of(line, to)]
}

/// Where the character of that number begins, or the end of the line.
fn byte_of(line: &str, character: usize) -> usize {
    line.char_indices().nth(character).map_or(line.len(), |(byte, _)| byte)
}
