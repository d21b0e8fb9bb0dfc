//! A place in a file, for what is found wrong once the configuration is read.

use std::path::PathBuf;

use crate::config::problem::KeyPath;
use crate::config::problem::Place;
use crate::config::problem::Problem;

/// A place in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Spot {
    /// The file, as the user named it.
    pub file: Option<PathBuf>,
    /// The line, from 1.
    pub line: Option<u32>,
    /// The column, in characters, from 1.
    pub column: Option<u32>,
}

impl Spot {
    /// Makes a problem at this place.
    pub fn problem(&self, message: impl Into<String>) -> Problem {
        let Self { file, line, column } = self.clone();
        Problem { file, line, column, ..Problem::new(message) }
    }
}

impl From<&Place> for Spot {
    fn from(place: &Place) -> Self {
        let Problem { file, line, column, .. } = Problem::at(place, &KeyPath::default(), "");
        Self { file, line, column }
    }
}
