//! The tools that ask the client: in the middle of a call, or by what they answer.
#![expect(deprecated, reason = "what the newest revision gives up is still spoken")]

use rmcp::ErrorData;
use rmcp::RoleServer;
use rmcp::model::CallToolRequestParams;
use rmcp::model::CallToolResponse;
use rmcp::model::CallToolResult;
use rmcp::model::ContentBlock;
use rmcp::model::InputRequest;
use rmcp::model::InputRequests;
use rmcp::model::InputRequiredResult;
use rmcp::service::RequestContext;
use rmcp::service::ServiceError;
use serde_json::Value;
use serde_json::json;

use crate::serve::Matrix;
use crate::tools::text;

/// The key of the one question of a call.
const ANSWER: &str = "answer";

impl Matrix {
    /// Asks what the tool of this name asks for, and tells what was answered.
    pub(crate) async fn ask(
        &self,
        request: &CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let question: InputRequest = serde_json::from_value(self.question(&request.name))
            .map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        if self.is_modern() {
            let given = request.input_responses.as_ref().and_then(|given| given.get(ANSWER));
            if let Some(answer) = given {
                return Ok(text(&told(&request.name, answer)));
            }
            let questions = InputRequests::from([(ANSWER.to_owned(), question)]);
            return Ok(InputRequiredResult::from_input_requests(questions).into());
        }
        Ok(match put(question, context).await {
            Ok(answer) => text(&told(&request.name, &answer)),
            // The client refused what it was asked.
            Err(error) => CallToolResult::error(vec![ContentBlock::text(error.to_string())]).into(),
        })
    }

    fn question(&self, name: &str) -> Value {
        let (form, url) = (&self.catalog.form, &self.catalog.url);
        match name {
            "sample" => {
                let content = json!({"type": "text", "text": self.catalog.sampling});
                let messages = json!([{"role": "user", "content": content}]);
                let params = json!({"messages": messages, "maxTokens": 10});
                json!({"method": "sampling/createMessage", "params": params})
            }
            "roots" => json!({"method": "roots/list"}),
            "elicit_form" => {
                let (message, schema) = (&form.message, &form.schema);
                let params = json!({"mode": "form", "message": message, "requestedSchema": schema});
                json!({"method": "elicitation/create", "params": params})
            }
            _ => {
                let params = json!({
                    "mode": "url", "message": url.message, "url": url.url, "elicitationId": url.id,
                });
                json!({"method": "elicitation/create", "params": params})
            }
        }
    }
}

/// Asks in the middle of the call.
async fn put(
    question: InputRequest,
    context: &RequestContext<RoleServer>,
) -> Result<Value, ServiceError> {
    let peer = &context.peer;
    Ok(match question {
        InputRequest::CreateMessage(request) => json!(peer.create_message(request.params).await?),
        InputRequest::Elicitation(request) => json!(peer.create_elicitation(request.params).await?),
        InputRequest::ListRoots(_) => json!(peer.list_roots().await?),
        _ => Value::Null,
    })
}

/// What the tool says of an answer.
fn told(name: &str, answer: &Value) -> String {
    let part = |pointer: &str| {
        let part = answer.pointer(pointer).and_then(Value::as_str);
        part.unwrap_or_default().to_owned()
    };
    match name {
        "sample" => part("/content/text"),
        "roots" => part("/roots/0/uri"),
        "elicit_form" => format!("{} {}", part("/action"), part("/content/name")),
        _ => part("/action"),
    }
}
