//! Whom what is said of tasks is meant for, and under which id they know them.

use crate::exchange::ask::Refusal;
use crate::exchange::caller::Callers;
use crate::exchange::mailbox::Topic;
use crate::exchange::task::Dialect;
use crate::upstream::incoming::Incoming;
use crate::upstream::incoming::Meant;
use crate::upstream::task::registry::Audience;
use crate::upstream::task::registry::Registry;
use crate::upstream::task::registry::Role;
use crate::upstream::task::shape;
use crate::wire::Raw;
use crate::wire::method;

/// Notes that a request became a task, if it did.
pub(in crate::upstream) fn became(registry: &Registry, number: u64, role: Role, result: &Raw) {
    if let Role::Becomes(audience, dialect) = role
        && let Some(status) = shape::Status::created(result, dialect)
    {
        registry.begin(number, audience, &status);
        if let Some(said) = registry.take_early(&status.id) {
            take_status(registry, &said);
        }
    }
}

/// Finds who hears what comes under the number of a request that has its answer.
///
/// The number of a call that became a task stays the token of its progress (2025-11-25, "Task
/// Progress Notifications"). Returns the request that waits for its result, if there is one, which
/// `serving` finds.
pub(in crate::upstream) fn late(
    registry: &Registry,
    number: u64,
    incoming: Incoming,
    serving: impl FnOnce(&str) -> Option<Meant>,
) -> Option<(u64, Incoming)> {
    let (id, audience) = registry.of_call(number)?;
    if let Audience::Request { .. } = audience {
        if let Some(Meant::Call { number, .. }) = serving(&id) {
            return Some((number, incoming));
        }
        registry.hold(&id, incoming);
        return None;
    }
    let (Audience::Caller { caller, token }, Incoming::Progress(params)) = (audience, incoming)
    else {
        return None;
    };
    let (caller, token) = (caller.upgrade()?, token?);
    let public = registry.public(&caller, Dialect::Core, &id);
    let params = shape::relate_again(params, Some(&public));
    let params = params.object().ok()?.edit().set("progressToken", token.get()).apply();
    caller.mailbox().pass_on(method::PROGRESS, Some(params));
    None
}

/// Returns the task that a message of a server says it belongs to.
pub(in crate::upstream) fn named_by(params: Option<&Raw>) -> Option<String> {
    shape::related(params)
}

/// Finds whom a message is meant for that names the task `id`; nothing if nobody knows that task.
pub(in crate::upstream) fn meant(registry: &Registry, id: &str) -> Option<Result<Meant, Refusal>> {
    Some(match registry.audience(id)? {
        (_, Audience::Caller { caller, .. }) => {
            caller.upgrade().map(Meant::Caller).ok_or(Refusal::Gone)
        }
        (number, Audience::Request { exchange, .. }) => Ok(Meant::Call { number, exchange }),
    })
}

/// Returns a message as `meant` may see it: under the id it knows, or belonging to no task.
pub(in crate::upstream) fn addressed(registry: &Registry, meant: &Meant, body: Raw) -> Raw {
    let Some(id) = shape::related(Some(&body)) else { return body };
    let caller = match meant {
        Meant::Caller(caller) => Some(caller),
        Meant::Call { exchange, .. } => {
            (exchange.wishes().tasks == Dialect::Core).then(|| exchange.caller())
        }
    };
    let caller = caller.filter(|caller| registry.belongs(&id, caller.id()));
    let public = caller.map(|caller| registry.public(caller, Dialect::Core, &id));
    shape::relate(&body, public.as_deref())
}

/// Returns a client's answer with the id of the task that its question named.
pub(in crate::upstream) fn answered(answer: Raw, id: Option<&str>) -> Raw {
    shape::relate_again(answer, id)
}

/// Takes `notifications/tasks/status` to the caller that was given the task.
pub(in crate::upstream) fn take_status(registry: &Registry, params: &Raw) {
    let Some(status) = shape::Status::read(params) else { return };
    let audience = registry.told_early(&status, params);
    if let Some(caller) = audience.and_then(|audience| audience.caller()) {
        let public = registry.public(&caller, Dialect::Core, &status.id);
        caller.mailbox().pass_on(method::TASK_STATUS, Some(shape::renamed(params, &public)));
    }
}

/// Takes `notifications/tasks` to the callers that wanted to hear of the task.
pub(in crate::upstream) fn take_news(registry: &Registry, callers: &Callers, params: &Raw) {
    let Some(status) = shape::Status::read(params) else { return };
    registry.told(&status);
    let topic = Topic::Task(status.id.clone());
    for caller in callers.present() {
        if caller.mailbox().wants(registry.upstream(), &topic) {
            let public = registry.public(&caller, Dialect::Extension, &status.id);
            let news = shape::presented(params, &public, registry.upstream());
            caller.mailbox().pass_on(method::TASK_NEWS, Some(news));
        }
    }
}
