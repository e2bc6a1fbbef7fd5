//! Server-sent events: the data of each, however the bytes are cut.
//!
//! Invariant: what waits for the rest of its line or event is bounded.

use super::Failure;

/// Bytes one event may have.
const EVENT_BYTES: usize = 4 << 20;

/// Reads events out of chunks.
#[derive(Debug, Default)]
pub(super) struct Events {
    line: Vec<u8>,
    data: String,
    has_data: bool,
}

impl Events {
    /// The data of every event that is complete with this chunk.
    pub(super) fn feed(&mut self, chunk: &[u8]) -> Result<Vec<String>, Failure> {
        let mut complete = Vec::new();
        for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if self.line.len() + self.data.len() > EVENT_BYTES {
                return Err(Failure::lasting(format!("it sent an event of more than {EVENT_BYTES} bytes")));
            }
            if piece.ends_with(b"\n") {
                self.end_line(&mut complete)?;
            }
        }
        Ok(complete)
    }

    fn end_line(&mut self, complete: &mut Vec<String>) -> Result<(), Failure> {
        let line = std::mem::take(&mut self.line);
        let line = std::str::from_utf8(&line).map_err(|_| Failure::lasting("its stream is not UTF-8"))?;
        let line = line.trim_end_matches(['\r', '\n']);
        if line.is_empty() {
            if std::mem::take(&mut self.has_data) {
                complete.push(std::mem::take(&mut self.data));
            }
        } else if let Some(data) = line.strip_prefix("data:") {
            if self.has_data {
                self.data.push('\n');
            }
            self.data.push_str(data.strip_prefix(' ').unwrap_or(data));
            self.has_data = true;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_the_same_wherever_the_bytes_are_cut() {
        let text = "event: x\r\ndata: {\"a\":\"ü\"}\r\n\r\n: ping\n\ndata:one\ndata: two\n\ndata: open";
        for cut in 0..=text.len() {
            let (first, second) = text.as_bytes().split_at(cut);
            let mut events = Events::default();
            let mut found = events.feed(first).unwrap();
            found.extend(events.feed(second).unwrap());
            assert_eq!(found, ["{\"a\":\"ü\"}", "one\ntwo"], "{cut}");
        }
    }

    #[test]
    fn an_event_without_end_is_refused() {
        let mut events = Events::default();
        assert!(events.feed(&vec![b'x'; EVENT_BYTES + 1]).is_err());
    }
}
