//! The table: what was measured, the floor beside it, the budget, and whether it holds.
//!
//! Invariant: a ratio is only formed between two numbers of the same run.

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result};

use crate::peers::Peers;

/// A number with its unit.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Measure {
    /// Microseconds.
    Micros(f64),
    /// Milliseconds.
    Millis(f64),
    /// Things per second.
    PerSecond(f64),
    /// Mebibytes.
    Mebibytes(f64),
    /// Kibibytes.
    Kibibytes(f64),
    /// How many times as much.
    Times(f64),
    /// How many, on average.
    Each(f64),
}

impl Measure {
    const fn value(self) -> f64 {
        match self {
            Self::Micros(value)
            | Self::Millis(value)
            | Self::PerSecond(value)
            | Self::Mebibytes(value)
            | Self::Kibibytes(value)
            | Self::Times(value)
            | Self::Each(value) => value,
        }
    }
}

impl Measure {
    /// The number, and its unit as a word of its own.
    const fn plain(self) -> (f64, &'static str) {
        let unit = match self {
            Self::Micros(_) => "µs",
            Self::Millis(_) => "ms",
            Self::PerSecond(_) => "/s",
            Self::Mebibytes(_) => "MiB",
            Self::Kibibytes(_) => "KiB",
            Self::Times(_) => "×",
            Self::Each(_) => "",
        };
        (self.value(), unit)
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Micros(value) => write!(f, "{value:.1} µs"),
            Self::Millis(value) => write!(f, "{value:.1} ms"),
            Self::PerSecond(value) => write!(f, "{}/s", thousands(*value)),
            Self::Mebibytes(value) => write!(f, "{value:.1} MiB"),
            Self::Kibibytes(value) => write!(f, "{value:.1} KiB"),
            Self::Times(value) => write!(f, "{value:.2} ×"),
            Self::Each(value) => write!(f, "{value:.3}"),
        }
    }
}

/// A whole number with a comma at each thousand.
pub(crate) fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What a row must keep to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Budget {
    /// At most so many times the floor.
    AtMostTimesFloor(f64),
    /// At least so many times the floor.
    AtLeastTimesFloor(f64),
    /// At most this, whatever the floor.
    AtMost(Measure),
    /// At least this, whatever the floor.
    AtLeast(Measure),
    /// None: the row is there to be read beside another.
    Orientation,
}

/// One line of the table.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// What is measured.
    pub(crate) what: String,
    /// The same without the gateway, measured in the same run, and what that is.
    pub(crate) floor: Option<(Measure, &'static str)>,
    /// The gateway.
    pub(crate) measured: Measure,
    /// What it must keep to.
    pub(crate) budget: Budget,
    /// Under which key peers measured the same; empty when none has.
    pub(crate) peer: &'static str,
}

impl Row {
    fn ratio(&self) -> Option<f64> {
        let (floor, _) = self.floor?;
        (floor.value() > 0.0).then(|| self.measured.value() / floor.value())
    }

    /// Whether the budget holds; `None` for a row without one.
    fn is_kept(&self) -> Option<bool> {
        match self.budget {
            Budget::AtMostTimesFloor(times) => Some(self.ratio()? <= times),
            Budget::AtLeastTimesFloor(times) => Some(self.ratio()? >= times),
            Budget::AtMost(most) => Some(self.measured.value() <= most.value()),
            Budget::AtLeast(least) => Some(self.measured.value() >= least.value()),
            Budget::Orientation => None,
        }
    }

    const fn verdict(kept: Option<bool>) -> &'static str {
        match kept {
            Some(true) => "OK",
            Some(false) => "OVER",
            None => "–",
        }
    }

    fn cells(&self, peers: &Peers) -> [String; 7] {
        let budget = match self.budget {
            Budget::AtMostTimesFloor(times) => format!("≤ {times} × floor"),
            Budget::AtLeastTimesFloor(times) => format!("≥ {times} × floor"),
            Budget::AtMost(most) => format!("≤ {most}"),
            Budget::AtLeast(least) => format!("≥ {least}"),
            Budget::Orientation => "–".to_owned(),
        };
        [
            self.what.clone(),
            self.floor.map_or_else(|| "–".to_owned(), |(floor, what)| format!("{what}: {floor}")),
            self.measured.to_string(),
            self.ratio().map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2} ×")),
            budget,
            Self::verdict(self.is_kept()).to_owned(),
            peers.beside(self.peer),
        ]
    }

    /// The row as one line for a terminal.
    pub(crate) fn line(&self) -> String {
        let [what, floor, measured, ratio, budget, verdict, _] = self.cells(&Peers::default());
        format!("{verdict:<5} {what}: {measured} (floor {floor}; {ratio}, budget {budget})")
    }
}

/// The table in Markdown.
pub(crate) fn markdown(rows: &[Row], peers: &Peers, machine: &str, command: &str) -> String {
    let mut text = format!("Measured by `{command}` on {machine}.");
    if !peers.rows.is_empty() {
        text.push_str(&format!(
            " The last column is for orientation and not of this run: measured {}.",
            peers.measured
        ));
    }
    text.push_str(
        "\n\n| what | floor, same run | gateway | ratio | budget | | a peer |\n|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        text.push_str(&format!("| {} |\n", row.cells(peers).join(" | ")));
    }
    let over = rows.iter().filter(|row| row.is_kept() == Some(false)).count();
    text.push_str(&format!(
        "\n{} rows with a budget, {over} OVER.\n",
        rows.iter().filter(|row| row.is_kept().is_some()).count()
    ));
    text
}

/// One line of JSON for each row that peers stand beside: what `make bench-peers` prints its ratios from.
pub(crate) fn lines_beside_peers(rows: &[Row]) -> String {
    let part = |what: &str, measure: Measure| {
        let (value, unit) = measure.plain();
        serde_json::json!({ "what": what, "value": value, "unit": unit })
    };
    let rows = rows.iter().filter(|row| !row.peer.is_empty());
    rows.map(|row| {
        let mut line = part(&row.what, row.measured);
        line["key"] = row.peer.into();
        line["floor"] = row.floor.map_or(serde_json::Value::Null, |(floor, what)| part(what, floor));
        format!("{line}\n")
    })
    .collect()
}

/// The heading under which a person says of every row that is OVER by how much, why, and what was tried.
const REASONS: &str = "## Where a budget is missed";

/// The rows that are OVER and of which the document does not yet speak under [`REASONS`].
pub(crate) fn unexplained<'a>(document: &str, rows: &'a [Row]) -> Vec<&'a str> {
    let reasons = document.split_once(REASONS).map_or("", |(_, after)| after);
    let reasons = reasons.split("\n## ").next().unwrap_or_default();
    let over = rows.iter().filter(|row| row.is_kept() == Some(false));
    over.map(|row| row.what.as_str()).filter(|what| !reasons.contains(what)).collect()
}

/// Replaces what lies between `<!-- NAME:begin -->` and `<!-- NAME:end -->` in a document.
///
/// Everything else is a person's and stays as it is; a heading for the reasons of missed budgets is added once.
pub(crate) fn write_between(document: &Path, name: &str, text: &str) -> Result<()> {
    let old = std::fs::read_to_string(document).with_context(|| format!("`{}` cannot be read", document.display()))?;
    let mut new = replace_between(&old, name, text)
        .with_context(|| format!("`{}` has no `<!-- {name}:begin -->`", document.display()))?;
    if !new.contains(REASONS) {
        new.push_str(&format!("\n{REASONS}\n"));
    }
    std::fs::write(document, new).with_context(|| format!("`{}` cannot be written", document.display()))
}

fn replace_between(old: &str, name: &str, text: &str) -> Option<String> {
    let (before, rest) = old.split_once(&format!("<!-- {name}:begin -->"))?;
    let (_, after) = rest.split_once(&format!("<!-- {name}:end -->"))?;
    Some(format!("{before}<!-- {name}:begin -->\n{text}<!-- {name}:end -->{after}"))
}

/// Prints a line.
#[expect(clippy::print_stdout, reason = "the one place this program talks to the person who started it")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(floor: f64, measured: f64, budget: Budget) -> Row {
        Row {
            what: "call".to_owned(),
            floor: Some((Measure::Micros(floor), "raw")),
            measured: Measure::Micros(measured),
            budget,
            peer: "fresh-call",
        }
    }

    #[test]
    fn a_row_past_its_budget_says_over() {
        assert!(row(10.0, 14.0, Budget::AtMostTimesFloor(1.5)).line().starts_with("OK"));
        assert!(row(10.0, 16.0, Budget::AtMostTimesFloor(1.5)).line().starts_with("OVER"));
        assert!(row(10.0, 16.0, Budget::AtLeast(Measure::Micros(17.0))).line().starts_with("OVER"));
    }

    #[test]
    fn only_what_lies_between_the_marks_is_replaced() {
        let old = "a\n<!-- t:begin -->\nold\n<!-- t:end -->\nb\n";
        assert_eq!(replace_between(old, "t", "new\n").unwrap(), "a\n<!-- t:begin -->\nnew\n<!-- t:end -->\nb\n");
        assert!(replace_between("no marks", "t", "").is_none());
    }

    #[test]
    fn what_a_person_wrote_outlives_every_run() {
        let folder = tempfile::tempdir().unwrap();
        let document = folder.path().join("benchmarks.md");
        let written = "# head\n<!-- bench:begin -->\n<!-- bench:end -->\n\n## Where a budget is missed\n\nBecause.\n";
        std::fs::write(&document, written).unwrap();
        for table in ["first\n", "second\n"] {
            write_between(&document, "bench", table).unwrap();
            let expected = written.replace("begin -->\n", &format!("begin -->\n{table}"));
            assert_eq!(std::fs::read_to_string(&document).unwrap(), expected);
        }
        std::fs::write(&document, "<!-- bench:begin --><!-- bench:end -->").unwrap();
        write_between(&document, "bench", "").unwrap();
        assert!(std::fs::read_to_string(&document).unwrap().ends_with("\n## Where a budget is missed\n"));
    }

    #[test]
    fn a_row_that_is_over_is_unexplained_until_it_is_named_among_the_reasons() {
        let rows = [row(10.0, 16.0, Budget::AtMostTimesFloor(1.5))];
        assert_eq!(unexplained("call\n## Where a budget is missed\n\n## Other\ncall", &rows), ["call"]);
        assert!(unexplained("## Where a budget is missed\nA call costs more.\n", &rows).is_empty());
        assert!(unexplained("", &[row(10.0, 14.0, Budget::AtMostTimesFloor(1.5))]).is_empty());
    }

    #[test]
    fn rows_beside_peers_carry_their_floor() {
        let expected = r#"{"floor":{"unit":"µs","value":10.0,"what":"raw"},"key":"fresh-call","unit":"µs","value":14.0,"what":"call"}"#;
        assert_eq!(lines_beside_peers(&[row(10.0, 14.0, Budget::Orientation)]).trim_end(), expected);
    }

    #[test]
    fn large_numbers_are_grouped() {
        assert_eq!(Measure::PerSecond(118_600.4).to_string(), "118,600/s");
    }
}
