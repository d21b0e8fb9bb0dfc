//! The compatibility matrix: what its axes are, and what the protocol makes possible where they
//! cross.

use std::collections::BTreeMap;

/// A revision of the protocol, in the order they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Revision {
    November2024,
    March2025,
    June2025,
    November2025,
    July2026,
}

/// How a client or a server speaks with Conflux.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Transport {
    Stdio,
    /// HTTP+SSE, which ends with 2025-11-25.
    Sse,
    /// Streamable HTTP.
    Http,
}

/// What a client uses of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Feature {
    List,
    Call,
    Error,
    Progress,
    Cancel,
    Log,
    ListChanged,
    Subscribe,
    Complete,
    Sample,
    Roots,
    ElicitForm,
    ElicitUrl,
    Task,
}

/// What the protocol says of one feature between two revisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It must work through Conflux.
    Works,
    /// The client cannot be asked; the call must end with an error that says so.
    Refused,
    /// The client knows no such tasks; its call must end with the result of the task.
    Waited,
    /// The server has no such thing, so there is nothing to try.
    Absent,
}

/// One crossing of the axes but the feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pair {
    pub(crate) client: (Transport, Revision),
    pub(crate) server: (Transport, Revision),
}

/// What came of one feature between one client and one server.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    pub(crate) pair: Pair,
    pub(crate) feature: Feature,
    /// The programs, as `client → server`.
    pub(crate) programs: String,
    pub(crate) verdict: Verdict,
    /// Why it did not go as the verdict says.
    pub(crate) failure: Option<String>,
}

impl Revision {
    pub(crate) const ALL: [Self; 5] =
        [Self::November2024, Self::March2025, Self::June2025, Self::November2025, Self::July2026];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::November2024 => "2024-11-05",
            Self::March2025 => "2025-03-26",
            Self::June2025 => "2025-06-18",
            Self::November2025 => "2025-11-25",
            Self::July2026 => "2026-07-28",
        }
    }

    /// Whether requests carry their revision, and nothing is opened by `initialize`.
    pub(crate) fn is_modern(self) -> bool {
        self == Self::July2026
    }
}

impl Transport {
    pub(crate) const ALL: [Self; 3] = [Self::Stdio, Self::Sse, Self::Http];

    pub(crate) fn flag(self) -> &'static str {
        match self {
            Self::Stdio => "stdio",
            Self::Sse => "sse",
            Self::Http => "http",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Stdio => "stdio",
            Self::Sse => "HTTP+SSE",
            Self::Http => "Streamable HTTP",
        }
    }

    /// The revisions that are spoken over it. 2024-11-05 has no Streamable HTTP, but what speaks
    /// both carries it over either.
    pub(crate) fn revisions(self) -> Vec<Revision> {
        let carries = |revision: &Revision| self != Self::Sse || !revision.is_modern();
        Revision::ALL.into_iter().filter(carries).collect()
    }
}

impl Feature {
    pub(crate) const ALL: [Self; 14] = [
        Self::List,
        Self::Call,
        Self::Error,
        Self::Progress,
        Self::Cancel,
        Self::Log,
        Self::ListChanged,
        Self::Subscribe,
        Self::Complete,
        Self::Sample,
        Self::Roots,
        Self::ElicitForm,
        Self::ElicitUrl,
        Self::Task,
    ];

    /// Its name in the wish and the report of a client.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Call => "call",
            Self::Error => "error",
            Self::Progress => "progress",
            Self::Cancel => "cancel",
            Self::Log => "log",
            Self::ListChanged => "list_changed",
            Self::Subscribe => "subscribe",
            Self::Complete => "complete",
            Self::Sample => "sample",
            Self::Roots => "roots",
            Self::ElicitForm => "elicit_form",
            Self::ElicitUrl => "elicit_url",
            Self::Task => "task",
        }
    }

    /// What a client does and must see, for people.
    pub(crate) fn promise(self) -> &'static str {
        match self {
            Self::List => "tools, resources, templates and prompts are listed under their names",
            Self::Call => "a tool's text and a prompt come back unchanged",
            Self::Error => "`isError` and a JSON-RPC error with its own code arrive as such",
            Self::Progress => "progress arrives in order, before the result",
            Self::Cancel => "the server learns that its running call was taken back",
            Self::Log => "a log message of a call arrives",
            Self::ListChanged => "a new tool is announced, listed and callable",
            Self::Subscribe => "a changed resource is announced and read",
            Self::Complete => "an argument of a prompt is completed",
            Self::Sample => "a tool gets a sample from the client in mid-call",
            Self::Roots => "a tool gets the roots of the client in mid-call",
            Self::ElicitForm => "a tool gets a filled-in form in mid-call",
            Self::ElicitUrl => "a tool sends the user to an address in mid-call",
            Self::Task => "a call becomes a task, which is followed to its result",
        }
    }

    /// The letter that stands for it in a table, of those that some revisions lack.
    pub(crate) fn letter(self) -> Option<char> {
        match self {
            Self::ElicitForm => Some('f'),
            Self::ElicitUrl => Some('u'),
            Self::Task => Some('t'),
            _ => None,
        }
    }

    /// The first revision that has it.
    pub(crate) fn since(self) -> Revision {
        match self {
            Self::ElicitForm => Revision::June2025,
            Self::ElicitUrl | Self::Task => Revision::November2025,
            _ => Revision::November2024,
        }
    }

    /// Decides what must happen between a client and a server of two revisions. That one is modern
    /// and the other is not makes a difference for tasks alone: the two eras have two kinds.
    pub(crate) fn verdict(self, client: Revision, server: Revision) -> Verdict {
        let is_across = client.is_modern() != server.is_modern();
        if server < self.since() {
            Verdict::Absent
        } else if self == Self::Task && (client < self.since() || is_across) {
            Verdict::Waited
        } else if client >= self.since() {
            Verdict::Works
        } else {
            Verdict::Refused
        }
    }
}

impl Verdict {
    /// How a client's wish names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Works => "works",
            Self::Refused => "refused",
            Self::Waited => "waited",
            Self::Absent => "absent",
        }
    }
}

/// Returns the cells of a test by pair and feature.
pub(crate) fn by_pair(cells: &[Cell]) -> BTreeMap<(Pair, Feature), Vec<&Cell>> {
    let mut sorted: BTreeMap<(Pair, Feature), Vec<&Cell>> = BTreeMap::new();
    for cell in cells {
        sorted.entry((cell.pair, cell.feature)).or_default().push(cell);
    }
    sorted
}
