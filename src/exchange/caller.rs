//! Who is calling, what they can be asked, and who else is there.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::Weak;

use tokio::sync::oneshot;

use crate::exchange::ask;
use crate::exchange::ask::Answers;
use crate::exchange::ask::Ask;
use crate::exchange::ask::InputRequest;
use crate::exchange::ask::Refusal;
use crate::exchange::mailbox::Mailbox;
use crate::exchange::task;
use crate::ids::CallerId;
use crate::ids::UpstreamId;
use crate::wire::Raw;

/// What a client declared that it can answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// The declaration as it came; `{}` if there was none.
    raw: Option<Raw>,
    answerable: Vec<ask::Kind>,
}

impl Capabilities {
    /// Reads a client's declaration.
    pub fn parse(raw: Option<Raw>) -> Self {
        let declared = |key: &str| raw.as_ref().and_then(|raw| raw.member(key));
        let mut answerable = Vec::new();
        if declared("sampling").is_some() {
            answerable.push(ask::Kind::Sampling);
        }
        if declared("roots").is_some() {
            answerable.push(ask::Kind::Roots);
        }
        if let Some(elicitation) = declared("elicitation") {
            let has_url = elicitation.member("url").is_some();
            // `{}` is what 2025-06-18 declares, and means forms alone.
            if elicitation.member("form").is_some() || !has_url {
                answerable.push(ask::Kind::ElicitForm);
            }
            if has_url {
                answerable.push(ask::Kind::ElicitUrl);
            }
        }
        Self { raw, answerable }
    }

    /// Returns which kind of tasks a modern request with this declaration can be given.
    pub fn tasks(&self) -> task::Dialect {
        let extensions = self.raw.as_ref().and_then(|raw| raw.member("extensions"));
        let declared = extensions.is_some_and(|all| all.member(task::EXTENSION).is_some());
        if declared { task::Dialect::Extension } else { task::Dialect::None }
    }

    /// Returns the declaration as it came, if there was one.
    pub fn raw(&self) -> Option<&Raw> {
        self.raw.as_ref()
    }

    /// Refuses the first of `requests` that the client cannot answer.
    pub fn permit<'a>(
        &self,
        requests: impl IntoIterator<Item = &'a InputRequest>,
    ) -> Result<(), Refusal> {
        let mut kinds = requests.into_iter().map(InputRequest::kind);
        match kinds.find(|kind| !self.answerable.contains(kind)) {
            Some(kind) => Err(Refusal::Unsupported(kind)),
            None => Ok(()),
        }
    }
}

/// Whether a caller can be asked something outside of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It has a session in which requests can reach it at any time.
    Anytime,
    /// It can be asked only as part of the answer to a request of its own.
    InCallsOnly,
}

/// One client behind one front end.
#[derive(Debug)]
pub struct Caller {
    id: CallerId,
    capabilities: Arc<Capabilities>,
    reach: Reach,
    mailbox: Mailbox,
}

impl Caller {
    /// Makes a caller that declared `capabilities` for as long as it is there.
    pub fn new(id: CallerId, capabilities: Arc<Capabilities>, reach: Reach) -> Self {
        Self { id, capabilities, reach, mailbox: Mailbox::default() }
    }

    /// Returns its number.
    pub fn id(&self) -> CallerId {
        self.id
    }

    /// Returns what it declared when its session began.
    pub fn capabilities(&self) -> &Arc<Capabilities> {
        &self.capabilities
    }

    /// Returns where it is told things outside of any call.
    pub fn mailbox(&self) -> &Mailbox {
        &self.mailbox
    }

    /// Asks it something outside of any call.
    pub async fn ask(
        &self,
        from: &UpstreamId,
        requests: Vec<(String, InputRequest)>,
    ) -> Result<Answers, Refusal> {
        if self.reach == Reach::InCallsOnly {
            return Err(Refusal::Nobody);
        }
        self.capabilities.permit(requests.iter().map(|(_, request)| request))?;
        let (answer, answered) = oneshot::channel();
        self.mailbox.ask(Ask::new(from.clone(), requests, answer))?;
        ask::wait(answered).await
    }
}

/// The callers that are there now, and how tasks are named to them.
#[derive(Clone, Debug, Default)]
pub struct Callers {
    present: Arc<Mutex<Vec<Weak<Caller>>>>,
    task_ids: Arc<task::Ids>,
}

impl Callers {
    /// Starts with nobody; tasks get `task_ids`.
    pub fn new(task_ids: task::Ids) -> Self {
        Self { task_ids: Arc::new(task_ids), ..Self::default() }
    }

    /// Returns what makes and reads the ids under which callers know tasks.
    pub fn task_ids(&self) -> &task::Ids {
        &self.task_ids
    }

    /// Counts a caller as present for as long as someone holds it.
    pub fn attach(&self, caller: &Arc<Caller>) {
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        present.retain(|caller| caller.strong_count() > 0);
        present.push(Arc::downgrade(caller));
    }

    /// Returns every caller that is there.
    pub fn present(&self) -> Vec<Arc<Caller>> {
        let present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        present.iter().filter_map(Weak::upgrade).collect()
    }

    /// Returns the caller if it is the only one there; otherwise why none can be named.
    pub fn only(&self) -> Result<Arc<Caller>, Refusal> {
        let mut present = self.present().into_iter();
        match (present.next(), present.next()) {
            (Some(caller), None) => Ok(caller),
            (None, _) => Err(Refusal::Nobody),
            (Some(_), Some(_)) => Err(Refusal::Ambiguous),
        }
    }
}
