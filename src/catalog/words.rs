//! The words of a text, as far as a search can tell them: `createIssues` has `create` and `issue`.

/// Returns the words of a text in lower case, plurals as if they were singular.
///
/// A word ends where letters and digits end, and where capitals begin. Each character of a script
/// that is written without spaces is a word of its own.
pub(in crate::catalog) fn of(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut characters = text.chars().peekable();
    let mut before = ' ';
    while let Some(character) = characters.next() {
        let is_part = character.is_alphanumeric();
        let ends_run = character.is_uppercase()
            && (before.is_lowercase()
                || before.is_numeric()
                || before.is_uppercase() && characters.peek().is_some_and(|it| it.is_lowercase()));
        let stands_alone = stands_alone(character);
        if !is_part || ends_run || stands_alone {
            take(&mut word, &mut words);
        }
        if is_part {
            word.extend(character.to_lowercase());
        }
        if stands_alone {
            take(&mut word, &mut words);
        }
        before = character;
    }
    take(&mut word, &mut words);
    words
}

fn take(word: &mut String, words: &mut Vec<String>) {
    if !word.is_empty() {
        words.push(singular(std::mem::take(word)));
    }
}

/// Takes the plural from an English word, where that is plain: nobody minds that some words become
/// none, as questions are read in the same way.
fn singular(mut word: String) -> String {
    if word.len() < 4 || !word.is_ascii() || !word.ends_with('s') {
        return word;
    }
    if word.ends_with("ies") && word.len() > 4 {
        word.truncate(word.len() - 3);
        word.push('y');
    } else if ["sses", "shes", "ches", "xes"].iter().any(|end| word.ends_with(end)) {
        word.truncate(word.len() - 2);
    } else if !["ss", "us", "is"].iter().any(|end| word.ends_with(end)) {
        word.pop();
    }
    word
}

/// Chinese and Japanese, where words are not told apart by spaces.
fn stands_alone(character: char) -> bool {
    matches!(character, '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}')
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn words_end_where_people_see_them_end() {
        let cases: [(&str, &[&str]); 10] = [
            ("create_issue", &["create", "issue"]),
            ("createIssues", &["create", "issue"]),
            ("HTTPServer2XX", &["http", "server2", "xx"]),
            ("List all repositories, please!", &["list", "all", "repository", "please"]),
            ("boxes classes status this", &["box", "class", "status", "this"]),
            ("gas", &["gas"]),
            ("Größe ändern", &["größe", "ändern"]),
            ("ファイル検索", &["フ", "ァ", "イ", "ル", "検", "索"]),
            ("a.b/c-d:e", &["a", "b", "c", "d", "e"]),
            ("  ", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(of(text), expected, "{text}");
        }
    }
}
