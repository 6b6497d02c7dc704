//! The component: the adapter between WASI and the pipeline. Only this folder names the bindings.

#[cfg(not(any(feature = "spin", feature = "wasmtime")))]
compile_error!("a component needs a variable store: build with cargo feature `spin` (default) or `wasmtime`");

mod wasi_p2;
