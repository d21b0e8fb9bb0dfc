//! The words that labels may be, all of them: what is not among them is `other`.

use crate::wire::method;

/// A method as a label: one of those that are known, or `other`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method(usize);

/// Those that are known, the usual ones first.
const METHODS: [&str; 24] = [
    method::TOOLS_CALL,
    method::TOOLS_LIST,
    method::RESOURCES_READ,
    method::PROMPTS_GET,
    method::RESOURCES_LIST,
    method::TEMPLATES_LIST,
    method::PROMPTS_LIST,
    method::COMPLETE,
    method::TASKS_GET,
    method::TASKS_RESULT,
    method::TASKS_LIST,
    method::TASKS_UPDATE,
    method::TASKS_CANCEL,
    method::RESOURCES_SUBSCRIBE,
    method::RESOURCES_UNSUBSCRIBE,
    method::SKILLS_LIST,
    method::SKILLS_GET,
    method::DIRECTORY_READ,
    method::INITIALIZE,
    method::DISCOVER,
    method::LISTEN,
    method::SET_LEVEL,
    method::PING,
    OTHER,
];
/// What every other method is.
const OTHER: &str = "other";

impl Method {
    /// How many there are.
    pub(super) const COUNT: usize = METHODS.len();

    /// Returns the label of a method.
    pub fn of(method: &str) -> Self {
        let known = METHODS.iter().position(|known| *known == method);
        Self(known.unwrap_or(Self::COUNT - 1))
    }

    /// Returns all of them.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT).map(Self)
    }

    /// Returns its place among all of them.
    pub(super) fn index(self) -> usize {
        self.0
    }

    /// Returns the word.
    pub fn as_str(self) -> &'static str {
        METHODS.get(self.0).copied().unwrap_or(OTHER)
    }
}

/// Makes an enum whose variants are the words of a label.
macro_rules! words {
    ($(#[$about:meta])* $name:ident {
        $($(#[$each:meta])* $variant:ident = $word:literal,)+
    }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$each])* $variant,)+
        }

        impl $name {
            /// All of them, in order.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Returns the word.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }
    };
}

words! {
    /// How a request ended.
    Outcome {
        /// With a result.
        Ok = "ok",
        /// With a result of a tool that says that it failed.
        ToolError = "tool_error",
        /// It was not for anybody, or not to be done, or answered with an error.
        Refused = "refused",
        /// The upstream failed.
        Failed = "failed",
        /// The time was over.
        TimedOut = "timed_out",
        /// Its caller no longer wanted it.
        Cancelled = "cancelled",
    }
}

words! {
    /// Why something that came was turned away.
    Refusal {
        /// What it names is not there, or not for whoever asked.
        Unknown = "unknown",
        /// Something is wrong with it.
        Invalid = "invalid",
        /// Nobody knows who sent it.
        Unauthenticated = "unauthenticated",
        /// Whoever sent it may not do that.
        Denied = "denied",
        /// It came under a strange name, or from a strange web page.
        Stranger = "stranger",
        /// Whoever sent it sends too many.
        RateLimited = "rate_limited",
        /// It must be recorded, and cannot be.
        Unrecorded = "unrecorded",
        /// Whoever sent it has too many under way.
        InFlight = "in_flight",
        /// One with the same id is under way.
        IdInUse = "id_in_use",
        /// It is larger than what is taken.
        TooLarge = "too_large",
        /// There is no room for it now.
        NoRoom = "no_room",
        /// Too many connections, or sessions, are open.
        TooMany = "too_many",
        /// Too many wait for the upstream.
        Busy = "busy",
        /// The upstream failed too often of late.
        Suspended = "suspended",
    }
}

words! {
    /// What became of spans that were to be exported.
    Spans {
        /// A collector took them.
        Exported = "exported",
        /// Too many waited.
        Dropped = "dropped",
        /// No collector took them.
        Failed = "failed",
    }
}

words! {
    /// What became of a reload.
    Reload {
        /// It is in force.
        Applied = "applied",
        /// Something is wrong with the configuration.
        Refused = "refused",
    }
}
