//! The names of methods and notifications.

/// Opens a legacy session.
pub const INITIALIZE: &str = "initialize";
/// The client's word that a legacy session is open.
pub const INITIALIZED: &str = "notifications/initialized";
/// What a modern server is and can.
pub const DISCOVER: &str = "server/discover";
/// Is anybody there (legacy).
pub const PING: &str = "ping";
/// Lists tools.
pub const TOOLS_LIST: &str = "tools/list";
/// Calls a tool.
pub const TOOLS_CALL: &str = "tools/call";
/// Lists prompts.
pub const PROMPTS_LIST: &str = "prompts/list";
/// Fills a prompt in.
pub const PROMPTS_GET: &str = "prompts/get";
/// Lists resources.
pub const RESOURCES_LIST: &str = "resources/list";
/// Lists resource templates.
pub const TEMPLATES_LIST: &str = "resources/templates/list";
/// Reads a resource.
pub const RESOURCES_READ: &str = "resources/read";
/// Asks to be told when a resource changes (legacy).
pub const RESOURCES_SUBSCRIBE: &str = "resources/subscribe";
/// Takes that back (legacy).
pub const RESOURCES_UNSUBSCRIBE: &str = "resources/unsubscribe";
/// Lists skills (an extension).
pub const SKILLS_LIST: &str = "skills/list";
/// Tells of one skill (an extension).
pub const SKILLS_GET: &str = "skills/get";
/// Lists what is in a directory (an extension).
pub const DIRECTORY_READ: &str = "resources/directory/read";
/// Proposes values for an argument.
pub const COMPLETE: &str = "completion/complete";
/// Sets the lowest level of log messages for a session (legacy).
pub const SET_LEVEL: &str = "logging/setLevel";
/// Opens a stream of notifications (modern).
pub const LISTEN: &str = "subscriptions/listen";
/// Asks the client's model for a message.
pub const SAMPLE: &str = "sampling/createMessage";
/// Asks the person in front of the client.
pub const ELICIT: &str = "elicitation/create";
/// Asks for the client's directories.
pub const ROOTS: &str = "roots/list";
/// Asks how a task is.
pub const TASKS_GET: &str = "tasks/get";
/// Waits for what a task comes to (2025-11-25).
pub const TASKS_RESULT: &str = "tasks/result";
/// Lists tasks (2025-11-25).
pub const TASKS_LIST: &str = "tasks/list";
/// Gives a task the input it waits for (tasks extension).
pub const TASKS_UPDATE: &str = "tasks/update";
/// Asks for a task to be ended.
pub const TASKS_CANCEL: &str = "tasks/cancel";

/// A request is no longer wanted.
pub const CANCELLED: &str = "notifications/cancelled";
/// How far a request is.
pub const PROGRESS: &str = "notifications/progress";
/// A log message.
pub const MESSAGE: &str = "notifications/message";
/// The list of tools changed.
pub const TOOLS_CHANGED: &str = "notifications/tools/list_changed";
/// The list of prompts changed.
pub const PROMPTS_CHANGED: &str = "notifications/prompts/list_changed";
/// The list of resources changed.
pub const RESOURCES_CHANGED: &str = "notifications/resources/list_changed";
/// A resource changed.
pub const RESOURCE_UPDATED: &str = "notifications/resources/updated";
/// The client's directories changed (legacy).
pub const ROOTS_CHANGED: &str = "notifications/roots/list_changed";
/// A modern subscription stands.
pub const ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";
/// An elicitation by URL was completed (2025-11-25).
pub const ELICITATION_COMPLETE: &str = "notifications/elicitation/complete";
/// How a task is (2025-11-25).
pub const TASK_STATUS: &str = "notifications/tasks/status";
/// How a task is, and what it came to (tasks extension).
pub const TASK_NEWS: &str = "notifications/tasks";
