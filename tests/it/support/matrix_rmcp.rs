//! The client of rmcp in the matrix: it takes the same wish as the clients of other SDKs, and gives
//! the same report; see `tests/real/clients/features.mjs`.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use rmcp::model::CallToolRequestParams;
use rmcp::model::CallToolResponse;
use rmcp::model::CallToolResult;
use rmcp::model::GetPromptRequestParams;
use rmcp::model::GetTaskParams;
use rmcp::model::ReadResourceRequestParams;
use rmcp::model::RequestMetaObject;
use rmcp::model::RequestParamsMeta as _;
use rmcp::model::TaskPayload;
use rmcp::service::RoleClient;
use rmcp::service::RunningService;
use rmcp::service::ServiceError;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;
use tokio::time::sleep;
use tokio::time::timeout;

use crate::support::matrix_handler::Answers;
use crate::support::matrix_handler::Heard;
use crate::support::matrix_handler::connect;
use crate::support::programs::Program;

/// How long a client waits for anything.
const PATIENCE: Duration = Duration::from_secs(20);
const TEXT: &str = "größe \u{1f980} \"x\"\n";

/// What a feature did instead of what it should.
type Outcome = Result<(), String>;

#[derive(Deserialize)]
pub(crate) struct Wish {
    pub(crate) revision: String,
    pub(crate) transport: String,
    pub(crate) walk: Vec<Target>,
}

#[derive(Deserialize)]
pub(crate) struct Target {
    pub(crate) key: String,
    prefix: String,
    features: Vec<Wanted>,
}

#[derive(Deserialize)]
struct Wanted {
    feature: String,
    expected: String,
}

struct Walk<'a> {
    client: &'a RunningService<RoleClient, Answers>,
    heard: Arc<Mutex<Heard>>,
    listed: &'a Listed,
    target: &'a Target,
    state: String,
    is_modern: bool,
}

/// The names of everything that is listed.
struct Listed {
    names: Vec<String>,
}

/// Uses every feature of every server, as wished.
pub(crate) async fn walk(wish: &Value, server: &Program) -> Value {
    let wish: Wish = serde_json::from_value(wish.clone()).unwrap();
    let (client, subscription) = connect(&wish, server).await;
    let is_modern = subscription.is_some();
    let listed = Listed::of(&client).await;
    let mut walked = Vec::new();
    for target in &wish.walk {
        let state = format!("matrix://{}/state", target.key);
        let heard = client.service().heard();
        let walk = Walk { client: &client, heard, listed: &listed, target, state, is_modern };
        for wanted in &target.features {
            let outcome = timeout(PATIENCE * 2, walk.feature(wanted)).await;
            let outcome = outcome.unwrap_or_else(|_| Err("it took too long".to_owned()));
            let (key, feature) = (&target.key, &wanted.feature);
            walked.push(json!({"key": key, "feature": feature, "detail": outcome.err()}));
        }
    }
    let protocol = client.peer_info().unwrap().protocol_version.to_string();
    drop(subscription);
    client.cancel().await.unwrap();
    json!({"protocol": protocol, "walked": walked})
}

impl Listed {
    async fn of(client: &RunningService<RoleClient, Answers>) -> Self {
        let mut names = Vec::new();
        let tools = client.list_all_tools().await.unwrap();
        names.extend(tools.into_iter().map(|tool| tool.name.into_owned()));
        let resources = client.list_all_resources().await.unwrap();
        names.extend(resources.into_iter().map(|resource| resource.uri));
        let templates = client.list_all_resource_templates().await.unwrap();
        names.extend(templates.into_iter().map(|template| template.uri_template));
        let prompts = client.list_all_prompts().await.unwrap();
        names.extend(prompts.into_iter().map(|prompt| prompt.name));
        Self { names }
    }

    fn has(&self, name: &str) -> Outcome {
        let is_there = self.names.iter().any(|listed| listed == name);
        if is_there { Ok(()) } else { Err(format!("`{name}` is not listed")) }
    }
}

impl Walk<'_> {
    async fn feature(&self, wanted: &Wanted) -> Outcome {
        match (wanted.expected.as_str(), wanted.feature.as_str()) {
            ("refused", feature) => self.refused(feature).await,
            ("waited", _) => self.answers("task", "worked").await,
            (_, "list") => self.list(),
            (_, "call") => self.call().await,
            (_, "error") => self.error().await,
            (_, "progress") => self.progress().await,
            (_, "cancel") => self.cancel().await,
            (_, "log") => self.log().await,
            (_, "list_changed") => self.list_changed().await,
            (_, "subscribe") => self.subscribe().await,
            (_, "complete") => self.complete().await,
            (_, "sample") => self.answers("sample", "hello").await,
            (_, "roots") => self.answers("roots", "file:///x").await,
            (_, "elicit_form") => self.answers("elicit_form", "accept Ada").await,
            (_, "elicit_url") => self.answers("elicit_url", "accept").await,
            (_, "task") => self.task().await,
            (_, feature) => Err(format!("no feature is called `{feature}`")),
        }
    }

    fn public(&self, name: &str) -> String {
        format!("{}{name}", self.target.prefix)
    }

    fn params(&self, name: &str, arguments: Value) -> CallToolRequestParams {
        let arguments = arguments.as_object().cloned().unwrap();
        CallToolRequestParams::new(self.public(name)).with_arguments(arguments)
    }

    async fn tool(&self, name: &str, arguments: Value) -> Result<CallToolResult, ServiceError> {
        self.client.call_tool(self.params(name, arguments)).await
    }

    async fn says(&self, name: &str, arguments: Value, expected: &str) -> Outcome {
        let result = self.tool(name, arguments).await.map_err(|error| error.to_string())?;
        expect(text(&result)?, expected)
    }

    async fn answers(&self, name: &str, expected: &str) -> Outcome {
        self.says(name, json!({}), expected).await
    }

    fn list(&self) -> Outcome {
        self.listed.has(&self.public("echo"))?;
        self.listed.has(&self.state)?;
        self.listed.has(&format!("matrix://{}/{{name}}", self.target.key))?;
        self.listed.has(&self.public("greet"))
    }

    async fn call(&self) -> Outcome {
        self.says("echo", json!({"text": TEXT}), TEXT).await?;
        let arguments = json!({"name": "Ada"}).as_object().cloned().unwrap();
        let greet = GetPromptRequestParams::new(self.public("greet")).with_arguments(arguments);
        let prompt = self.client.get_prompt(greet).await.map_err(|error| error.to_string())?;
        expect(json!(prompt)["messages"][0]["content"]["text"].take(), "Hello, Ada!")
    }

    async fn error(&self) -> Outcome {
        let failed = self.tool("fail", json!({})).await.map_err(|error| error.to_string())?;
        expect(json!(failed)["isError"].take(), true)?;
        expect(json!(failed)["content"][0]["text"].take(), "it failed as asked")?;
        match self.tool("refuse", json!({})).await {
            Err(ServiceError::McpError(error)) => {
                expect(error.code.0, 4711)?;
                expect(&*error.message, "refused as asked")
            }
            outcome => Err(format!("the call was not refused: {outcome:?}")),
        }
    }

    async fn progress(&self) -> Outcome {
        let known = self.heard.lock().unwrap().progress.len();
        self.answers("progress", "done").await?;
        // The SDK runs the handlers of notifications side by side, and in any order.
        self.until("progress", |heard| heard.progress.len() >= known + 3).await?;
        let mut seen = self.heard.lock().unwrap().progress.split_off(known);
        seen.sort_by(f64::total_cmp);
        expect(json!(seen), json!([1.0, 2.0, 3.0]))
    }

    async fn cancel(&self) -> Outcome {
        let key = unique(&self.target.key);
        let known = self.heard.lock().unwrap().progress.len();
        let runs = self.until("the call to run", |heard| heard.progress.len() > known);
        tokio::select! {
            outcome = self.tool("wait", json!({"key": key})) => {
                return Err(format!("the call ended on its own: {outcome:?}"));
            }
            outcome = runs => outcome?,
        }
        // The SDK takes back a call whose future is dropped.
        for _ in 0..PATIENCE.as_millis() / 10 {
            if self.says("cancelled", json!({"key": key}), "yes").await.is_ok() {
                return Ok(());
            }
            sleep(Duration::from_millis(10)).await;
        }
        Err("the server was never told".to_owned())
    }

    async fn log(&self) -> Outcome {
        let data = unique("log");
        let mut params = self.params("log", json!({"text": data}));
        if self.is_modern {
            let level = json!({"io.modelcontextprotocol/logLevel": "debug"});
            let level: RequestMetaObject = serde_json::from_value(level).unwrap();
            *params.meta_mut() = Some(level);
        }
        self.client.call_tool(params).await.map_err(|error| error.to_string())?;
        self.until("the log message", |heard| heard.logs.contains(&json!(data))).await
    }

    async fn list_changed(&self) -> Outcome {
        let name = unique("added");
        let mut known = self.heard.lock().unwrap().tools_changed;
        self.says("add_tool", json!({"name": name}), "added").await?;
        loop {
            self.until("word of a changed list", |heard| heard.tools_changed > known).await?;
            known = self.heard.lock().unwrap().tools_changed;
            let tools = self.client.list_all_tools().await.map_err(|error| error.to_string())?;
            if tools.iter().any(|tool| tool.name == self.public(&name)) {
                return self.says(&name, json!({"text": "x"}), "x").await;
            }
        }
    }

    async fn subscribe(&self) -> Outcome {
        if !self.is_modern {
            let uri = json!({"uri": self.state});
            let params = serde_json::from_value(uri).unwrap();
            #[expect(deprecated, reason = "the legacy way to subscribe")]
            let subscribed = self.client.subscribe(params).await;
            subscribed.map_err(|error| error.to_string())?;
        }
        let (changed, known) = (unique("changed"), self.heard.lock().unwrap().updated.len());
        self.says("touch", json!({"text": changed}), "touched").await?;
        self.until("the update", |heard| {
            heard.updated.iter().skip(known).any(|uri| *uri == self.state)
        })
        .await?;
        let params = ReadResourceRequestParams::new(&self.state);
        let read = self.client.read_resource(params).await.map_err(|error| error.to_string())?;
        expect(json!(read)["contents"][0]["text"].take(), changed)
    }

    async fn complete(&self) -> Outcome {
        let found = self.client.complete_prompt_simple(self.public("greet"), "name", "Al").await;
        let found = found.map_err(|error| error.to_string())?;
        expect(json!(found), json!(["Alan", "Alonzo"]))
    }

    async fn task(&self) -> Outcome {
        let response = self.client.call_tool_once(self.params("task", json!({}))).await;
        let created = match response.map_err(|error| error.to_string())? {
            CallToolResponse::Task(created) => created,
            other => return Err(format!("the call became no task: {other:?}")),
        };
        loop {
            let params = GetTaskParams::new(created.task.task_id.clone());
            let state = self.client.get_task(params).await.map_err(|error| error.to_string())?;
            match state.task.payload {
                TaskPayload::Completed { result } => {
                    return expect(json!(result)["content"][0]["text"].take(), "worked");
                }
                TaskPayload::Working => sleep(Duration::from_millis(20)).await,
                other => return Err(format!("the task is {other:?}")),
            }
        }
    }

    /// The client cannot be asked, and the tool says so instead of waiting.
    async fn refused(&self, feature: &str) -> Outcome {
        match self.tool(feature, json!({})).await {
            Ok(result) => expect(json!(result)["isError"].take(), true),
            Err(ServiceError::McpError(_)) => Ok(()),
            Err(other) => Err(other.to_string()),
        }
    }

    /// Waits until something was heard.
    async fn until(&self, what: &str, check: impl Fn(&Heard) -> bool) -> Outcome {
        for _ in 0..PATIENCE.as_millis() / 10 {
            if check(&self.heard.lock().unwrap()) {
                return Ok(());
            }
            sleep(Duration::from_millis(10)).await;
        }
        Err(format!("waited in vain for {what}"))
    }
}

fn text(result: &CallToolResult) -> Result<String, String> {
    let result = json!(result);
    match result["content"][0]["text"].as_str() {
        Some(text) if result["isError"] != true => Ok(text.to_owned()),
        _ => Err(format!("no text: {result}")),
    }
}

fn expect(actual: impl Into<Value>, expected: impl Into<Value>) -> Outcome {
    let (actual, expected) = (actual.into(), expected.into());
    if actual == expected { Ok(()) } else { Err(format!("expected {expected}, got {actual}")) }
}

/// A name that no other client uses at the same server.
fn unique(name: &str) -> String {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).unwrap();
    format!("{name}_{:08x}", u32::from_be_bytes(bytes))
}
