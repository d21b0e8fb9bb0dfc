//! What secrets look like inside of a text: tokens of known makers, passwords and parameters of
//! addresses, and members of JSON that are named like secrets.

use std::ops::Range;

use crate::config;

/// A secret within a text.
pub struct Hit {
    /// Where it is, in bytes.
    pub at: Range<usize>,
    /// What it is called.
    pub name: String,
}

/// How tokens begin, and how long they are at least. The makers are in the order of the lines:
/// GitHub, GitLab, OpenAI and Anthropic, Stripe, Slack, Amazon, Google, Hugging Face, npm, `PyPI`,
/// DigitalOcean, Figma, Notion, Linear, SendGrid, Shopify, Atlassian, Tavily, Groq, xAI,
/// Perplexity, Firecrawl, age, JSON Web Tokens, Airtable, Postman, Sentry, Supabase, Context7.
const BEGINNINGS: &[(&str, usize)] = &[
    ("ghp_", 20),
    ("gho_", 20),
    ("ghu_", 20),
    ("ghs_", 20),
    ("ghr_", 20),
    ("github_pat_", 30),
    ("glpat-", 20),
    ("sk-", 20),
    ("sk_live_", 16),
    ("sk_test_", 16),
    ("rk_live_", 16),
    ("xoxb-", 16),
    ("xoxp-", 16),
    ("xoxa-", 16),
    ("xapp-", 16),
    ("AKIA", 20),
    ("ASIA", 20),
    ("AIza", 35),
    ("ya29.", 30),
    ("hf_", 20),
    ("npm_", 30),
    ("pypi-", 30),
    ("dop_v1_", 30),
    ("figd_", 20),
    ("ntn_", 20),
    ("secret_", 30),
    ("lin_api_", 20),
    ("SG.", 30),
    ("shpat_", 20),
    ("ATATT", 30),
    ("tvly-", 16),
    ("gsk_", 20),
    ("xai-", 20),
    ("pplx-", 20),
    ("fc-", 20),
    ("AGE-SECRET-KEY-", 30),
    ("eyJ", 40),
    ("pat", 60),
    ("PMAK-", 30),
    ("sntrys_", 30),
    ("sntryu_", 30),
    ("sbp_", 30),
    ("ctx7sk-", 20),
];

/// Parts of a path that are at least this long, with letters and digits, are tokens.
const MIN_SEGMENT: usize = 24;
/// How many digits they have at least, unless their letters are large and small.
const MIN_DIGITS: usize = 5;

/// What stands in front of a private key.
const PRIVATE_KEY: &str = "PRIVATE KEY-----";

/// Returns the secrets in a text, in their order and apart from each other. `holder` names those
/// that have no name of their own.
pub fn find(text: &str, holder: &str) -> Vec<Hit> {
    if text.contains(PRIVATE_KEY) {
        return vec![Hit { at: 0..text.len(), name: holder.to_owned() }];
    }
    let mut hits = in_addresses(text, holder);
    hits.extend(in_json(text));
    hits.extend(tokens(text, holder));
    hits.sort_by_key(|hit| (hit.at.start, hit.at.end));
    let mut end = 0;
    hits.retain(|hit| {
        let is_apart = hit.at.start >= end && !hit.at.is_empty();
        end = if is_apart { hit.at.end } else { end };
        is_apart
    });
    hits
}

/// Finds what begins like a token.
fn tokens(text: &str, holder: &str) -> Vec<Hit> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let hit = |at| Hit { at, name: holder.to_owned() };
    runs(text, is_part).filter(|at| text.get(at.clone()).is_some_and(is_token)).map(hit).collect()
}

fn is_token(word: &str) -> bool {
    let begins = |(start, least): &(&str, usize)| {
        word.starts_with(start) && word.len() >= *least && is_random(word)
    };
    BEGINNINGS.iter().any(begins)
}

/// Whether a word is not one that people write: it has letters and digits.
fn is_random(word: &str) -> bool {
    word.bytes().any(|byte| byte.is_ascii_digit())
        && word.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// Whether a part of a path is more likely a key than a name with a year in it.
fn is_key(part: &str) -> bool {
    let digits = part.bytes().filter(u8::is_ascii_digit).count();
    let has = |is: fn(&u8) -> bool| part.bytes().any(|byte| is(&byte));
    let is_mixed = has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase);
    is_random(part) && (is_mixed || digits >= MIN_DIGITS)
}

/// Returns where the longest runs of such characters are.
fn runs(text: &str, is_part: impl Fn(char) -> bool) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = text.get(at..)?;
        let start = at + rest.find(&is_part)?;
        let rest = text.get(start..)?;
        let end = start + rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        at = end;
        Some(start..end)
    })
}

/// Finds passwords, parameters and parts of paths in the addresses of a text.
fn in_addresses(text: &str, holder: &str) -> Vec<Hit> {
    let mut hits = Vec::new();
    let mut from = 0;
    while let Some(found) = text.get(from..).and_then(|rest| rest.find("://")) {
        let start = from + found + "://".len();
        let rest = text.get(start..).unwrap_or_default();
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>');
        let end = start + rest.find(ends).unwrap_or(rest.len());
        in_address(text, start..end, holder, &mut hits);
        from = end;
    }
    hits
}

fn in_address(text: &str, at: Range<usize>, holder: &str, hits: &mut Vec<Hit>) {
    let address = text.get(at.clone()).unwrap_or_default();
    let authority_end = address.find(['/', '?', '#']).unwrap_or(address.len());
    let authority = address.get(..authority_end).unwrap_or_default();
    if let Some((user, _)) = authority.rsplit_once('@') {
        let start = user.find(':').map_or(0, |colon| colon + 1);
        let at = at.start + start..at.start + user.len();
        hits.push(Hit { at, name: format!("{holder}-password") });
    }
    let query = address.find('?').unwrap_or(address.len());
    let path = address.get(authority_end..query).unwrap_or_default();
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '=' | '+' | '~');
    for part in runs(path, is_part).filter(|part| part.len() >= MIN_SEGMENT) {
        // Behind `@` is the revision of a repository.
        let is_revision = path.get(..part.start).is_some_and(|front| front.ends_with('@'));
        if !is_revision && path.get(part.clone()).is_some_and(is_key) {
            let shift = at.start + authority_end;
            hits.push(Hit { at: shift + part.start..shift + part.end, name: holder.to_owned() });
        }
    }
    let parameters = address.get(query..).unwrap_or_default();
    for part in runs(parameters, |c| !matches!(c, '?' | '&' | '#')) {
        let parameter = parameters.get(part.clone()).unwrap_or_default();
        let Some((name, value)) = parameter.split_once('=') else { continue };
        if config::names_secret(name) && !value.is_empty() {
            let start = at.start + query + part.end - value.len();
            hits.push(Hit { at: start..start + value.len(), name: name.to_owned() });
        }
    }
}

/// Finds the texts of members that are named like secrets, without escapes in them.
fn in_json(text: &str) -> Vec<Hit> {
    let mut hits = Vec::new();
    let mut quotes = text.match_indices('"').map(|(at, _)| at);
    let mut name = None;
    while let (Some(start), Some(end)) = (quotes.next(), quotes.next()) {
        let inside = start + 1..end;
        let word = text.get(inside.clone()).unwrap_or_default();
        match name.take() {
            Some(name) if config::names_secret(name) && !word.contains('\\') => {
                hits.push(Hit { at: inside, name: name.to_owned() });
            }
            Some(_) => {}
            None => {
                let behind = text.get(end + 1..).unwrap_or_default().trim_start();
                let is_name = behind.strip_prefix(':').map(str::trim_start);
                name = is_name.filter(|rest| rest.starts_with('"')).map(|_| word);
            }
        }
    }
    hits
}
