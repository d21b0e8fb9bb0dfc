//! Tools that are other than their servers list them: made once, when the catalog is merged.

use crate::catalog::Change;
use crate::catalog::Defect;
use crate::catalog::Kind;
use crate::catalog::Source;
use crate::catalog::Unfollowed;
use crate::catalog::defect::Problem;
use crate::catalog::item::Item;
use crate::catalog::shape;
use crate::catalog::shape::Made;
use crate::config::overrides::Different;
use crate::config::overrides::Overrides;

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
                let mut made = shape::make(&item.repaired(), &variant.different());
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
    let mut made = shape::make(&item.repaired(), different);
    if different.name.is_some_and(|name| name != item.local) {
        made.changes.insert(0, Change::Named(item.local.clone()));
    }
    made
}

/// Tells of arguments that a pattern names and none of the tools it is about has.
fn idle_patterns(source: &Source, overrides: &Overrides, items: &[Item<'_>]) -> Vec<Defect> {
    let originals = || items.iter().filter(|item| !item.is_variant());
    let is_idle = |(pattern, argument): &(&str, &str)| {
        let mut about = originals().filter(|item| overrides.is_about(pattern, &item.local));
        let mut has_any = false;
        let has = about.any(|item| {
            has_any = true;
            shape::has_argument(item.raw, argument)
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
