//! `conflux profile`: the parts of everything that clients can be given, and what is in them.

use clap::Args;
use clap::Subcommand;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::app::App;
use crate::catalog::Kind;
use crate::cli::context::Context;
use crate::cli::exit;
use crate::cli::output;
use crate::cli::report;
use crate::cli::report::Failure;
use crate::cli::report::Notice;
use crate::cli::report::printable;
use crate::cli::runtime;
use crate::cli::session;
use crate::cli::table;
use crate::cli::upstreams;
use crate::config;
use crate::config::hints::Hint;
use crate::config::suggest;
use crate::ids::UpstreamId;
use crate::router::View;

/// Tell which profiles there are, and what is in them
#[derive(Debug, Args)]
pub(in crate::cli) struct Profile {
    #[command(subcommand)]
    action: Action,
}

/// What to tell.
#[derive(Debug, Subcommand)]
enum Action {
    /// List the profiles of the configuration
    List {
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what is in one profile, as upstreams list it now
    Show {
        /// Its name
        name: String,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
}

impl Profile {
    /// Tells it.
    pub(in crate::cli) fn run(&self, context: &Context<'_>) -> Result<(), Failure> {
        let config = context.config()?;
        match &self.action {
            Action::List { json } => {
                output::data(&list(&config, *json, context.width()))?;
                if config.profiles.is_empty() {
                    let notice = Notice::warning("there is no profile");
                    output::tell(&[notice.hint("`profiles` in the configuration has them")]);
                }
                Ok(())
            }
            Action::Show { name, json } => {
                let Some(profile) = config.profiles.get(name).cloned() else {
                    return Err(unknown(name, &config));
                };
                output::tell(&report::warnings(&config));
                let width = context.width();
                let config = session::patient(config);
                runtime::wait(session::within(config, async |app| {
                    show(app, name, &profile, *json, width).await
                }))
            }
        }
    }
}

fn unknown(name: &str, config: &config::Config) -> Failure {
    let hint = match suggest::nearest(name, config.profiles.keys().map(String::as_str)) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => "`conflux profile list` shows those there are".to_owned(),
    };
    Failure::new(exit::UNKNOWN, Notice::error(format!("there is no profile `{name}`")).hint(hint))
}

fn list(config: &config::Config, json: bool, width: Option<usize>) -> String {
    if json {
        let all = config.profiles.iter().map(|(name, profile)| document(name, profile));
        return Value::Array(all.collect()).to_string();
    }
    let row = |(name, profile): (&String, &config::Profile)| {
        [name.clone(), members(profile), patterns(profile), clients(profile)]
    };
    let rows: Vec<_> = config.profiles.iter().map(row).collect();
    table::render(["PROFILE", "UPSTREAMS", "TOOLS", "CLIENTS"], &rows, width)
}

async fn show(
    app: &App,
    name: &str,
    profile: &config::Profile,
    json: bool,
    width: Option<usize>,
) -> Result<(), Failure> {
    let caller = session::caller(app);
    app.on_open()(&caller);
    upstreams::settled(app).await;
    let view = app.everything().view(&View::Profile(name.to_owned()));
    let snapshot = view.unwrap_or_else(|| app.router()).snapshot();
    let tools = |id: &UpstreamId| {
        let all = snapshot.catalog.entries(Kind::Tools).filter(|tool| tool.upstream == *id);
        all.map(|tool| tool.public.clone()).collect::<Vec<_>>()
    };
    if json {
        let mut document = document(name, profile);
        let of = |id: &UpstreamId| (id.as_str().to_owned(), Value::from(tools(id)));
        let listed = snapshot.upstreams.keys().map(of).collect();
        if let Some(fields) = document.as_object_mut() {
            fields.insert("listed".to_owned(), Value::Object(listed));
        }
        output::data(&document.to_string())?;
    } else {
        let all = |id: &UpstreamId| app.everything().as_listed(id, Kind::Tools).len().to_string();
        let row = |id: &UpstreamId| {
            let tools = tools(id);
            [id.to_string(), tools.len().to_string(), all(id), printable(&tools.join(", "))]
        };
        let rows: Vec<_> = snapshot.upstreams.keys().map(row).collect();
        let lines = [
            format!("tools      {}", patterns(profile)),
            format!("clients    {}", clients(profile)),
            format!("reached    `--profile {name}`, or at `/profiles/{name}/mcp` over HTTP"),
            String::new(),
            table::render(["UPSTREAM", "TOOLS", "OF", "NAMES"], &rows, width),
        ];
        output::data(&lines.join("\n"))?;
    }
    let (notices, outcome) = upstreams::notices(app);
    output::tell(&notices);
    outcome
}

fn document(name: &str, profile: &config::Profile) -> Value {
    let members = profile.upstreams.as_ref();
    let members = members.map(|all| all.iter().map(UpstreamId::as_str).collect::<Vec<_>>());
    let annotations = profile.tools.wanted().iter();
    let annotations = annotations.map(|(hint, is)| (hint.key().to_owned(), Value::Bool(is)));
    json!({
        "name": name,
        "upstreams": members,
        "allow": profile.tools.allow().collect::<Vec<_>>(),
        "deny": profile.tools.deny().collect::<Vec<_>>(),
        "annotations": annotations.collect::<Map<_, _>>(),
        "clients": profile.clients.iter().collect::<Vec<_>>(),
        "path": format!("/profiles/{name}/mcp"),
    })
}

fn members(profile: &config::Profile) -> String {
    match &profile.upstreams {
        None => "all".to_owned(),
        Some(all) => all.iter().map(UpstreamId::as_str).collect::<Vec<_>>().join(", "),
    }
}

fn patterns(profile: &config::Profile) -> String {
    let tools = &profile.tools;
    let listed = |all: Vec<String>, before: &str| {
        if all.is_empty() { String::new() } else { format!("{before}{}", all.join(", ")) }
    };
    let allow = listed(tools.allow().map(str::to_owned).collect(), "");
    let deny = listed(tools.deny().map(str::to_owned).collect(), ", but not ");
    let wanted = listed(tools.wanted().iter().map(annotation).collect(), "; ");
    format!("{allow}{deny}{wanted}")
}

fn annotation((hint, is): (Hint, bool)) -> String {
    format!("{}: {is}", hint.key())
}

fn clients(profile: &config::Profile) -> String {
    let clients: Vec<_> = profile.clients.iter().collect();
    if clients.is_empty() { "-".to_owned() } else { clients.join(", ") }
}
