//! Memory system calls for each guest call, counted by strace: the one number that no machine's speed changes.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// Everything that changes the address space. Each takes a lock that all threads share.
const MEMORY: &str = "trace=mmap,munmap,mprotect,madvise,mremap,brk,process_madvise";

/// Runs `openclaw-bench SUBCOMMAND --component FILE --threads 2 --calls N` twice under strace, with different N; what
/// the second makes more than the first, for each additional call. Start-up cancels out.
pub(crate) fn per_call(subcommand: &str, arguments: &[&str], calls: usize) -> Result<f64> {
    let few = count(subcommand, arguments, calls)?;
    let many = count(subcommand, arguments, calls * 3)?;
    // A run that starts or ends with a few calls more than the other can push the difference below zero.
    Ok((many as f64 - few as f64).max(0.0) / (calls as f64 * 2.0))
}

fn count(subcommand: &str, arguments: &[&str], calls: usize) -> Result<u64> {
    let summary = tempfile::NamedTempFile::new()?;
    let program = std::env::current_exe()?;
    let status = Command::new("strace")
        .args(["-f", "-c", "-e", MEMORY, "-o"])
        .arg(summary.path())
        .arg(&program)
        .arg(subcommand)
        .args(arguments)
        .args(["--threads", "2", "--calls", &calls.to_string()])
        .stdout(Stdio::null())
        .status()
        .context("strace cannot be started; `make bench` installs it as root")?;
    if !status.success() {
        bail!("`{} {subcommand}` ended with {status} under strace", program.display());
    }
    sum(summary.path())
}

fn sum(summary: &Path) -> Result<u64> {
    let text = std::fs::read_to_string(summary)?;
    Ok(text.lines().filter_map(calls_of).sum())
}

/// The fourth column of a line about one system call; the line of totals does not count.
fn calls_of(line: &str) -> Option<u64> {
    let columns: Vec<&str> = line.split_whitespace().collect();
    let share: Option<f64> = columns.first().and_then(|share| share.parse().ok());
    if columns.last() == Some(&"total") || share.is_none() {
        return None;
    }
    columns.get(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strace_summaries_are_added_up_without_their_total() {
        let lines = [
            "% time     seconds  usecs/call     calls    errors syscall",
            "------ ----------- ----------- --------- --------- ----------------",
            " 71.88    0.000023           0        61           mmap",
            " 28.12    0.000009           0        13         2 mprotect",
            "------ ----------- ----------- --------- --------- ----------------",
            "100.00    0.000032           0        74         2 total",
        ];
        assert_eq!(lines.into_iter().filter_map(calls_of).sum::<u64>(), 74);
    }
}
