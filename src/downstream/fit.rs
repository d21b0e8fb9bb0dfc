//! Fits a result of either era to the era of its caller; everything else in it stays as it came.

use std::sync::LazyLock;

use crate::downstream::content;
use crate::downstream::greeting;
use crate::router;
use crate::wire::Raw;
use crate::wire::era::Revision;
use crate::wire::meta;
use crate::wire::method;
use crate::wire::object;
use crate::wire::object::Edit;
use crate::wire::object::Object;

/// What a result says in `_meta` that Conflux wrote all of.
static SIGNATURE: LazyLock<Raw> =
    LazyLock::new(|| object::build([(meta::SERVER_INFO, greeting::server_info().get())]));

/// Takes out what only the modern era has, and says in older words what `revision` lacks.
///
/// `_meta` stays: legacy clients carry unknown keys of it along.
pub(super) fn legacy(result: Raw, revision: Revision, method: &str) -> Raw {
    if is_written(method) {
        return result;
    }
    let result = content::fit(result, revision, method);
    // Only a modern upstream writes `resultType`; most results are spared the reading.
    if result.lacks("resultType") {
        return result;
    }
    let Ok(object) = result.object() else { return result };
    if object.get("resultType").is_none() {
        return result;
    }
    let result = object.edit().remove("resultType").remove("ttlMs").remove("cacheScope").apply();
    if method == method::TOOLS_CALL { content::object_structure(result) } else { result }
}

/// Adds what the modern era requires of a result and a legacy upstream does not give.
pub(super) fn modern(result: Raw, method: &str) -> Raw {
    if is_written(method) {
        return result;
    }
    let Ok(object) = result.object() else { return result };
    let mut edit = object.edit();
    if object.get("resultType").is_none() {
        edit = edit.set("resultType", "\"complete\"");
    }
    if is_cacheable(method) {
        if object.get("ttlMs").is_none() {
            edit = edit.set("ttlMs", "0");
        }
        if object.get("cacheScope").is_none() {
            edit = edit.set("cacheScope", "\"private\"");
        }
    }
    sign(&object, edit).apply()
}

/// Takes back what a result says on how long it may be kept, if it says so.
pub(super) fn uncacheable(result: Raw) -> Raw {
    let Ok(object) = result.object() else { return result };
    if object.get("ttlMs").is_none() && object.get("cacheScope").is_none() {
        return result;
    }
    object.edit().set("ttlMs", "0").set("cacheScope", "\"private\"").apply()
}

/// Adds which server wrote a result, unless it says so already.
pub(super) fn signed(result: Raw) -> Raw {
    let Ok(object) = result.object() else { return result };
    sign(&object, object.edit()).apply()
}

/// Adds to an edit of a result which server wrote it.
fn sign<'a, 'o>(result: &'o Object<'a>, edit: Edit<'a, 'o>) -> Edit<'a, 'o> {
    let Some(before) = result.get("_meta").filter(|text| text.starts_with('{')) else {
        return edit.put("_meta", &SIGNATURE);
    };
    // With two values for a key, nobody knows what is in it.
    let Ok(meta) = Object::parse(before) else { return edit };
    if meta.get(meta::SERVER_INFO).is_some() {
        return edit;
    }
    let signed = meta.edit().set(meta::SERVER_INFO, greeting::server_info().get()).apply();
    edit.set("_meta", signed.get().to_owned())
}

/// Whether results of this method were written in the words of their caller (`lists`).
fn is_written(method: &str) -> bool {
    router::listed(method).is_some()
}

/// Whether results of this method say how long they may be kept.
fn is_cacheable(method: &str) -> bool {
    matches!(method, method::RESOURCES_READ | method::SKILLS_GET | method::DIRECTORY_READ)
}
