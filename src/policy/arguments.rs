//! The arguments of a call as Cedar can judge them, read from the very bytes that are sent on.
//!
//! What has another type than its tool says, or cannot be told exactly, is unknown: a rule that
//! denies and looks at it applies, one that allows does not.

use std::collections::BTreeSet;
use std::collections::HashMap;

use cedar_policy::RestrictedExpression;

use crate::policy::decimal;
use crate::policy::decimal::Exact;
use crate::policy::parameters::DEPTH;
use crate::policy::parameters::Field;
use crate::policy::parameters::Parameters;
use crate::policy::parameters::Type;
use crate::wire::Raw;

/// How many values are judged; arguments that hold more are unknown as a whole. Each takes some
/// hundred bytes more than its text, which may be two.
const VALUES: usize = 1 << 16;
/// How many items a list may have; a longer one is unknown.
const ITEMS: usize = 4096;
/// How long the text of one may be, in bytes.
const LONGEST_LIST: usize = 1 << 20;

/// Arguments, and which of them cannot be judged.
pub(super) struct Known {
    expression: RestrictedExpression,
    doubts: Vec<String>,
}

impl Known {
    /// Nothing is known of them.
    pub(super) fn unknown(name: &str) -> Self {
        let expression = RestrictedExpression::new_unknown(name);
        Self { expression, doubts: vec![name.to_owned()] }
    }

    /// Returns the names of those that cannot be judged.
    pub(super) fn doubts(&self) -> Vec<String> {
        self.doubts.clone()
    }

    /// Returns them for Cedar.
    pub(super) fn into_expression(self) -> RestrictedExpression {
        self.expression
    }
}

impl Parameters {
    /// Reads arguments as they are sent; none at all is the same as an object without members.
    pub(super) fn known(&self, raw: Option<&Raw>) -> Known {
        let mut reader = Reader { doubts: Vec::new(), left: VALUES };
        let value = match raw {
            Some(raw) if raw.get() != "null" => {
                reader.record(raw, &self.fields, "arguments", DEPTH)
            }
            _ => RestrictedExpression::new_record([]).ok(),
        };
        let expression = value.unwrap_or_else(|| reader.doubt("arguments"));
        Known { expression, doubts: reader.doubts }
    }
}

struct Reader {
    doubts: Vec<String>,
    /// How many more values are judged.
    left: usize,
}

impl Reader {
    /// Reads an object; nothing if it is none, names one member twice, or if there is too much.
    fn record(
        &mut self,
        raw: &Raw,
        fields: &[Field],
        name: &str,
        depth: usize,
    ) -> Option<RestrictedExpression> {
        let object = raw.object().ok()?;
        let mut members = Vec::new();
        let (mut mistakable, mut folds) = (BTreeSet::new(), None);
        for (key, json) in object.iter() {
            if self.left == 0 {
                return None;
            }
            let field = fields.iter().find(|field| field.name == key);
            if field.is_none() {
                let named = || fields.iter().map(|field| (folded(&field.name), &field.name));
                let folds = folds.get_or_insert_with(|| named().collect::<HashMap<_, _>>());
                // Some servers take it for that one, be that one there or not.
                mistakable.extend(folds.get(&folded(key)).copied());
            }
            let inner = Raw::parse(json.to_owned()).ok()?;
            let is_null = inner.get() == "null";
            if is_null && field.is_none_or(|field| field.is_nullable || field.kind == Type::Any) {
                continue;
            }
            let kind = field.map_or(&Type::Any, |field| &field.kind);
            let way = way(name, key);
            let value = self.value(&inner, kind, &way, depth);
            let value = value.unwrap_or_else(|| self.doubt(&way));
            members.push((key.to_owned(), value));
        }
        members.retain(|(key, _)| !mistakable.contains(key));
        for key in mistakable {
            members.push((key.clone(), self.doubt(&way(name, key))));
        }
        RestrictedExpression::new_record(members).ok()
    }

    /// Reads a value; nothing if it cannot be judged.
    fn value(
        &mut self,
        raw: &Raw,
        kind: &Type,
        name: &str,
        depth: usize,
    ) -> Option<RestrictedExpression> {
        let depth = depth.checked_sub(1)?;
        self.left = self.left.checked_sub(1)?;
        let json = raw.get().trim();
        match (json.as_bytes().first()?, kind) {
            (b'"', Type::Text | Type::Any) => raw.string().map(RestrictedExpression::new_string),
            (b't' | b'f', Type::Flag | Type::Any) => {
                Some(RestrictedExpression::new_bool(json == "true"))
            }
            (b'{', Type::Record(fields)) => self.record(raw, fields, name, depth),
            (b'{', Type::Any) => self.record(raw, &[], name, depth),
            (b'[', Type::List(item)) => self.list(raw, item, depth),
            (b'[', Type::Any) => self.list(raw, &Type::Any, depth),
            (b'-' | b'0'..=b'9', kind) => number(json, kind),
            (_, _) => None,
        }
    }

    /// Reads a list, which is unknown as a whole if anything in it is.
    fn list(&mut self, raw: &Raw, item: &Type, depth: usize) -> Option<RestrictedExpression> {
        if raw.get().len() > LONGEST_LIST {
            return None;
        }
        let items = raw.elements().filter(|items| items.len() <= ITEMS)?;
        let before = self.doubts.len();
        let read = items.iter().map(|it| self.value(it, item, "", depth));
        let read = read.collect::<Option<Vec<_>>>();
        let is_certain = self.doubts.len() == before;
        self.doubts.truncate(before);
        read.filter(|_| is_certain).map(RestrictedExpression::new_set)
    }

    /// What stands for a value that cannot be judged. Cedar tells two of them apart by the name.
    fn doubt(&mut self, name: &str) -> RestrictedExpression {
        self.doubts.push(name.to_owned());
        RestrictedExpression::new_unknown(format!("{}: {name}", self.doubts.len()))
    }
}

/// How an argument is named that lies inside of another.
fn way(name: &str, key: &str) -> String {
    if name == "arguments" { key.to_owned() } else { format!("{name}.{key}") }
}

/// Returns a key as those read it for whom upper and lower case are one.
fn folded(key: &str) -> String {
    key.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

fn number(json: &str, kind: &Type) -> Option<RestrictedExpression> {
    let integer = RestrictedExpression::new_long;
    let decimal = |text: String| RestrictedExpression::new_decimal(text);
    match (decimal::read(json)?, kind) {
        (Exact::Integer(number), Type::Integer | Type::Any) => Some(integer(number)),
        (Exact::Integer(number), Type::Number) => decimal::of_integer(number).map(decimal),
        (Exact::Decimal(number), Type::Number | Type::Any) => Some(decimal(number)),
        (_, _) => None,
    }
}
