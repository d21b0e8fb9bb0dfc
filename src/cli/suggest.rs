//! Names that were probably meant.

/// How alike two names must be, from 0 to 1, for one to be suggested for the other.
const LEAST_LIKENESS: f64 = 0.6;
/// How much less alike than the best one another suggestion may be.
const SPREAD: f64 = 0.15;
/// How many names are suggested.
const MOST: usize = 3;

/// A name that could be meant.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Candidate {
    /// The name under which it is called.
    pub(in crate::cli) public: String,
    /// The name its upstream gave.
    pub(in crate::cli) local: String,
}

impl Candidate {
    /// Rates how probable it is that this was meant by `wanted`.
    ///
    /// What all names of an upstream have in common makes none of them more probable.
    fn likeness(&self, wanted: &str) -> f64 {
        let head = self.public.strip_suffix(&self.local).filter(|head| !head.is_empty());
        if let Some(rest) = head.and_then(|head| wanted.strip_prefix(head)) {
            return alike(rest, &self.local);
        }
        alike(wanted, &self.public).max(alike(wanted, &self.local))
    }
}

fn alike(one: &str, other: &str) -> f64 {
    strsim::normalized_damerau_levenshtein(&one.to_lowercase(), &other.to_lowercase())
}

/// Returns the names that were probably meant by `wanted`, the most probable first.
pub(in crate::cli) fn nearest(wanted: &str, candidates: Vec<Candidate>) -> Vec<String> {
    let rate = |candidate: Candidate| (candidate.likeness(wanted), candidate.public);
    let mut rated: Vec<_> = candidates.into_iter().map(rate).collect();
    rated.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let best = rated.first().map_or(0.0, |(best, _)| *best);
    let least = (best - SPREAD).max(LEAST_LIKENESS);
    let near = rated.into_iter().take(MOST).filter(|(likeness, _)| *likeness >= least);
    near.map(|(_, name)| name).collect()
}
