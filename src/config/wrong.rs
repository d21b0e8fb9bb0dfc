//! Says what is wrong with what somebody wrote, at its place.

use crate::config::problem::KeyPath;
use crate::config::problem::Problem;
use crate::config::validate::Check;

impl Check<'_> {
    /// Reports what is wrong with the value at `path`.
    pub(super) fn wrong(&mut self, path: &KeyPath, message: String, hint: &str) {
        let place = self.context.places.value(path);
        self.problems.push(Problem::at(&place, path, message).hint(hint));
    }

    /// Reports what is wrong with the key at `path`.
    pub(super) fn wrong_key(&mut self, path: &KeyPath, message: String, hint: &str) {
        let place = self.context.places.key(path);
        self.problems.push(Problem::at(&place, path, message).hint(hint));
    }
}
