//! Tools that are other than their servers list them: made once, when the catalog is merged.
//!
//! What callers are shown and what they may send follow from the same rules, so that what fits the
//! schema as it is shown becomes what fits the one the server gave.

mod argument;
mod change;
mod definition;
mod dependent;
mod follow;
mod named;
mod schema;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

pub use self::argument::Refused;
pub use self::change::Change;
pub use self::follow::Unfollowed;

use crate::catalog::Defect;
use crate::catalog::Kind;
use crate::catalog::Source;
use crate::catalog::defect::Problem;
use crate::catalog::item::Item;
use crate::catalog::shape::argument::Arguments;
use crate::catalog::shape::definition::Made;
use crate::config::overrides::Different;
use crate::config::overrides::Overrides;
use crate::wire::Raw;

/// How a tool differs from what its server lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    changes: Vec<Change>,
    arguments: Arguments,
    timeout: Option<Duration>,
}

impl Shape {
    /// Returns what is different, in the order in which people would tell it.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Returns how long the answer to a call may take, if this is a variant that says so.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// Returns the arguments that the server is sent for those that came; nothing if they are the
    /// same.
    ///
    /// # Errors
    ///
    /// If they name one that callers are not shown, or cannot be read beyond doubt.
    pub fn arguments(&self, came: Option<&Raw>) -> Result<Option<Raw>, Refused> {
        self.arguments.sent_for(came)
    }
}

/// An item that is other than its upstream listed it.
#[derive(Clone, Debug)]
pub(in crate::catalog) struct Shaped {
    /// What it is called, before that is made a public name.
    pub(in crate::catalog) name: String,
    /// What it is listed as, but for that name.
    pub(in crate::catalog) definition: Raw,
    pub(in crate::catalog) shape: Arc<Shape>,
    /// Whether it stands beside the tool it is made of.
    pub(in crate::catalog) is_variant: bool,
}

/// Gives the tools of one upstream their shapes, and adds the variants, each behind the tool it is
/// made of.
pub(in crate::catalog) fn shape<'a>(
    source: &Source,
    overrides: &Overrides,
    items: Vec<Item<'a>>,
    defects: &mut Vec<Defect>,
) -> Vec<Item<'a>> {
    if !overrides.is_shaping() {
        return items;
    }
    let mut shaped = Vec::with_capacity(items.len());
    let report = |item: &Item<'_>, unfollowed: Vec<Unfollowed>, defects: &mut Vec<Defect>| {
        defects.extend(unfollowed.into_iter().map(|it| Defect {
            upstream: source.upstream.clone(),
            kind: Kind::Tools,
            index: item.index,
            local: Some(item.local.clone()),
            problem: Problem::Unfollowed(it),
        }));
    };
    for item in items {
        let variants = overrides.variants().iter().filter(|it| it.of == item.local);
        let beside: Vec<_> = variants
            .filter_map(|variant| {
                let mut made = definition::make(&item, &variant.different());
                made.changes.insert(0, Change::VariantOf(item.local.clone()));
                report(&item, std::mem::take(&mut made.unfollowed), defects);
                let shaped = made.shaped(variant.name.clone(), variant.timeout(), true);
                item.again(shaped)
            })
            .collect();
        let different = overrides.different(&item.local);
        shaped.push(if different.is_nothing() {
            item
        } else {
            let mut made = made(&item, &different);
            report(&item, std::mem::take(&mut made.unfollowed), defects);
            let name = different.name.unwrap_or(&item.local).to_owned();
            Item { shaped: Some(made.shaped(name, None, false)), ..item }
        });
        shaped.extend(beside);
    }
    defects.extend(idle_patterns(source, overrides, &shaped));
    shaped
}

fn made(item: &Item<'_>, different: &Different<'_>) -> Made {
    let mut made = definition::make(item, different);
    if different.name.is_some_and(|name| name != item.local) {
        made.changes.insert(0, Change::Named(item.local.clone()));
    }
    made
}

impl Made {
    fn shaped(self, name: String, timeout: Option<Duration>, is_variant: bool) -> Shaped {
        let Self { definition, changes, arguments, unfollowed: _ } = self;
        let shape = Arc::new(Shape { changes, arguments, timeout });
        Shaped { name, definition, shape, is_variant }
    }
}

/// Tells of arguments that a pattern names and none of the tools it is about has.
fn idle_patterns(source: &Source, overrides: &Overrides, items: &[Item<'_>]) -> Vec<Defect> {
    let originals = || items.iter().filter(|item| !item.is_variant());
    let is_idle = |(pattern, argument): &(&str, &str)| {
        let mut about = originals().filter(|item| overrides.is_about(pattern, &item.local));
        let mut has_any = false;
        let has = about.any(|item| {
            has_any = true;
            schema::has_argument(item, argument)
        });
        has_any && !has
    };
    let defect = |(pattern, argument): (&str, &str)| Defect {
        upstream: source.upstream.clone(),
        kind: Kind::Tools,
        index: 0,
        local: Some(pattern.to_owned()),
        problem: Problem::Unfollowed(Unfollowed::of_pattern(argument)),
    };
    overrides.patterns().filter(is_idle).map(defect).collect()
}
