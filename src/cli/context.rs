//! What every command is given: the surroundings of the process, and the way to its configuration.

use std::io;
use std::io::IsTerminal as _;
use std::path::PathBuf;

use crate::cli::common::Common;
use crate::cli::exit;
use crate::cli::logs::Log;
use crate::cli::report::Failure;
use crate::cli::report::Notice;
use crate::cli::table;
use crate::cli::terminal;
use crate::config::Config;
use crate::config::load;
use crate::config::surroundings::Surroundings;

/// What every command is given.
pub(in crate::cli) struct Context<'a> {
    /// The environment and its directories.
    pub(in crate::cli) around: Surroundings,
    /// Everything that can be typed, for those who write about it.
    pub(in crate::cli) grammar: clap::Command,
    common: &'a Common,
    log: Log,
}

impl<'a> Context<'a> {
    pub(in crate::cli) fn new(
        around: Surroundings,
        common: &'a Common,
        grammar: clap::Command,
        log: Log,
    ) -> Self {
        Self { around, grammar, common, log }
    }

    /// Returns what the command line says about the configuration.
    pub(in crate::cli) fn options(&self) -> load::Options {
        let profile = self.common.profile.iter().map(|name| load::Override {
            flag: "--profile".to_owned(),
            key: "profile".to_owned(),
            value: name.clone(),
        });
        load::Options { files: self.common.config.clone(), overrides: profile.collect() }
    }

    /// Loads the configuration; from then on no secret of it is logged.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, at once.
    pub(in crate::cli) fn config(&self) -> Result<Config, Failure> {
        self.load(&self.options())
    }

    /// Does the same with other options.
    pub(in crate::cli) fn load(&self, options: &load::Options) -> Result<Config, Failure> {
        let config = load::load_within(options, &self.around)?;
        self.log.hide(&config.secrets);
        Ok(config)
    }

    /// Returns the file of the configuration that is changed, there or not.
    ///
    /// # Errors
    ///
    /// Nobody named one, and the user has no directory for it.
    pub(in crate::cli) fn changed_file(&self) -> Result<PathBuf, Failure> {
        load::changed(&self.options(), &self.around).ok_or_else(nowhere)
    }

    /// Returns the directory of state, for what cannot do without.
    ///
    /// # Errors
    ///
    /// Nobody named one, and the user has none.
    pub(in crate::cli) fn state(&self) -> Result<PathBuf, Failure> {
        self.around.state().ok_or_else(|| {
            let notice =
                Notice::error("there is no directory of state, to write down what is done");
            Failure::new(exit::FAILURE, notice.hint("name one with `CONFLUX_STATE`"))
        })
    }

    /// Returns how wide what is written to stdout may be, in characters: what is cut off can only
    /// be read in another way, so it has a width only on a terminal.
    pub(in crate::cli) fn width(&self) -> Option<usize> {
        let real = || terminal::size().map(|(columns, _)| columns);
        let columns = || self.around.columns().or_else(real).unwrap_or(table::WIDTH);
        io::stdout().is_terminal().then(columns)
    }

    /// Returns whether what is written to stdout may have colours: it is read at a terminal by
    /// somebody who did not say `NO_COLOR`.
    pub(in crate::cli) fn has_colours(&self) -> bool {
        io::stdout().is_terminal() && self.around.allows_colours()
    }
}

/// Says that a configuration could be nowhere.
pub(in crate::cli) fn nowhere() -> Failure {
    let notice = Notice::error("there is no place for a configuration");
    Failure::new(exit::CONFIG, notice.hint("name a file with `--config FILE`"))
}
