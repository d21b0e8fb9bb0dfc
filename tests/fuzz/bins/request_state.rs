#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| conflux::downstream::probe::request_state(bytes));
