//! TableLayout that are aligned over all rows, in the colours of `ip -c`.

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use super::{Colour, Style};

/// The spaces between two cells.
const GAP: usize = 2;

/// One cell of a table.
pub struct Cell {
    words: String,
    colour: Option<Colour>,
}

impl Cell {
    /// A cell in a colour.
    pub fn coloured(words: impl Into<String>, colour: Option<Colour>) -> Cell {
        Cell { words: words.into(), colour }
    }

    /// The number of columns that it takes.
    pub fn width(&self) -> usize {
        self.words.chars().count()
    }

    fn painted(&self, style: Style) -> String {
        self.colour.map_or_else(|| self.words.clone(), |colour| style.paint(colour, &self.words))
    }
}

impl<S: Into<String>> From<S> for Cell {
    fn from(words: S) -> Cell {
        Cell::coloured(words, None)
    }
}

/// Where the columns of a table begin. On a screen that is too narrow, each row takes several lines, all in the same way.
pub struct TableLayout {
    style: Style,
    screen: Option<usize>,
    /// The line of a row that each column is in, and where it begins there.
    starts: Vec<(usize, usize)>,
    /// Where further lines begin: below the second column.
    below: usize,
}

impl TableLayout {
    /// Columns that all of these rows fit into, the first of which is indented. The last cell of a row that is shorter than
    /// others may be longer than its column.
    pub fn of(rows: &[&Vec<Cell>], indent: usize, style: Style, screen: Option<usize>) -> TableLayout {
        let mut widths = vec![0; rows.iter().map(|row| row.len()).max().unwrap_or(0)];
        for row in rows {
            let fitting = if row.len() < widths.len() { row.len().saturating_sub(1) } else { row.len() };
            for (width, cell) in widths.iter_mut().zip(&row[..fitting]) {
                *width = cell.width().max(*width);
            }
        }
        let below = indent + widths.first().map_or(0, |width| width + GAP);
        let (mut starts, mut line, mut at) = (Vec::new(), 0, indent);
        for (column, width) in widths.iter().enumerate() {
            if column > 1 && screen.is_some_and(|screen| at + width > screen) {
                (line, at) = (line + 1, below);
            }
            starts.push((line, at));
            // What is empty in all rows takes no room.
            at += if *width == 0 { 0 } else { width + GAP };
        }
        TableLayout { style, screen, starts, below }
    }

    /// Writes a row, and ends its last line.
    pub fn write(&self, text: &mut String, row: &[Cell]) {
        let (mut at, mut current) = (0, 0);
        for (cell, (line, start)) in row.iter().zip(&self.starts).filter(|(cell, _)| cell.width() > 0) {
            let is_too_long = self.screen.is_some_and(|screen| start + cell.width() > screen);
            let (line, start) =
                if is_too_long && at > self.below { (line + 1, self.below) } else { (*line, *start) };
            if line > current {
                text.push('\n');
                (current, at) = (line, 0);
            }
            text.extend(std::iter::repeat_n(' ', start.saturating_sub(at)));
            text.push_str(&cell.painted(self.style));
            at = start + cell.width();
        }
        text.push('\n');
    }
}

/// The colour that `ip -c` has for addresses of that family.
pub fn colour_of(address: IpAddr) -> Colour {
    if address.is_ipv4() { Colour::Ipv4 } else { Colour::Ipv6 }
}

/// Lines as `ip` writes them, with its colours for addresses and interfaces; the names behind them are aligned.
pub fn rows_with_names(text: &mut String, rows: &[(String, Option<&str>)], style: Style) {
    const NAME_GAP: usize = 3;
    let named = rows.iter().filter(|(_, name)| name.is_some());
    let width = named.map(|(row, _)| row.chars().count()).max().unwrap_or(0) + NAME_GAP;
    for (row, name) in rows {
        text.push_str(&painted(row, style));
        if let Some(name) = name {
            text.extend(std::iter::repeat_n(' ', width - row.chars().count()));
            text.push_str(name);
        }
        text.push('\n');
    }
}

fn painted(row: &str, style: Style) -> String {
    let mut before = "";
    let words = row.split(' ').map(|word| {
        let address = || word.parse().ok().map(colour_of);
        let colour = if before == "dev" { Some(Colour::Interface) } else { address() };
        before = word;
        colour.map_or_else(|| word.to_owned(), |colour| style.paint(colour, word))
    });
    words.collect::<Vec<_>>().join(" ")
}
