//! `conflux completions`: what a shell needs to complete the command line.

use clap::Args;
use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::args::Arguments;
use crate::cli::output;
use crate::cli::report::Failure;

/// What the help says at length.
const HELP: &str = "\
Print what a shell completes the command line with

bash: conflux completions bash > ~/.local/share/bash-completion/completions/conflux
zsh: conflux completions zsh > \"${fpath[1]}/_conflux\"
fish: conflux completions fish > ~/.config/fish/completions/conflux.fish";

/// Print what a shell completes the command line with
#[derive(Debug, Args)]
#[command(long_about = HELP)]
pub(in crate::cli) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    /// Prints the script.
    pub(in crate::cli) fn run(&self) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "conflux", &mut script);
        output::data(String::from_utf8_lossy(&script).trim_end())
    }
}
