//! One question: who wants what; and what the policy says of it.

use std::sync::Arc;

use crate::app::App;
use crate::catalog::Kind;
use crate::config::suggest;
use crate::policy::Arguments;
use crate::policy::Decision;
use crate::policy::Policy;
use crate::policy::Target;
use crate::policy::Who;
use crate::policy::vocabulary::Vocabulary;
use crate::router::View;
use crate::wire::Raw;

/// Who wants something.
#[derive(Clone, Debug)]
pub(super) struct Asking {
    pub(super) principal: String,
    pub(super) groups: Vec<String>,
    /// In lower case.
    pub(super) client: String,
    pub(super) profile: Option<String>,
}

/// What they want.
#[derive(Clone, Debug)]
pub(super) enum Wanted {
    Call(String),
    Prompt(String),
    Read(String),
}

/// What there is, and what may be done with it.
pub(super) struct Oracle<'a> {
    pub(super) app: &'a App,
    pub(super) policy: &'a Policy,
    pub(super) vocabulary: &'a Vocabulary,
}

/// What becomes of a question.
pub(super) enum Answer<'a> {
    /// There is no such thing, or not in that profile.
    Unknown,
    /// It is hidden, whatever the arguments.
    Hidden(Decision<'a>),
    /// It is seen, and this is what becomes of the arguments.
    Seen(Decision<'a>),
}

impl Answer<'_> {
    /// Returns the word for it.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Unknown | Self::Hidden(_) => "hidden",
            Self::Seen(decision) if decision.is_allowed() => "allow",
            Self::Seen(_) => "deny",
        }
    }
}

impl Wanted {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Call(name) | Self::Prompt(name) | Self::Read(name) => name,
        }
    }
}

impl<'a> Oracle<'a> {
    /// Answers a question.
    pub(super) fn answer(
        &self,
        asking: &Asking,
        wanted: &Wanted,
        arguments: Option<&Raw>,
    ) -> Answer<'a> {
        let decide = |target: &Target<'_>| {
            let who = asking.who();
            let any = self.policy.decide(&who, target, Arguments::Unknown);
            if any.outcome == crate::policy::Outcome::Refused {
                return Answer::Hidden(any);
            }
            let arguments = arguments.map_or(Arguments::None, Arguments::Given);
            Answer::Seen(self.policy.decide(&who, target, arguments))
        };
        self.with_target(asking, wanted, decide).unwrap_or(Answer::Unknown)
    }

    /// Finds what is wanted, and does something with it; nothing if there is no such thing.
    pub(super) fn with_target<T>(
        &self,
        asking: &Asking,
        wanted: &Wanted,
        work: impl FnOnce(&Target<'_>) -> T,
    ) -> Option<T> {
        let everything = self.app.everything();
        let view = asking.profile.clone().map(View::Profile);
        let router = match view {
            Some(view) => everything.view(&view)?,
            None => Arc::clone(everything),
        };
        let catalog = router.catalog();
        match wanted {
            Wanted::Call(name) => {
                let tool = self.vocabulary.tools.iter().find(|tool| tool.name == *name)?;
                let is_there = catalog.tool(name).is_some() || catalog.own_tool(name).is_some();
                is_there.then(|| work(&Target::Tool(tool)))
            }
            Wanted::Prompt(name) => {
                let entry = catalog.named(Kind::Prompts, name)?;
                let (upstream, local) = (entry.upstream.as_str(), &entry.local);
                Some(work(&Target::Prompt { upstream, name, local }))
            }
            Wanted::Read(uri) => {
                let owner = catalog.template_owner(uri)?;
                let (upstream, uri) = (owner.upstream.as_str(), &owner.local);
                Some(work(&Target::Resource { upstream, uri }))
            }
        }
    }
}

impl Oracle<'_> {
    /// Returns what to do about a name that nothing has.
    pub(super) fn instead_of(&self, name: &str) -> String {
        let tools = self.vocabulary.tools.iter().map(|tool| tool.name.as_str());
        let known = tools.chain(self.vocabulary.prompts.iter().map(String::as_str));
        match suggest::nearest(name, known) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => "`--connect` starts the upstreams, to see what they have now".to_owned(),
        }
    }
}

impl Asking {
    /// Returns the same for the policy.
    pub(super) fn who(&self) -> Who<'_> {
        Who {
            principal: &self.principal,
            groups: &self.groups,
            client: &self.client,
            profile: self.profile.as_deref(),
        }
    }
}
