//! What the numbers were measured on, in one phrase without a date: enough to compare, nothing to identify.

use std::fs;
use std::thread::available_parallelism;

/// For example `2 cores of an Intel Xeon at 2.8 GHz, 8 GiB memory, Linux 6.1`.
pub(crate) fn describe() -> String {
    let cores = available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let cpu = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "an unnamed processor".to_owned());
    let memory = field("/proc/meminfo", "MemTotal")
        .and_then(|text| text.trim_end_matches(" kB").trim().parse::<u64>().ok())
        .map_or_else(|| "unknown".to_owned(), |kibibytes| format!("{:.0} GiB", kibibytes as f64 / f64::from(1 << 20)));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel = kernel.trim().splitn(3, '.').take(2).collect::<Vec<_>>().join(".");
    format!("{cores} cores of {cpu}, {memory} memory, Linux {kernel}")
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
