//! The members of `params` that the router reads and sets.

use std::borrow::Cow;

use crate::router::Error;
use crate::wire::Raw;
use crate::wire::quote;

/// Reads the parameter that names what a request is about.
pub(super) fn named<'a>(
    params: Option<&'a Raw>,
    key: &str,
) -> Result<(&'a Raw, Cow<'a, str>), Error> {
    let missing = || Error::InvalidParams(format!("`params.{key}` is missing"));
    let params = params.ok_or_else(missing)?;
    let object =
        params.object().map_err(|error| Error::InvalidParams(format!("`params`: {error}")))?;
    let text = object.get(key).ok_or_else(missing)?;
    match quote::unquoted(text) {
        Some(name) => Ok((params, name)),
        None => Err(Error::InvalidParams(format!("`params.{key}` must be a string"))),
    }
}

/// Replaces one text in an object, unless it says the same already.
pub(super) fn with(object: &Raw, key: &str, text: &str) -> Result<Raw, Error> {
    let members = object.object().map_err(|error| Error::InvalidParams(error.to_string()))?;
    let said = members.get(key).and_then(quote::unquoted);
    if said.as_deref() == Some(text) {
        return Ok(object.clone());
    }
    Ok(members.edit().set(key, quote::quoted(text)).apply())
}
