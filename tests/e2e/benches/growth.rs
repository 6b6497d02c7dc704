//! What a request of 8 KiB and one of 128 KiB cost, in every shape: `cargo test --bench growth`.
//!
//! `cargo test --bench growth -- <text>` measures the subjects whose names contain the text. A cost of 100 % is exactly in
//! proportion to what grows; above 130 %, the test of the component fails.

use pagerelay_e2e::growth::{self, Shape};
use pagerelay_e2e::run;

fn main() {
    let wanted = std::env::args().skip(1).find(|word| !word.starts_with('-')).unwrap_or_default();
    let mut subjects = growth::deliveries(false);
    subjects.extend(growth::firsts(&Shape::ALL, "/preview", growth::SMALL));
    subjects.extend(growth::firsts(&Shape::ALL, "", 32 * 1024));
    subjects.extend(growth::templates(false));
    println!("{:>9} {:>9} {:>12} {:>13} {:>6} {:>5}", "bytes", "bytes", "instructions", "instructions", "cost", "MiB");
    let mut worst = 0;
    for subject in subjects.iter().filter(|subject| subject.name.contains(&wanted)) {
        let Some(growth) = run(subject.measure()) else { continue };
        let ([small, large], [few, many]) = (growth.bytes, growth.fuel);
        let (percent, memory) = (growth.percent(), growth.memory >> 20);
        println!("{small:9} {large:9} {few:12} {many:13} {percent:5}% {memory:5} {} {}", growth.status, subject.name);
        worst = worst.max(percent);
    }
    println!("the worst: {worst}%");
}
