//! Ranks tools by how well they fit a question: BM25F over names, titles, descriptions and the
//! names of arguments.
//!
//! Pure and deterministic: one catalog and one question give one order on every machine. Robertson
//! and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), section 3.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::ops::Bound;

use crate::catalog::Entry;
use crate::catalog::words;
use crate::wire::object::Object;

/// How soon more of one word says nothing more.
const SATURATION: f64 = 1.2;
/// How much longer texts count for less, from 0 to 1.
const LENGTH: f64 = 0.5;
/// How much a word counts that only begins like the one that was asked for.
const BEGINNING: f64 = 0.4;
/// The shortest beginning of a word that finds it, in characters.
const SHORTEST_BEGINNING: usize = 3;
/// How many words one beginning finds.
const EXPANSIONS: usize = 24;
/// How many different words of a question count.
const QUESTION: usize = 32;

/// The parts of a definition that are searched, and how much a word in each of them counts.
const FIELDS: [(Field, f64); 4] =
    [(Field::Name, 3.0), (Field::Title, 2.0), (Field::Description, 1.0), (Field::Arguments, 0.7)];

#[derive(Clone, Copy)]
enum Field {
    Name,
    Title,
    Description,
    Arguments,
}

/// Where every word is found.
#[derive(Debug)]
pub(in crate::catalog) struct Index {
    words: BTreeMap<Box<str>, Vec<Posting>>,
    tools: usize,
}

/// That a word is found in a tool.
#[derive(Debug)]
struct Posting {
    tool: u32,
    /// How often, weighed by where and by how long that is.
    weight: f64,
}

/// How often each word is found in each part of one tool.
type Found = HashMap<String, [u32; FIELDS.len()]>;

impl Index {
    /// Reads all tools.
    pub(in crate::catalog) fn new(tools: &[Entry]) -> Self {
        let found: Vec<(Found, [u32; FIELDS.len()])> = tools.iter().map(read).collect();
        let averages = averages(found.iter().map(|(_, lengths)| lengths));
        let mut words: BTreeMap<Box<str>, Vec<Posting>> = BTreeMap::new();
        for (tool, (found, lengths)) in (0..).zip(found) {
            for (word, counts) in found {
                let weight = weight(&counts, &lengths, &averages);
                words.entry(word.into()).or_default().push(Posting { tool, weight });
            }
        }
        Self { words, tools: tools.len() }
    }

    /// Returns the places of the tools that fit, the best one first; of two that fit alike the
    /// first in the catalog.
    pub(in crate::catalog) fn ranked(&self, question: &str) -> Vec<usize> {
        let mut asked: Vec<String> = Vec::new();
        for word in words::of(question) {
            if asked.len() < QUESTION && !asked.contains(&word) {
                asked.push(word);
            }
        }
        let mut scores = vec![0.0; self.tools];
        for word in &asked {
            for (postings, share) in self.matching(word) {
                self.count(postings, share, &mut scores);
            }
        }
        let mut places: Vec<usize> =
            (0..self.tools).filter(|place| score(&scores, *place) > 0.0).collect();
        places.sort_by(|a, b| {
            let by_score = score(&scores, *b).partial_cmp(&score(&scores, *a));
            by_score.unwrap_or(Ordering::Equal).then(a.cmp(b))
        });
        places
    }

    /// Where a word is found, and words that begin with it; and how much each of them counts.
    fn matching<'i>(&'i self, word: &'i str) -> impl Iterator<Item = (&'i [Posting], f64)> {
        let exact = self.words.get(word).map(|postings| (postings.as_slice(), 1.0));
        let is_long_enough = word.chars().count() >= SHORTEST_BEGINNING;
        let behind = (Bound::Excluded(word), Bound::Unbounded);
        let longer = self.words.range::<str, _>(behind).filter(move |_| is_long_enough);
        let longer = longer.take_while(move |(found, _)| found.starts_with(word)).take(EXPANSIONS);
        exact.into_iter().chain(longer.map(|(_, postings)| (postings.as_slice(), BEGINNING)))
    }

    #[expect(clippy::cast_precision_loss, reason = "no catalog has 2^52 tools")]
    fn count(&self, postings: &[Posting], share: f64, scores: &mut [f64]) {
        let (all, having) = (self.tools as f64, postings.len() as f64);
        let rarity = (1.0 + (all - having + 0.5) / (having + 0.5)).ln();
        for Posting { tool, weight } in postings {
            let Some(score) = scores.get_mut(*tool as usize) else { continue };
            *score += share * rarity * weight / (SATURATION + weight);
        }
    }
}

fn score(scores: &[f64], place: usize) -> f64 {
    scores.get(place).copied().unwrap_or_default()
}

/// The words of one tool, and how many there are in each part.
fn read(tool: &Entry) -> (Found, [u32; FIELDS.len()]) {
    let (mut found, mut lengths) = (Found::new(), [0; FIELDS.len()]);
    let Ok(definition) = tool.definition.object() else { return (found, lengths) };
    for (place, (field, _)) in FIELDS.iter().enumerate() {
        let text = match field {
            Field::Name => tool.public.clone(),
            Field::Title => text(&definition, "title"),
            Field::Description => text(&definition, "description"),
            Field::Arguments => arguments(&definition),
        };
        for word in words::of(&text) {
            let (counts, length) = (found.entry(word).or_default(), lengths.get_mut(place));
            if let (Some(count), Some(length)) = (counts.get_mut(place), length) {
                (*count, *length) = (*count + 1, *length + 1);
            }
        }
    }
    (found, lengths)
}

fn text(object: &Object<'_>, key: &str) -> String {
    object.get(key).and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
}

fn arguments(definition: &Object<'_>) -> String {
    let schema = definition.get("inputSchema").unwrap_or("{}");
    let Ok(schema) = Object::parse_allowing_duplicates(schema) else { return String::new() };
    let properties = schema.get("properties").unwrap_or("{}");
    let Ok(names) = Object::parse_allowing_duplicates(properties) else { return String::new() };
    names.iter().map(|(name, _)| name).collect::<Vec<_>>().join(" ")
}

#[expect(clippy::cast_precision_loss, reason = "no catalog has 2^52 tools")]
fn averages<'a>(
    all: impl ExactSizeIterator<Item = &'a [u32; FIELDS.len()]>,
) -> [f64; FIELDS.len()] {
    let count = all.len().max(1) as f64;
    let mut sums = [0.0; FIELDS.len()];
    for lengths in all {
        for (sum, length) in sums.iter_mut().zip(lengths) {
            *sum += f64::from(*length);
        }
    }
    sums.map(|sum| sum / count)
}

/// How much the places count where a word is found in one tool.
fn weight(
    counts: &[u32; FIELDS.len()],
    lengths: &[u32; FIELDS.len()],
    averages: &[f64; FIELDS.len()],
) -> f64 {
    let mut sum = 0.0;
    let parts = FIELDS.iter().zip(counts).zip(lengths.iter().zip(averages));
    for (((_, worth), count), (length, average)) in parts {
        let relative = if *average > 0.0 { f64::from(*length) / average } else { 1.0 };
        sum += worth * f64::from(*count) / (1.0 - LENGTH + LENGTH * relative);
    }
    sum
}
