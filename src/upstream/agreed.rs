//! What was agreed upon with an upstream when its connection was opened.

use crate::wire::Raw;
use crate::wire::era::Revision;

/// What an upstream said about itself.
#[derive(Clone, Debug)]
pub struct Agreed {
    /// The revision that is spoken.
    pub revision: Revision,
    /// What it can do, as it said it.
    pub capabilities: Raw,
    /// What it tells a model about itself.
    pub instructions: Option<String>,
}

impl Agreed {
    /// Returns whether the upstream declared the capability at this path, such as `tools`.
    pub fn can(&self, path: &[&str]) -> bool {
        let mut at = Some(self.capabilities.clone());
        for key in path {
            at = at.and_then(|value| value.member(key));
        }
        at.is_some_and(|value| !matches!(value.get(), "false" | "null"))
    }

    /// Returns the extensions the upstream declared, an object by their ids, if there are any.
    pub fn extensions(&self) -> Option<Raw> {
        let declared = self.capabilities.member("extensions")?;
        declared.object().is_ok().then(|| declared.detached())
    }
}
