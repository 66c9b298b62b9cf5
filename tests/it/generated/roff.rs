//! Prose as text of a manual page, in the macros of man(7).

/// Lines longer than this are harder to compare, and mandoc warns of more than 80.
const LINE_MAX: usize = 76;

/// Text in which nothing means anything to roff.
pub fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '\\' => escaped += "\\e",
            '-' => escaped += "\\-",
            '\'' => escaped += "\\(aq",
            '`' => escaped += "\\(ga",
            '^' => escaped += "\\(ha",
            '~' => escaped += "\\(ti",
            c => escaped.push(c),
        }
    }
    escaped
}

/// The same in bold.
pub fn bold(text: &str) -> String {
    format!("\\fB{}\\fR", escape(text))
}

/// The same in italics, or underlined.
pub fn italic(text: &str) -> String {
    format!("\\fI{}\\fR", escape(text))
}

/// A paragraph; what stands in backticks is bold. A sentence begins on a line of its own, as roff likes it.
pub fn prose(text: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for (index, part) in text.split('`').enumerate() {
        if index % 2 == 1 {
            // A space that does not break, so that what is to be typed stays in one line of the source.
            let typed = bold(part).replace(' ', "\\ ");
            words.last_mut().expect("what stands before it, or nothing").push_str(&typed);
            continue;
        }
        // A single hyphen between letters may break a line; others are signs.
        let plain = part.split(' ').map(|word| {
            let signs = word.starts_with('-') || word.contains("--");
            if signs { escape(word) } else { escape(word).replace("\\-", "-") }
        });
        for (index, word) in plain.enumerate() {
            match words.last_mut() {
                Some(last) if index == 0 => last.push_str(&word),
                _ => words.push(word),
            }
        }
    }
    fill(words)
}

fn fill(words: Vec<String>) -> String {
    let mut lines = vec![String::new()];
    for word in words.into_iter().filter(|word| !word.is_empty()) {
        let line = lines.last_mut().expect("one line");
        let ended = line.ends_with(['.', ':']);
        if line.is_empty() {
            *line = word;
        } else if ended || line.len() + word.len() >= LINE_MAX {
            lines.push(word);
        } else {
            *line = format!("{line} {word}");
        }
    }
    // Such a line would be a request.
    let safe = |line: String| if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line };
    lines.into_iter().map(|line| safe(line) + "\n").collect()
}

/// A word and what it means.
pub fn item(word: &str, meaning: &str) -> String {
    format!(".TP\n{}\n{}", bold(word), prose(meaning))
}
