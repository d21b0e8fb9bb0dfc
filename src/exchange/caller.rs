//! Who is calling, what they can be asked, and who else is there.

use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::sync::Weak;

use tokio::sync::oneshot;
use tokio::sync::watch;

use crate::exchange::ask;
use crate::exchange::ask::Answers;
use crate::exchange::ask::Ask;
use crate::exchange::ask::InputRequest;
use crate::exchange::ask::Refusal;
use crate::exchange::mailbox::Mailbox;
use crate::exchange::principal::Principal;
use crate::exchange::task;
use crate::ids::CallerId;
use crate::ids::UpstreamId;
use crate::wire::Raw;
use crate::wire::era::Era;
use crate::wire::era::Revision;
use crate::wire::extension;
use crate::wire::object;
use crate::wire::object::Object;

/// What a client declared that it can answer, the revision in whose words, and who it says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The declaration as it came; nothing if there was none.
    raw: Option<Raw>,
    client: Client,
    revision: Revision,
    answerable: Vec<ask::Kind>,
    tasks: task::Dialect,
    carried: Raw,
    carried_with_tasks: Raw,
}

impl Default for Capabilities {
    /// A client of the newest revision that can answer nothing.
    fn default() -> Self {
        Self::parse(None, Revision::LATEST)
    }
}

impl Capabilities {
    /// Reads the declaration of a client that speaks `revision`.
    pub fn parse(raw: Option<Raw>, revision: Revision) -> Self {
        let declared = |path| declared(raw.as_ref(), path);
        let mut answerable = Vec::new();
        if declared(&["sampling"]) {
            answerable.push(ask::Kind::Sampling);
        }
        if declared(&["sampling", "tools"]) {
            answerable.push(ask::Kind::SamplingWithTools);
        }
        if declared(&["roots"]) {
            answerable.push(ask::Kind::Roots);
        }
        // `{}` is what 2025-06-18 declares, and means forms alone.
        let has_url = declared(&["elicitation", "url"]);
        if declared(&["elicitation", "form"]) || (declared(&["elicitation"]) && !has_url) {
            answerable.push(ask::Kind::ElicitForm);
        }
        if has_url {
            answerable.push(ask::Kind::ElicitUrl);
        }
        let tasks = match revision {
            Revision::V2025_11_25 => task::Dialect::Core,
            Revision::V2026_07_28 if declared(&["extensions", task::EXTENSION]) => {
                task::Dialect::Extension
            }
            _ => task::Dialect::None,
        };
        let (carried, carried_with_tasks) =
            (carried(raw.as_ref(), false), carried(raw.as_ref(), true));
        let client = Client::default();
        Self { raw, client, revision, answerable, tasks, carried, carried_with_tasks }
    }

    /// Makes them those of the program that calls itself so: its `clientInfo`, if there was one.
    #[must_use]
    pub fn of_client(self, info: Option<Raw>) -> Self {
        let name = info.as_ref().and_then(|info| info.member("name")?.string());
        Self { client: Client { info, name }, ..self }
    }

    /// Returns whether this is what a client declares with these words.
    pub fn is_declared_by(&self, raw: &Raw, info: Option<&Raw>) -> bool {
        self.raw.as_ref() == Some(raw) && self.client.info.as_ref() == info
    }

    /// Returns what the client calls itself (`clientInfo.name`): its word alone, good for what it
    /// is shown, never for what it may do.
    pub fn client_name(&self) -> Option<&str> {
        self.client.name.as_deref()
    }

    /// Returns what the client says about itself (`clientInfo`), as it came.
    pub fn client_info(&self) -> Option<&Raw> {
        self.client.info.as_ref()
    }

    /// Returns how long the declaration and what the client says about itself are, in bytes.
    pub fn size(&self) -> usize {
        let parts = [&self.raw, &self.client.info];
        parts.into_iter().flatten().map(Raw::size).sum()
    }

    /// Returns the revision the client speaks.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Returns whether the client declared the capability at this path, such as `sampling`.
    pub fn declares(&self, path: &[&str]) -> bool {
        declared(self.raw.as_ref(), path)
    }

    /// Returns whether the client declared an extension to which this method belongs.
    pub fn knows(&self, method: &str) -> bool {
        let declared = self.raw.as_ref().and_then(|raw| raw.member("extensions"));
        let fits = |(id, _): (&str, &str)| extension::passes(id) && extension::fits(id, method);
        declared.is_some_and(|all| all.object().is_ok_and(|all| all.iter().any(fits)))
    }

    /// Returns whether results may be of a kind that the protocol itself does not have: the client
    /// is modern, and declared an extension that Conflux does not know.
    pub fn allows_other_results(&self) -> bool {
        let declared = self.raw.as_ref().and_then(|raw| raw.member("extensions"));
        let is_unknown = |(id, _): (&str, &str)| extension::passes(id) && !extension::is_merged(id);
        self.revision.era() == Era::Modern
            && declared.is_some_and(|all| all.object().is_ok_and(|all| all.iter().any(is_unknown)))
    }

    /// Returns whether the client can be asked for this.
    pub fn can(&self, kind: ask::Kind) -> bool {
        self.answerable.contains(&kind)
    }

    /// Returns what Conflux can have answered if there is a client for everything.
    pub fn everything() -> Self {
        Self::parse(
            Some(Raw::of(&serde_json::json!({
                "roots": { "listChanged": true },
                "sampling": { "tools": {} },
                "elicitation": { "form": {}, "url": {} },
            }))),
            Revision::LATEST,
        )
    }

    /// Returns which kind of tasks the client can be given.
    pub fn tasks(&self) -> task::Dialect {
        self.tasks
    }

    /// Returns the part of it that Conflux passes on to upstreams; the extension for tasks is among
    /// it only if `tasks` says so.
    pub fn carried(&self, tasks: task::Dialect) -> &Raw {
        match tasks {
            task::Dialect::Extension => &self.carried_with_tasks,
            task::Dialect::Core | task::Dialect::None => &self.carried,
        }
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
        match kinds.find(|kind| !self.can(*kind)) {
            Some(kind) => Err(Refusal::Unsupported(kind)),
            None => Ok(()),
        }
    }
}

/// Who a client says it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Client {
    /// As it came.
    info: Option<Raw>,
    name: Option<String>,
}

/// The part of a declaration that Conflux passes on to upstreams, with the extension for tasks if
/// it has tasks, whoever knows them.
fn carried(raw: Option<&Raw>, has_tasks: bool) -> Raw {
    let known = ["roots", "sampling", "elicitation"];
    let nothing = object::build([]);
    let declared = raw.unwrap_or(&nothing);
    let Ok(declared) = declared.object() else { return nothing };
    let extensions = declared.get("extensions").and_then(|text| Object::parse(text).ok());
    let all = || extensions.iter().flat_map(Object::iter);
    let own = all().find(|(id, _)| *id == task::EXTENSION).unwrap_or((task::EXTENSION, "{}"));
    let passed = all().filter(|(id, _)| extension::passes(id));
    let passed = object::build(passed.chain(has_tasks.then_some(own)));
    let has_any = extensions.is_some() || has_tasks;
    let extensions = has_any.then_some(("extensions", passed.get()));
    object::build(declared.iter().filter(|(key, _)| known.contains(key)).chain(extensions))
}

fn declared(raw: Option<&Raw>, path: &[&str]) -> bool {
    let mut at = raw.cloned();
    for key in path {
        at = at.and_then(|value| value.member(key));
    }
    at.is_some_and(|value| !matches!(value.get(), "null" | "false"))
}

/// Whether a caller can be told and asked something outside of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// It has a session in which messages can reach it at any time.
    Anytime,
    /// It can be asked only as part of the answer to a request of its own, and nothing else
    /// reaches it.
    #[default]
    InCallsOnly,
}

/// What carries the messages of a caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Carrier {
    /// The pipes of this process.
    #[default]
    Pipe,
    /// A socket in the file system.
    Unix,
    /// The network.
    Tcp,
}

impl Carrier {
    /// Returns the word for it (OpenTelemetry, `network.transport`).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pipe => "pipe",
            Self::Unix => "unix",
            Self::Tcp => "tcp",
        }
    }
}

/// Whose is what is remembered of what a caller has seen. Nobody else gets it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Memory {
    principal: Principal,
    caller: CallerId,
}

/// One client behind one front end.
#[derive(Debug)]
pub struct Caller {
    id: CallerId,
    principal: Principal,
    carrier: Carrier,
    memory: CallerId,
    capabilities: Arc<Capabilities>,
    reach: watch::Sender<Reach>,
    mailbox: Mailbox,
}

impl Caller {
    /// Makes a caller that declared `capabilities` for as long as it is there.
    pub fn new(id: CallerId, capabilities: Arc<Capabilities>, reach: Reach) -> Self {
        let (principal, carrier) = (Principal::process(), Carrier::default());
        let (reach, mailbox) = (watch::Sender::new(reach), Mailbox::default());
        Self { id, principal, carrier, memory: id, capabilities, reach, mailbox }
    }

    /// Makes it one that calls on behalf of `principal`; otherwise it is this process's own.
    #[must_use]
    pub fn on_behalf_of(self, principal: Principal) -> Self {
        Self { principal, ..self }
    }

    /// Says what carries its messages, if that is not the pipes of this process.
    #[must_use]
    pub fn over(self, carrier: Carrier) -> Self {
        Self { carrier, ..self }
    }

    /// Lets it share with others what Conflux remembers about what it has seen.
    #[must_use]
    pub fn remembered_as(self, memory: CallerId) -> Self {
        Self { memory, ..self }
    }

    /// Returns its number.
    pub fn id(&self) -> CallerId {
        self.id
    }

    /// Returns on whose behalf it calls.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Returns what carries its messages.
    pub fn carrier(&self) -> Carrier {
        self.carrier
    }

    /// Returns whether other clients use the same upstreams, one after the other or at once.
    pub fn shares_upstreams(&self) -> bool {
        !self.principal.is_process()
    }

    /// Returns whose is what is remembered of what it has seen: its own, unless it comes anew with
    /// every request; then that of its principal.
    pub fn memory(&self) -> Memory {
        Memory { principal: self.principal.clone(), caller: self.memory }
    }

    /// Returns whether it comes anew with every request, and so has no session.
    pub fn is_passing(&self) -> bool {
        self.memory != self.id
    }

    /// Says whether it can be asked something outside of calls from now on. If not, whatever
    /// still waits for it to be asked is refused.
    pub fn set_reach(&self, reach: Reach) {
        self.reach.send_replace(reach);
        if reach == Reach::InCallsOnly {
            self.mailbox.refuse_asks();
        }
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
        if *self.reach.borrow() == Reach::InCallsOnly {
            return Err(Refusal::Nobody);
        }
        // Many servers let roots decide what everybody may touch.
        if self.shares_upstreams()
            && requests.iter().any(|(_, request)| request.kind() == ask::Kind::Roots)
        {
            return Err(Refusal::Shared(ask::Kind::Roots));
        }
        self.capabilities.permit(requests.iter().map(|(_, request)| request))?;
        let (answer, answered) = oneshot::channel();
        self.mailbox.ask(Ask::new(from.clone(), requests, answer))?;
        ask::wait(answered).await
    }

    /// Waits until it can be told something outside of calls; until then its mailbox keeps what
    /// there is to tell. Cancel safe.
    pub async fn reachable(&self) {
        let mut reach = self.reach.subscribe();
        let reached = reach.wait_for(|reach| *reach == Reach::Anytime).await;
        reached.expect("the caller itself holds the sender");
    }
}

/// The callers that are there now.
#[derive(Clone, Debug, Default)]
pub struct Callers {
    present: Arc<Mutex<Vec<Weak<Caller>>>>,
    guard: Arc<OnceLock<Guard>>,
}

/// Who says whether a caller may be told, outside of calls, of an upstream, and of which address.
struct Guard(Box<Sees>);

type Sees = dyn Fn(&Arc<Caller>, &UpstreamId, Option<&str>) -> bool + Send + Sync;

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").finish_non_exhaustive()
    }
}

impl Callers {
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

    /// Says who sees what of which upstream; the first word counts. Nothing is hidden before that.
    pub fn guard(
        &self,
        sees: impl Fn(&Arc<Caller>, &UpstreamId, Option<&str>) -> bool + Send + Sync + 'static,
    ) {
        self.guard.get_or_init(|| Guard(Box::new(sees)));
    }

    /// Returns every caller that may be told of this address of an upstream.
    pub fn seeing(&self, upstream: &UpstreamId, uri: &str) -> Vec<Arc<Caller>> {
        let mut present = self.present();
        present.retain(|caller| self.shows(caller, upstream, Some(uri)));
        present
    }

    /// Returns every caller that may be told of an upstream at all.
    pub fn seeing_any_of(&self, upstream: &UpstreamId) -> Vec<Arc<Caller>> {
        let mut present = self.present();
        present.retain(|caller| self.shows(caller, upstream, None));
        present
    }

    fn shows(&self, caller: &Arc<Caller>, upstream: &UpstreamId, uri: Option<&str>) -> bool {
        self.guard.get().is_none_or(|Guard(sees)| sees(caller, upstream, uri))
    }

    /// Returns the caller if it is the only one there, and sees anything of this upstream;
    /// otherwise why none can be named.
    pub fn only(&self, upstream: &UpstreamId) -> Result<Arc<Caller>, Refusal> {
        let mut present = self.present().into_iter();
        match (present.next(), present.next()) {
            (Some(caller), None) if self.shows(&caller, upstream, None) => Ok(caller),
            (None | Some(_), None) | (None, Some(_)) => Err(Refusal::Nobody),
            (Some(_), Some(_)) => Err(Refusal::Ambiguous),
        }
    }
}
