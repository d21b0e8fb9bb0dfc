//! What a modern request says about tasks, and whether its result may be one.

use crate::exchange::Exchange;
use crate::exchange::task::Dialect;
use crate::upstream::task::shape;
use crate::wire::Raw;
use crate::wire::method;

/// Of what a request's client can do, the part that Conflux passes on to a modern upstream.
///
/// The extension is among it exactly if the caller knows it, or Conflux waits in its place.
pub(in crate::upstream) fn offer(exchange: &Exchange) -> &Raw {
    exchange.capabilities().carried(exchange.wishes().tasks)
}

/// Returns whether a result is a task that its caller can be given.
pub(in crate::upstream) fn has_passed(method: &str, exchange: &Exchange, result: &Raw) -> bool {
    let is_about_tasks = matches!(
        method,
        method::TOOLS_CALL | method::TASKS_GET | method::TASKS_UPDATE | method::TASKS_CANCEL
    );
    is_about_tasks && exchange.wishes().tasks == Dialect::Extension && shape::is_task(result)
}
