//! `openclaw completions SHELL`.

use clap::CommandFactory;

use crate::console;
use crate::exit::Failed;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The shell
    shell: clap_complete::Shell,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failed> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut super::Arguments::command(), "openclaw", &mut script);
    console::raw(&script);
    Ok(())
}
