//! Texts that nothing is filled into, such as those of rules: what looks as if something should be
//! would match nothing, and a rule that denies would deny nothing.

use crate::config::file::policy::Texts;
use crate::config::interpolate;
use crate::config::interpolate::Piece;
use crate::config::problem::KeyPath;
use crate::config::problem::Place;
use crate::config::validate::Check;

const HINT: &str = "write the value itself, or `$${` for a plain `${`: neither secrets nor the \
                    environment are put into rules";

impl Check<'_> {
    /// Reads texts that nothing is filled into; those that wait for that are problems.
    pub(super) fn plain_texts(&mut self, texts: &Texts, path: &KeyPath) -> Vec<String> {
        let each = texts.0.iter().enumerate();
        each.filter_map(|(index, text)| self.plain(text, &self.item(path, index))).collect()
    }

    /// Reads one of them.
    pub(super) fn plain(&mut self, text: &str, path: &KeyPath) -> Option<String> {
        let mut plain = String::with_capacity(text.len());
        let mut is_plain = true;
        for piece in interpolate::pieces(text) {
            let message = match piece {
                Piece::Text(text) => {
                    plain.push_str(text);
                    continue;
                }
                Piece::Reference(inside) => {
                    format!("`{path}` has `${{{inside}}}`, but nothing is filled in there")
                }
                Piece::Unclosed => format!("`{path}` has `${{` without `}}`"),
            };
            self.wrong(path, message, HINT);
            is_plain = false;
        }
        is_plain.then_some(plain)
    }

    /// Returns where an item of a list is written. It may be a text that stands for the list, or
    /// for the map that has the list.
    pub(super) fn item(&self, path: &KeyPath, index: usize) -> KeyPath {
        let is_there = |path: &KeyPath| !matches!(self.context.places.value(path), Place::Nowhere);
        let item = path.index(index);
        if is_there(&item) {
            item
        } else if is_there(path) {
            path.clone()
        } else {
            path.parent().unwrap_or_default()
        }
    }
}
