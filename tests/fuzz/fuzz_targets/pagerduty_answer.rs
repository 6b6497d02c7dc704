#![no_main]

use libfuzzer_sys::fuzz_target;
use pagerelay_support::fuzz;

fuzz_target!(|data: &[u8]| fuzz::pagerduty_answer(data));
