//! `conflux policy explain`: what becomes of one wish, by which rule, and what would have to match.

use std::time::SystemTime;

use clap::Args;
use serde_json::Value;
use serde_json::json;

use crate::app::App;
use crate::auth;
use crate::auth::Store;
use crate::auth::store::Record;
use crate::auth::store::Scope;
use crate::cli::command::policy;
use crate::cli::command::policy::ask::Answer;
use crate::cli::command::policy::ask::Asking;
use crate::cli::command::policy::ask::Oracle;
use crate::cli::command::policy::ask::Wanted;
use crate::cli::command::token;
use crate::cli::context::Context;
use crate::cli::exit;
use crate::cli::output;
use crate::cli::report::Failure;
use crate::cli::report::Notice;
use crate::cli::report::printable;
use crate::config::Config;
use crate::config::secrets::Secrets;
use crate::policy::Arguments;
use crate::policy::Decision;
use crate::policy::Reason;
use crate::policy::Rule;
use crate::wire::Raw;

/// Tell what becomes of a call, a prompt or a resource, and which rule says so
///
/// `--profile` says which profile is in use.
#[derive(Debug, Args)]
pub(in crate::cli) struct Explain {
    /// The public name of a tool or a prompt, or the address of a resource
    name: String,
    /// Who wants it, such as `user:ann@example.com`, `token:ci`, `process` or `anonymous`
    #[arg(long = "as", value_name = "NAME", default_value = "process")]
    principal: String,
    /// A group they are in; can be given several times. Without it: what their token says, if it is
    /// a token of this machine
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// What their client calls itself
    #[arg(long, value_name = "NAME", default_value = "")]
    client: String,
    /// The arguments of the call, a JSON object
    #[arg(long = "args", value_name = "JSON")]
    arguments: Option<String>,
    /// Start every upstream and see what it has now
    #[arg(long)]
    connect: bool,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

impl Explain {
    /// Tells it.
    pub(super) fn run(&self, context: &Context<'_>, config: Config) -> Result<(), Failure> {
        let arguments = self.arguments.clone().map(Raw::parse).transpose().map_err(|error| {
            let notice = Notice::error("`--args` is no JSON").cause(error);
            Failure::new(exit::USAGE, notice.hint("write an object, as in '{\"path\": \"/etc\"}'"))
        })?;
        let groups = self.groups(context)?;
        policy::looking(config, self.connect, async |app| {
            output::data(&self.explanation(app, groups, arguments.as_ref())?)
        })
    }

    /// Returns the groups they are in: those that are given, or else those of their token.
    fn groups(&self, context: &Context<'_>) -> Result<Vec<String>, Failure> {
        if !self.groups.is_empty() || !self.principal.starts_with("token:") {
            return Ok(self.groups.clone());
        }
        let store = Store::new(auth::directory(&context.state()?));
        let tokens = store.list().map_err(|error| token::failure(&error))?;
        let is_theirs = |token: &Record| token.principal_name() == self.principal;
        // Of those of one name, only the last can be good.
        let Some(token) = tokens.into_iter().rfind(is_theirs) else { return Ok(Vec::new()) };
        if !token.is_good(SystemTime::now()) {
            let message = format!("`{}` is {}", self.principal, token::state(&token));
            let hint = "whoever brings it is turned away, whatever the policy says";
            output::tell(&[Notice::warning(message).hint(hint)]);
        }
        let Scope { groups, profiles, tools } = token.scope;
        let told = [
            (&groups, "is in the groups", "as its token says"),
            (&tools, "sees no tools but", "whatever the policy says"),
            (&profiles, "sees no profiles but", "whatever the policy says"),
        ];
        for (names, what, why) in told.into_iter().filter(|(names, ..)| !names.is_empty()) {
            output::say(&format!("`{}` {what} `{}`, {why}", self.principal, names.join("`, `")));
        }
        Ok(groups)
    }

    fn explanation(
        &self,
        app: &App,
        groups: Vec<String>,
        arguments: Option<&Raw>,
    ) -> Result<String, Failure> {
        let rules = app.everything().policy().ok_or_else(policy::nothing)?;
        let vocabulary = app.everything().vocabulary(app.config());
        let oracle = Oracle { app, policy: &rules, vocabulary: &vocabulary };
        let asking = Asking {
            principal: self.principal.clone(),
            groups,
            client: self.client.to_lowercase(),
            profile: app.config().profile.clone(),
        };
        let name = || self.name.clone();
        let kinds = [Wanted::Call(name()), Wanted::Prompt(name()), Wanted::Read(name())];
        let is_there = |it: &&Wanted| oracle.with_target(&asking, it, |_| ()).is_some();
        let wanted = kinds.iter().find(is_there).ok_or_else(|| self.unknown(&oracle))?;
        let answer = oracle.answer(&asking, wanted, arguments);
        let decision = match &answer {
            Answer::Unknown => return Err(self.unknown(&oracle)),
            Answer::Hidden(decision) | Answer::Seen(decision) => decision,
        };
        let given = arguments.map_or(Arguments::None, Arguments::Given);
        let misses = oracle.with_target(&asking, wanted, |target| match decision.reason {
            Reason::NoRule(_) => {
                let who = asking.who();
                let misses = rules.misses(&who, target, given).into_iter();
                misses.map(|miss| (miss.rule.clone(), miss.unmet)).collect()
            }
            Reason::Rule(_) | Reason::Doubt(_) => Vec::new(),
        });
        let misses: Vec<(Rule, Vec<String>)> = misses.unwrap_or_default();
        let found = Found { name: &self.name, answer: &answer, decision, misses: &misses };
        let secrets = &app.config().secrets;
        Ok(if self.json {
            found.document(secrets).to_string()
        } else {
            printable(&secrets.mask(&found.text()))
        })
    }

    fn unknown(&self, oracle: &Oracle<'_>) -> Failure {
        let name = oracle.app.config().secrets.mask(&self.name);
        let message = format!("there is no tool, prompt or resource `{name}` in earlier runs");
        Failure::new(exit::UNKNOWN, Notice::error(message).hint(oracle.instead_of(&self.name)))
    }
}

/// What becomes of it, in words.
fn outcome(answer: &Answer<'_>) -> &'static str {
    match answer {
        Answer::Unknown | Answer::Hidden(_) => "hidden, and refused like what there is not",
        Answer::Seen(decision) if decision.is_allowed() => "allowed",
        Answer::Seen(_) => "seen, but refused with these arguments",
    }
}

/// What is told of a question.
struct Found<'a> {
    name: &'a str,
    answer: &'a Answer<'a>,
    decision: &'a Decision<'a>,
    misses: &'a [(Rule, Vec<String>)],
}

impl Found<'_> {
    /// Tells it to people.
    fn text(&self) -> String {
        let Self { name, answer, decision, misses } = self;
        let mut lines = vec![format!("{name}: {}", outcome(answer)), format!("because {decision}")];
        if let Some(place) = decision.rule().and_then(Rule::place) {
            lines.push(format!("at {place}"));
        }
        if let Some(rule) = decision.rule() {
            lines.extend(rule.conditions().lines().map(|line| format!("  {line}")));
        }
        for (rule, unmet) in *misses {
            let place = rule.place().filter(|place| *place != rule.title());
            let place = place.map(|place| format!(" ({place})")).unwrap_or_default();
            lines.push(format!("`{}`{place} would allow it, but:", rule.title()));
            if unmet.is_empty() {
                lines.extend(rule.conditions().lines().map(|line| format!("  {line}")));
            }
            lines.extend(unmet.iter().map(|unmet| format!("  {unmet}")));
        }
        lines.join("\n")
    }

    /// Tells it to programs, without any of `secrets`.
    fn document(&self, secrets: &Secrets) -> Value {
        let masked = |text: &str| secrets.mask(text).into_owned();
        let rule = |rule: &Rule| {
            json!({
                "name": rule.name,
                "file": rule.spot.file,
                "line": rule.spot.line,
                "conditions": masked(&rule.conditions()),
            })
        };
        let misses = self.misses.iter().map(|(missed, unmet)| {
            let unmet: Vec<_> = unmet.iter().map(|unmet| masked(unmet)).collect();
            json!({ "rule": rule(missed), "unmet": unmet })
        });
        json!({
            "name": masked(self.name),
            "decision": self.answer.word(),
            "reason": masked(&self.decision.to_string()),
            "rule": self.decision.rule().map(rule),
            "misses": misses.collect::<Vec<_>>(),
        })
    }
}
