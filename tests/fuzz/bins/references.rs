#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| conflux::config::probe::references(bytes));
