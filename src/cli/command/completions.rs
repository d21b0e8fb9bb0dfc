//! `conflux completions`: what a shell needs to complete the command line.

use clap::Args;
use clap_complete::Shell;

use crate::cli::context::Context;
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
    pub(in crate::cli) fn run(&self, context: &Context<'_>) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut context.grammar.clone(), "conflux", &mut script);
        output::data(String::from_utf8_lossy(&script).trim_end())
    }
}
