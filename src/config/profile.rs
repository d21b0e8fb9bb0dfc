//! The checks of profiles: parts of what there is, by name.

use std::collections::BTreeMap;

use indexmap::IndexMap;

use crate::config::Profile;
use crate::config::exposure::Exposure;
use crate::config::file;
use crate::config::patterns::Case;
use crate::config::problem::KeyPath;
use crate::config::problem::Problem;
use crate::config::suggest;
use crate::config::validate::Check;
use crate::ids::UpstreamId;

impl Check<'_> {
    /// Checks every profile; `known` are the keys of all upstreams, disabled ones included.
    pub(super) fn profiles(
        &mut self,
        written: &BTreeMap<String, file::Profile>,
        known: &[String],
        everywhere: &Exposure,
    ) -> IndexMap<String, Profile> {
        let mut profiles = IndexMap::new();
        let path = KeyPath::of(&["profiles"]);
        for name in self.context.places.order(&path) {
            let Some(written) = written.get(&name) else { continue };
            let path = path.key(&name);
            self.name(&name, "name", "a profile", &path, &self.context.places.key(&path));
            let upstreams = written.upstreams.as_ref();
            let upstreams = upstreams.map(|keys| self.members(keys, known, &path.key("upstreams")));
            if upstreams.as_ref().is_some_and(Vec::is_empty) {
                self.nobody(&name, &path.key("upstreams"));
            }
            let exposure = self.exposure_of(written, &path, everywhere);
            let file::Selection { allow, deny, annotations } = &written.tools;
            let tools = self.tools(allow, deny, annotations, &path.key("tools"));
            let clients = self.patterns(&written.clients, &path.key("clients"), Case::Ignored);
            profiles.insert(name, Profile { upstreams, tools, clients, exposure });
        }
        profiles
    }

    /// Checks that there is the profile that clients see; `known` are the names of all.
    pub(super) fn profile(&mut self, name: &str, known: &[String]) {
        if known.iter().any(|other| other == name) {
            return;
        }
        let message = format!("there is no profile `{name}`");
        let hint = match suggest::nearest(name, known.iter().map(String::as_str)) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None if known.is_empty() => "there is none; write one under `profiles`".to_owned(),
            None => format!("there are {}", known.join(", ")),
        };
        self.wrong(&KeyPath::of(&["profile"]), message, &hint);
    }

    /// Warns of a profile that nothing is part of.
    fn nobody(&mut self, name: &str, path: &KeyPath) {
        let message = format!("no upstream is part of the profile `{name}`, so it is empty");
        let hint = "name keys under `upstreams`, or leave `upstreams` out for all of them";
        let place = self.context.places.value(path);
        self.warnings.push(Problem::at(&place, path, message).hint(hint));
    }

    fn members(&mut self, keys: &[String], known: &[String], path: &KeyPath) -> Vec<UpstreamId> {
        let mut members = Vec::new();
        for (index, key) in keys.iter().enumerate() {
            if !known.contains(key) {
                self.stranger(key, known, &path.index(index));
            }
            members.push(UpstreamId::new(key));
        }
        members
    }

    fn stranger(&mut self, key: &str, known: &[String], path: &KeyPath) {
        let message = format!("there is no upstream `{key}`");
        let hint = match suggest::nearest(key, known.iter().map(String::as_str)) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => "name keys under `upstreams`".to_owned(),
        };
        self.wrong(path, message, &hint);
    }
}
