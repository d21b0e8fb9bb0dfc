//! A client that is given more tools than it takes: told in the same words wherever it is noticed.

use std::cmp::Reverse;
use std::fmt;

use crate::clients::Client;

/// How many of the largest servers are named.
const NAMED: usize = 3;

/// A client, and the tools that are too many for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crowd {
    client: Client,
    tools: usize,
    /// The servers that most of them come from, the largest first.
    largest: Vec<(String, usize)>,
}

impl Crowd {
    /// What to do about it.
    pub const REMEDY: &'static str = "trim them with `tools: { deny: [...] }` of the largest or \
        with a profile, or set `exposure: auto`, which lists such a client a few tools by which it \
        finds the others";

    /// Returns what there is to tell if a client is given `tools`, of which servers have these
    /// `shares`; nothing if it takes as many.
    pub fn of<'a>(
        client: Client,
        tools: usize,
        shares: impl IntoIterator<Item = (&'a str, usize)>,
    ) -> Option<Self> {
        client.limits().comfortable().filter(|most| tools > *most)?;
        let shares = shares.into_iter().filter(|(_, count)| *count > 0);
        let mut largest: Vec<_> = shares.map(|(name, count)| (name.to_owned(), count)).collect();
        largest.sort_by_key(|(_, count)| Reverse(*count));
        largest.truncate(NAMED);
        Some(Self { client, tools, largest })
    }
}

impl fmt::Display for Crowd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (title, limits, tools) = (self.client.title(), self.client.limits(), self.tools);
        match (limits.most_tools, limits.warns_at) {
            (Some(most), _) if tools > most => write!(f, "{title} uses {most} tools at most")?,
            (_, Some(most)) => write!(f, "{title} warns from {most} tools on")?,
            _ => write!(f, "{title} takes fewer tools")?,
        }
        write!(f, ", and there are {tools}")?;
        for (number, (name, count)) in self.largest.iter().enumerate() {
            f.write_str(if number == 0 { "; the most come from " } else { ", " })?;
            write!(f, "`{name}` ({count})")?;
        }
        Ok(())
    }
}
