//! What guests say into the gateway's log, for tests that count it.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use openclaw_domain::TraceId;
use tracing_subscriber::fmt::MakeWriter;

/// All lines of this process; each carries its trace.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

static LINES: OnceLock<Lines> = OnceLock::new();

/// Begins to keep log lines. Guests that run on threads of their own are heard too, so this is for the whole process.
pub fn listen() {
    LINES.get_or_init(|| {
        let lines = Lines::default();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(lines.clone())
            .with_ansi(false)
            .with_max_level(tracing_subscriber::filter::LevelFilter::INFO);
        // Whoever was first keeps the lines; a second subscriber in one process would lose them.
        subscriber.init();
        lines
    });
}

/// The lines kept so far that belong to a trace.
pub fn lines_of(trace: TraceId) -> Vec<String> {
    let Some(lines) = LINES.get() else { return Vec::new() };
    let kept = lines.0.lock().unwrap_or_else(PoisonError::into_inner);
    let trace = trace.to_string();
    String::from_utf8_lossy(&kept).lines().filter(|line| line.contains(&trace)).map(str::to_owned).collect()
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
