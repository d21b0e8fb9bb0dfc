//! What a policy can speak of.

use crate::config::suggest;
use crate::policy::Tool;
use crate::policy::mentions::Mention;

/// What there is that a policy can name.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    /// The keys of all upstreams, and what stands for Conflux itself.
    pub upstreams: Vec<String>,
    /// All tools.
    pub tools: Vec<Tool>,
    /// The public names of all prompts.
    pub prompts: Vec<String>,
    /// What the public names of tools begin with whose upstreams have never listed any.
    pub unlisted_tools: Vec<String>,
    /// The same for prompts.
    pub unlisted_prompts: Vec<String>,
}

impl Vocabulary {
    /// Says that nothing has this name, unless something has or may have it.
    pub(super) fn missing(&self, mention: &Mention<'_>) -> Option<(String, String)> {
        let tools = || self.tools.iter().map(|tool| tool.name.as_str());
        let prompts = || self.prompts.iter().map(String::as_str);
        let upstreams = || self.upstreams.iter().map(String::as_str);
        let (word, nearest, is_there, may_be) = match *mention {
            Mention::Tool(name) => (
                "tool",
                suggest::nearest(name, tools()),
                tools().any(|it| it == name),
                Self::may_have(&self.unlisted_tools, name),
            ),
            Mention::Prompt(name) => (
                "prompt",
                suggest::nearest(name, prompts()),
                prompts().any(|it| it == name),
                Self::may_have(&self.unlisted_prompts, name),
            ),
            Mention::Upstream(name) => (
                "upstream",
                suggest::nearest(name, upstreams()),
                upstreams().any(|it| it == name),
                false,
            ),
        };
        if is_there || may_be {
            return None;
        }
        let message = format!("there is no {word} `{}`", mention.name().escape_debug());
        let hint = match nearest {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => format!("`conflux tools` lists every {word} there is, under its public name"),
        };
        Some((message, hint))
    }

    /// Whether something is not there yet; `missing` found that it may come.
    pub(super) fn is_later(&self, mention: &Mention<'_>) -> bool {
        match *mention {
            Mention::Tool(name) => !self.tools.iter().any(|it| it.name == name),
            Mention::Prompt(name) => !self.prompts.iter().any(|it| it == name),
            Mention::Upstream(_) => false,
        }
    }

    fn may_have(stems: &[String], name: &str) -> bool {
        stems.iter().any(|stem| name.starts_with(stem.as_str()))
    }
}
