//! How the program ends: exit codes that scripts may rely on.

use std::fmt::Write as _;

/// One way to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Exit {
    /// The exit code.
    pub(in crate::cli) code: u8,
    /// What it means, for `--help`.
    pub(in crate::cli) meaning: &'static str,
}

/// All went well.
pub(in crate::cli) const OK: Exit = Exit { code: 0, meaning: "all went well" };
/// Something failed that no other code is for.
pub(in crate::cli) const FAILURE: Exit = Exit {
    code: 1,
    meaning: "an unexpected failure; `doctor`, `lint`, `audit verify`: an error was found",
};
/// The command line is wrong.
pub(in crate::cli) const USAGE: Exit = Exit { code: 2, meaning: "the command line is wrong" };
/// The configuration is wrong or missing.
pub(in crate::cli) const CONFIG: Exit =
    Exit { code: 3, meaning: "the configuration is wrong or missing" };
/// An upstream that is `required` could not be used.
pub(in crate::cli) const REQUIRED: Exit =
    Exit { code: 4, meaning: "an upstream that is `required` failed" };
/// Nothing has the name that was given.
pub(in crate::cli) const UNKNOWN: Exit =
    Exit { code: 5, meaning: "there is no such tool, prompt, resource, upstream or profile" };
/// The tool was called, and its result says `isError`.
pub(in crate::cli) const TOOL_ERROR: Exit =
    Exit { code: 6, meaning: "the tool ran and reported an error of its own (`isError`)" };
/// An upstream could not be started or did not answer.
pub(in crate::cli) const UPSTREAM: Exit =
    Exit { code: 7, meaning: "an upstream could not be started or did not answer" };
/// An upstream answered a request with a JSON-RPC error.
pub(in crate::cli) const REFUSED: Exit =
    Exit { code: 8, meaning: "an upstream refused the request with a JSON-RPC error" };
/// The address to serve clients at cannot be had.
pub(in crate::cli) const ADDRESS: Exit =
    Exit { code: 9, meaning: "the address to serve clients at cannot be used" };
/// No gateway runs that could be asked.
pub(in crate::cli) const NO_INSTANCE: Exit = Exit {
    code: 10,
    meaning: "`status`, `logs`, `tail`, `check --diff`: no running instance could be asked",
};
/// A rule of the policy does not permit it, or is not what a case of `policy test` expects.
pub(in crate::cli) const FORBIDDEN: Exit = Exit {
    code: 11,
    meaning: "the policy does not permit it; `policy test`: a case is decided otherwise",
};
/// The command of `exec` may not be executed.
pub(in crate::cli) const NOT_EXECUTABLE: Exit =
    Exit { code: 126, meaning: "`exec`: the command cannot be executed" };
/// The command of `exec` is not there.
pub(in crate::cli) const NOT_FOUND: Exit =
    Exit { code: 127, meaning: "`exec`: there is no such command" };
/// SIGHUP, as shells count it.
pub(in crate::cli) const HUNG_UP: Exit =
    Exit { code: 129, meaning: "`serve`: stopped because its terminal was closed (SIGHUP)" };
/// SIGINT, as shells count it: 128 and the number of the signal.
pub(in crate::cli) const INTERRUPTED: Exit =
    Exit { code: 130, meaning: "stopped by SIGINT (Ctrl-C)" };
/// SIGTERM, as shells count it.
pub(in crate::cli) const TERMINATED: Exit = Exit { code: 143, meaning: "stopped by SIGTERM" };

/// Every way to end, by code.
pub(in crate::cli) const ALL: [Exit; 17] = [
    OK,
    FAILURE,
    USAGE,
    CONFIG,
    REQUIRED,
    UNKNOWN,
    TOOL_ERROR,
    UPSTREAM,
    REFUSED,
    ADDRESS,
    NO_INSTANCE,
    FORBIDDEN,
    NOT_EXECUTABLE,
    NOT_FOUND,
    HUNG_UP,
    INTERRUPTED,
    TERMINATED,
];

/// Returns the table of exit codes that `--help` shows.
pub(in crate::cli) fn help() -> String {
    let mut text = String::from("Exit codes:\n");
    for exit in ALL {
        writeln!(text, "  {:>3}  {}", exit.code, exit.meaning)
            .expect("writing into a string cannot fail");
    }
    text
}
