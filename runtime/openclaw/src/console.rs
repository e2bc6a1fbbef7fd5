//! The one place that prints. Data goes to standard output, talk to standard error, so that `| jq` sees only data.
//!
//! Invariant: a closed pipe (`… | head -1`) ends the talking, never the process with a panic.

use std::io::{IsTerminal, Write};

use serde::Serialize;

/// How data is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// One JSON value.
    Json,
}

/// Prints a line of data.
pub(crate) fn data(line: impl AsRef<str>) {
    drop(writeln!(std::io::stdout(), "{}", line.as_ref()));
}

/// Prints data as it is, without a line end.
pub(crate) fn raw(bytes: &[u8]) {
    drop(std::io::stdout().write_all(bytes));
}

/// Prints data as indented JSON.
pub(crate) fn json(value: &impl Serialize) {
    match serde_json::to_string_pretty(value) {
        Ok(text) => data(text),
        Err(error) => talk(format!("the answer cannot be printed as JSON: {error}")),
    }
}

/// Says something to the person at the terminal. Much of it repeats what a stranger's file or skill said.
pub(crate) fn talk(line: impl AsRef<str>) {
    drop(writeln!(std::io::stderr(), "{}", printable(line.as_ref())));
}

/// Says what would help.
pub(crate) fn hint(fix: impl AsRef<str>) {
    talk(format!("hint: {}", fix.as_ref()));
}

/// Says what went wrong.
pub(crate) fn error(message: impl AsRef<str>) {
    talk(format!("error: {}", message.as_ref()));
}

/// Whether a person is looking at standard error.
pub(crate) fn is_terminal() -> bool {
    std::io::stderr().is_terminal()
}

/// Rows under headings, each column as wide as its widest cell; control characters of strangers' texts are escaped.
pub(crate) fn table<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> String {
    let rows: Vec<[String; N]> = rows.iter().map(|row| row.each_ref().map(|cell| printable(cell))).collect();
    let mut widths = headings.map(|heading| heading.chars().count());
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: [&str; N]| {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            line.push_str(&format!("{cell:width$}  "));
        }
        line.trim_end().to_owned()
    };
    let mut lines = vec![line(headings)];
    lines.extend(rows.iter().map(|row| line(row.each_ref().map(String::as_str))));
    lines.join("\n")
}

/// A stranger's text without the control characters by which it could rewrite the terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() && !matches!(letter, '\n' | '\t') { '\u{fffd}' } else { letter })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_lines_its_columns_up_and_shows_no_control_characters() {
        let rows = [["a".to_owned(), "first".to_owned()], ["longer".to_owned(), "\u{1b}[2Jx".to_owned()]];
        assert_eq!(table(["NAME", "WHAT"], &rows), "NAME    WHAT\na       first\nlonger  \u{fffd}[2Jx");
    }
}
