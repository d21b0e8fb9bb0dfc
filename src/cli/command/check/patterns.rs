//! Patterns that match no tool there is: a slip that hides nothing, or everything.

use crate::app::App;
use crate::catalog;
use crate::catalog::Kind;
use crate::cli::report::Notice;
use crate::config::patterns::Patterns;
use crate::config::tools::ToolFilter;

const CORRECT: &str = "correct it, or remove it; `conflux tools` shows the names there are";

/// The names of a tool: the one its upstream gave, and the public one.
struct Names {
    local: String,
    public: String,
}

/// Which of the names of a tool patterns are about.
#[derive(Clone, Copy)]
enum About {
    Local,
    Public,
}

/// Warns of every pattern that matches nothing, where everything is known that it could match.
pub(super) fn idle(app: &App) -> Vec<Notice> {
    let mut notices = Vec::new();
    let mut is_complete = true;
    for handle in app.everything().snapshot().upstreams.values() {
        let Some(tools) = app.everything().listed_tools(handle.id()) else {
            is_complete = false;
            continue;
        };
        let name = |(local, public)| Names { local, public };
        let names: Vec<_> = tools.into_iter().map(name).collect();
        let key = format!("upstreams.{}.tools", handle.id());
        let config = handle.config();
        notices.extend(warned(&config.tools, &key, &names, About::Local));
        if let Some(patterns) = config.cache.as_ref().and_then(|cache| cache.tools.as_ref()) {
            let key = format!("upstreams.{}.cache.tools", handle.id());
            notices.extend(warned_of(patterns, &key, &names, About::Local));
        }
        let locals = || names.iter().map(|names| names.local.as_str());
        let lost = config.overrides.lost(locals).map(|variant| {
            let key = format!("{key}.variants.{}.of", variant.name);
            of_nothing(&variant.of, &key)
        });
        notices.extend(lost);
        let key = format!("{key}.override");
        notices
            .extend(config.overrides.idle(locals).into_iter().map(|name| of_nothing(name, &key)));
    }
    if !is_complete {
        return notices;
    }
    let shown = app.everything().snapshot();
    let names = |entry: &catalog::Entry| {
        let (local, public) = (entry.local.clone(), entry.public.clone());
        Names { local, public }
    };
    let all: Vec<_> = shown.catalog.entries(Kind::Tools).map(names).collect();
    let publics = || all.iter().map(|names| names.public.as_str());
    let everywhere = &app.config().exposure.pinned;
    let pinned = |patterns: &Patterns, key: &str| -> Vec<Notice> {
        patterns.idle(publics).into_iter().map(|pattern| of_nothing(pattern, key)).collect()
    };
    notices.extend(pinned(everywhere, "pinned"));
    for (name, profile) in &app.config().profiles {
        let key = format!("profiles.{name}.tools");
        notices.extend(warned(&profile.tools, &key, &all, About::Public));
        if profile.exposure.pinned != *everywhere {
            notices.extend(pinned(&profile.exposure.pinned, &format!("profiles.{name}.pinned")));
        }
    }
    for (index, quota) in app.config().limits.quotas.iter().enumerate() {
        let key = format!("limits.quotas[{index}].tools");
        notices.extend(warned_of(&quota.about.tools, &key, &all, About::Public));
    }
    notices
}

fn of_nothing(name: &str, key: &str) -> Notice {
    matches_nothing(name, key).hint(CORRECT)
}

fn matches_nothing(pattern: &str, key: &str) -> Notice {
    Notice::warning(format!("`{pattern}` in `{key}` matches no tool there is"))
}

fn warned(tools: &ToolFilter, key: &str, names: &[Names], about: About) -> Vec<Notice> {
    let each = tools.patterns().into_iter();
    each.flat_map(|patterns| warned_of(patterns, key, names, about)).collect()
}

fn warned_of(patterns: &Patterns, key: &str, names: &[Names], about: About) -> Vec<Notice> {
    let locals = || names.iter().map(|names| names.local.as_str());
    let publics = || names.iter().map(|names| names.public.as_str());
    let (idle, other) = match about {
        About::Local => (patterns.idle(locals), patterns.idle(publics)),
        About::Public => (patterns.idle(publics), patterns.idle(locals)),
    };
    let warn = |pattern: &str| {
        let notice = matches_nothing(pattern, key);
        let is_of_the_other_kind = !other.contains(&pattern);
        notice.hint(match (about, is_of_the_other_kind) {
            (About::Local, true) => {
                "patterns of an upstream are about its own names, which have no prefix"
            }
            (About::Public, true) => {
                "patterns of profiles and limits are about public names, as `conflux tools` shows \
                 them"
            }
            (_, false) => CORRECT,
        })
    };
    idle.into_iter().map(warn).collect()
}
