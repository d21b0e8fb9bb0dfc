//! Says why a test fails at once. The runner says so when all have ended, and prints what it
//! captured; of a run that is ended before, or whose output is cut off, nobody would know why.

use std::io;
use std::io::Write as _;
use std::panic;
use std::sync::Once;
use std::thread;

/// Has it said from now on, past what captures output.
pub(crate) fn fail() {
    static TOLD: Once = Once::new();
    TOLD.call_once(|| {
        let captured = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            let test = thread::current();
            let test = test.name().unwrap_or("a test");
            // If nobody reads it, it is said later all the same.
            drop(writeln!(io::stderr(), "{test} {panic}"));
            captured(panic);
        }));
    });
}
