//! Questions to the client, asked the way its era has for it.
//!
//! Whoever asks writes `ask(questions).await?` and does not know the way. With retries, `?` ends
//! the first round; the next one runs the same code again and finds the answers.

use std::collections::BTreeMap;

use rmcp::ErrorData;
use rmcp::RoleServer;
use rmcp::model::ClientCapabilities;
use rmcp::model::ClientResult;
use rmcp::model::InputRequest;
use rmcp::model::InputRequests;
use rmcp::model::InputRequiredResult;
use rmcp::model::InputResponses;
use rmcp::model::ProtocolVersion;
use rmcp::model::RequestStateCodec;
use rmcp::model::SealOptions;
use rmcp::model::ServerRequest;
use rmcp::service::Peer;
use rmcp::service::RequestContext;
use rmcp::service::ServiceError;
use rmcp::task_manager::TaskContext;
use rmcp::task_manager::TaskExit;
use serde_json::Value;
use serde_json::json;

/// Answers by the key of their question.
pub(crate) type Answers = BTreeMap<String, Value>;

/// Why a call does not go on.
pub(crate) enum Stop {
    Refused(ErrorData),
    /// The client has to come back with answers.
    InputRequired(Box<InputRequiredResult>),
    Cancelled,
}

impl From<ErrorData> for Stop {
    fn from(error: ErrorData) -> Self {
        Self::Refused(error)
    }
}

/// Makes the response of a call that may not have gone on to its end.
pub(crate) fn response<T, R>(outcome: Result<T, Stop>) -> Result<R, ErrorData>
where
    R: From<T> + From<InputRequiredResult>,
{
    match outcome {
        Ok(result) => Ok(result.into()),
        Err(Stop::InputRequired(result)) => Ok((*result).into()),
        Err(Stop::Refused(error)) => Err(error),
        Err(Stop::Cancelled) => Err(ErrorData::internal_error("cancelled", None)),
    }
}

/// How the client is reached.
enum Way {
    /// By a request in its session.
    Session(Peer<RoleServer>),
    /// By asking it to come back; what it brought has not been looked at yet.
    Retry(InputResponses),
    /// By the state of the task that it polls.
    Task(TaskContext),
}

/// One call's questions and what was answered so far.
pub(crate) struct Interview {
    way: Way,
    client: ClientCapabilities,
    answered: Answers,
    codec: RequestStateCodec,
    /// What asks: the state of one tool is no state of another.
    subject: String,
}

/// Whether a request belongs to the modern era.
pub(crate) fn is_modern(context: &RequestContext<RoleServer>) -> bool {
    context.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28)
}

/// The refusal of a request whose client lacks `required`.
pub(crate) fn lacks(modern: bool, required: ClientCapabilities) -> ErrorData {
    if modern {
        return ErrorData::missing_required_client_capability(required);
    }
    let data = json!({ "requiredCapabilities": required });
    ErrorData::invalid_request("the client lacks a capability that this needs", Some(data))
}

impl Interview {
    /// Begins or resumes an interview; fails when `state` is not what this server sent.
    pub(crate) fn open(
        context: &RequestContext<RoleServer>,
        codec: RequestStateCodec,
        subject: &str,
        responses: Option<InputResponses>,
        state: Option<&str>,
    ) -> Result<Self, ErrorData> {
        let refused = |_| ErrorData::invalid_params("`requestState` was not sent for this", None);
        let answered = match state {
            Some(state) => codec.open_json_with(state, subject.as_bytes()).map_err(refused)?,
            None => Answers::new(),
        };
        let way = if is_modern(context) {
            Way::Retry(responses.unwrap_or_default())
        } else {
            Way::Session(context.peer.clone())
        };
        let client = context.client_capabilities().unwrap_or_default();
        Ok(Self { way, client, answered, codec, subject: subject.to_owned() })
    }

    /// Goes on as a task.
    pub(crate) fn into_task(mut self, task: TaskContext) -> Self {
        self.way = Way::Task(task);
        self
    }

    /// The task that this became.
    pub(crate) fn task(&self) -> Option<&TaskContext> {
        match &self.way {
            Way::Task(task) => Some(task),
            Way::Session(_) | Way::Retry(_) => None,
        }
    }

    /// Leaves out what the client cannot answer.
    pub(crate) fn answerable(&self, mut questions: InputRequests) -> InputRequests {
        questions.retain(|_, question| missing(&self.client, question).is_none());
        questions
    }

    /// Returns the answers to all `questions`.
    pub(crate) async fn ask(&mut self, questions: &InputRequests) -> Result<Answers, Stop> {
        let open: Vec<(&String, &InputRequest)> =
            questions.iter().filter(|(key, _)| !self.answered.contains_key(*key)).collect();
        match &self.way {
            Way::Session(peer) => {
                let lacking = open.iter().find_map(|(_, asked)| missing(&self.client, asked));
                if let Some(required) = lacking {
                    return Err(lacks(false, required).into());
                }
                let asked = open.into_iter().map(async |(key, question)| {
                    (key.clone(), ask_in_session(peer, question).await)
                });
                for (key, answer) in futures_util::future::join_all(asked).await {
                    self.answered.insert(key, answer?);
                }
            }
            Way::Task(task) => {
                let asked = open.into_iter().map(async |(key, question)| {
                    (key.clone(), task.request_input(key, question.clone()).await)
                });
                for (key, answer) in futures_util::future::join_all(asked).await {
                    self.answered.insert(key, answer.map_err(stop)?);
                }
            }
            Way::Retry(responses) => {
                let (mut known, mut unknown) = (Answers::new(), InputRequests::new());
                for (key, question) in open {
                    match responses.get(key).filter(|answer| answers(question, answer)) {
                        Some(answer) => drop(known.insert(key.clone(), answer.clone())),
                        None => drop(unknown.insert(key.clone(), question.clone())),
                    }
                }
                self.answered.append(&mut known);
                self.require(unknown)?;
            }
        }
        Ok(self.answered.clone())
    }

    /// Ends the round when something is unknown yet.
    fn require(&self, unknown: InputRequests) -> Result<(), Stop> {
        if unknown.is_empty() {
            return Ok(());
        }
        if let Some(required) = unknown.values().find_map(|asked| missing(&self.client, asked)) {
            return Err(lacks(true, required).into());
        }
        let options = SealOptions::new().associated_data(self.subject.as_bytes());
        let sealed = self.codec.seal_json_with(&self.answered, &options);
        let state = sealed.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        let result = InputRequiredResult::new(Some(unknown), Some(state));
        Err(Stop::InputRequired(Box::new(result)))
    }
}

fn stop(exit: TaskExit) -> Stop {
    match exit {
        TaskExit::Cancelled => Stop::Cancelled,
        TaskExit::Error(error) => Stop::Refused(error),
    }
}

async fn ask_in_session(peer: &Peer<RoleServer>, question: &InputRequest) -> Result<Value, Stop> {
    let request = match question.clone() {
        InputRequest::CreateMessage(request) => ServerRequest::CreateMessageRequest(request),
        InputRequest::Elicitation(request) => ServerRequest::ElicitRequest(request),
        InputRequest::ListRoots(request) => ServerRequest::ListRootsRequest(request),
        _ => return Err(ErrorData::internal_error("no such question", None).into()),
    };
    let answer: ClientResult = match peer.send_request(request).await {
        Ok(answer) => answer,
        Err(ServiceError::McpError(error)) => return Err(error.into()),
        Err(error) => return Err(ErrorData::internal_error(error.to_string(), None).into()),
    };
    let answer = serde_json::to_value(answer);
    Ok(answer.map_err(|error| ErrorData::internal_error(error.to_string(), None))?)
}

/// What a client would have to declare to be asked `question`, if it did not.
fn missing(client: &ClientCapabilities, question: &InputRequest) -> Option<ClientCapabilities> {
    let builder = ClientCapabilities::builder();
    let (declared, required) = match question {
        InputRequest::CreateMessage(_) => {
            (client.sampling.is_some(), builder.enable_sampling().build())
        }
        InputRequest::Elicitation(_) => {
            (client.elicitation.is_some(), builder.enable_elicitation().build())
        }
        InputRequest::ListRoots(_) => (client.roots.is_some(), builder.enable_roots().build()),
        _ => return None,
    };
    (!declared).then_some(required)
}

/// Whether `answer` has the form of an answer to `question`.
fn answers(question: &InputRequest, answer: &Value) -> bool {
    match question {
        InputRequest::CreateMessage(_) => answer.get("content").is_some(),
        InputRequest::Elicitation(_) => answer.get("action").is_some_and(Value::is_string),
        InputRequest::ListRoots(_) => answer.get("roots").is_some_and(Value::is_array),
        _ => false,
    }
}
