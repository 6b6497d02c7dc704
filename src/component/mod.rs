//! The component: WASI on one side, the pipeline on the other. Nothing outside this folder names bindings.

#[cfg(not(any(feature = "spin", feature = "wasmtime")))]
compile_error!("a component needs a variable store: build with cargo feature `spin` (default) or `wasmtime`");

mod wasi_p2;
