//! What a written value refers to (`${…}`).

use crate::config::interpolate::Piece;
use crate::config::interpolate::is_name;
use crate::config::interpolate::pieces;

/// Returns the variables that a value refers to without saying what counts if they are not set.
pub fn variables(value: &str) -> Vec<&str> {
    let needed = |inside: &str| !inside.contains(":-") && !inside.starts_with("file:");
    let inside = references(value).into_iter().filter(|inside| needed(inside));
    inside.map(|it| it.strip_prefix("env:").unwrap_or(it)).filter(|it| is_name(it)).collect()
}

/// Returns the files that a value refers to, as they are written.
pub fn files(value: &str) -> Vec<&str> {
    references(value).into_iter().filter_map(|inside| inside.strip_prefix("file:")).collect()
}

fn references(value: &str) -> Vec<&str> {
    let inside = |piece| match piece {
        Piece::Reference(inside) => Some(inside),
        Piece::Text(_) | Piece::Unclosed => None,
    };
    pieces(value).into_iter().filter_map(inside).collect()
}

#[cfg(test)]
mod tests {
    use crate::setup::mentions::files;
    use crate::setup::mentions::variables;

    #[test]
    fn references_are_found() {
        let value = "${A} $${B} ${env:C} ${D:-x} ${file:~/t} ${E";
        assert_eq!(variables(value), ["A", "C"]);
        assert_eq!(files(value), ["~/t"]);
    }
}
