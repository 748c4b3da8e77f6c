#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| runner_init_fuzz::run("pages", bytes));
