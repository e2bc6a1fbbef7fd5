//! Log lines on their way to standard error: written together, a few times a second.
//!
//! At `info` every command is a line, and a system call for each would cost a fifth of a small call's latency.
//! Invariant: a line at `warn` or above is written before the call that logged it returns, with everything before it;
//! any other within [`DELAY`]; and all of them before the process ends in order. Only `kill -9` can lose the last ones.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// How long a line may wait for company.
const DELAY: Duration = Duration::from_millis(100);
/// A buffer this full is written at once.
const FULL: usize = 32 << 10;

/// The lines that wait. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogLines {
    waiting: Arc<Waiting>,
    /// Whether every line is written at once.
    is_urgent: bool,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Mutex<Vec<u8>>,
    some: Condvar,
}

impl LogLines {
    /// Starts the thread that writes. It lives as long as the process.
    pub(crate) fn start() -> Self {
        let lines = Self::default();
        let waiting = lines.clone();
        let started = std::thread::Builder::new().name("log".to_owned()).spawn(move || {
            loop {
                let first = waiting.waiting.lock();
                drop(waiting.waiting.some.wait_while(first, |lines| lines.is_empty()));
                // Whoever fills the buffer meanwhile writes it.
                std::thread::park_timeout(DELAY);
                waiting.flush();
            }
        });
        if started.is_err() {
            // Without a thread each line is written as it comes.
            return Self { is_urgent: true, ..lines };
        }
        lines
    }

    /// Writes what waits.
    pub(crate) fn flush(&self) {
        write_out(&mut self.waiting.lock());
    }
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write_out(lines: &mut Vec<u8>) {
    if !lines.is_empty() {
        // A standard error that is closed is no reason to stop serving.
        drop(io::stderr().lock().write_all(lines));
        lines.clear();
    }
}

/// Takes the text of one line.
pub(crate) struct Line<'a> {
    lines: &'a LogLines,
    is_urgent: bool,
}

impl Write for Line<'_> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let mut lines = self.lines.waiting.lock();
        let was_empty = lines.is_empty();
        lines.extend_from_slice(text);
        if self.is_urgent || lines.len() >= FULL {
            write_out(&mut lines);
        } else if was_empty {
            self.lines.waiting.some.notify_one();
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogLines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { lines: self, is_urgent: true }
    }

    fn make_writer_for(&'a self, line: &Metadata<'_>) -> Line<'a> {
        Line { lines: self, is_urgent: self.is_urgent || *line.level() <= Level::WARN }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(lines: &LogLines, text: &str, is_urgent: bool) {
        Line { lines, is_urgent }.write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn a_line_waits_and_an_urgent_one_takes_it_along() {
        let lines = LogLines::default();
        write(&lines, "first\n", false);
        assert_eq!(*lines.waiting.lock(), b"first\n");
        write(&lines, "urgent\n", true);
        assert!(lines.waiting.lock().is_empty());
    }

    #[test]
    fn a_full_buffer_is_written_at_once() {
        let lines = LogLines::default();
        write(&lines, &"x".repeat(FULL), false);
        assert!(lines.waiting.lock().is_empty());
    }
}
