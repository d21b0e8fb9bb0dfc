//! The arguments of Conflux's own tools: read strictly, and every mistake says what is wanted.

use std::borrow::Cow;

use crate::wire::Raw;
use crate::wire::object::Object;
use crate::wire::quote;

/// What was given, read as far as it is known.
pub(super) struct Arguments<'a>(Option<Object<'a>>);

impl<'a> Arguments<'a> {
    /// Reads the `arguments` of a call of a tool that knows these. What is wrong is for the model
    /// to read.
    pub(super) fn read(given: Option<&'a Raw>, known: &[&str]) -> Result<Self, String> {
        let given = given.filter(|given| given.get() != "null");
        let Some(given) = given else { return Ok(Self(None)) };
        let object = given.object().map_err(|error| format!("`arguments`: {error}"))?;
        let stranger = object.iter().map(|(key, _)| key).find(|key| !known.contains(key));
        match stranger {
            Some(key) => {
                let known: Vec<_> = known.iter().map(|key| format!("`{key}`")).collect();
                Err(format!("there is no argument `{key}`; there are {}", known.join(", ")))
            }
            None => Ok(Self(Some(object))),
        }
    }

    /// Returns the JSON of one of them; `null` counts as left out.
    pub(super) fn json(&self, key: &str) -> Option<&'a str> {
        self.0.as_ref()?.get(key).filter(|json| *json != "null")
    }

    /// Returns a text among them.
    pub(super) fn text(&self, key: &str) -> Result<Option<Cow<'a, str>>, String> {
        let Some(json) = self.json(key) else { return Ok(None) };
        let text = quote::unquoted(json);
        text.map(Some).ok_or_else(|| format!("`{key}` must be a string"))
    }
}
