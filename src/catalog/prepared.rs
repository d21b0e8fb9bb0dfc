//! One list as it is sent: written once, and once more for those who want it in another form.

use std::sync::Mutex;
use std::sync::PoisonError;

use crate::wire::Raw;
use crate::wire::object;

/// A result that holds one list and nothing else, and what was made of it.
#[derive(Debug)]
pub struct Prepared {
    result: Raw,
    list: Raw,
    /// At most one for each name, of which there are few.
    forms: Mutex<Vec<Form>>,
}

/// A result that was made of a list.
#[derive(Debug)]
struct Form {
    name: &'static str,
    terms: String,
    result: Raw,
}

impl Prepared {
    /// Writes the result that has the array of `items` as its only member.
    pub fn new<'a>(member: &'static str, items: impl IntoIterator<Item = &'a Raw>) -> Self {
        let list = Raw::array(items);
        let result = object::build([(member, list.get())]);
        // The text of the array is there once.
        let start = result.get().len() - "}".len() - list.get().len();
        let list = result.get().get(start..).and_then(|text| text.strip_suffix('}'));
        let list = result.part(list.expect("the array is all that stands before the end"));
        Self { result, list, forms: Mutex::default() }
    }

    /// Returns the result that has the list as its only member.
    pub fn result(&self) -> &Raw {
        &self.result
    }

    /// Returns the list, an array.
    pub fn list(&self) -> &Raw {
        &self.list
    }

    /// Returns the result in another form, made by `make` when it is first wanted and kept as long
    /// as the list. Of each `name` one is kept; if it was made on other `terms`, it is made anew.
    ///
    /// Whoever comes meanwhile waits, rather than making the same.
    pub fn form(&self, name: &'static str, terms: &str, make: impl FnOnce() -> Raw) -> Raw {
        let mut forms = self.forms.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(form) = forms.iter().find(|form| form.name == name && form.terms == terms) {
            return form.result.clone();
        }
        let result = make();
        forms.retain(|form| form.name != name);
        forms.push(Form { name, terms: terms.to_owned(), result: result.clone() });
        result
    }
}
