//! The component: WASI on one side, the pipeline on the other.

mod wasi_p2;
