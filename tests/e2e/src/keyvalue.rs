//! A key-value store as Spin provides it to a component, with faults.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use wasmtime::Result;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};

use self::bindings::wasi::keyvalue::store::{self, Error, KeyResponse};

mod bindings {
    wasmtime::component::bindgen!({
        inline: "package tests:keyvalue; world keyvalue { import wasi:keyvalue/store@0.2.0-draft2; }",
        path: "../../wit/deps/keyvalue.wit",
        imports: { default: async | trappable },
        with: { "wasi:keyvalue/store.bucket": super::Bucket },
    });
}

/// A key-value store, shared by all requests that have it.
#[derive(Clone, Debug, Default)]
pub struct KeyValue(Arc<Mutex<State>>, Arc<Notify>);

#[derive(Debug, Default)]
struct State {
    keys: BTreeMap<String, Vec<u8>>,
    /// The file that has the keys too.
    file: Option<PathBuf>,
    /// How long each call takes.
    takes: Duration,
    /// Whether each call fails.
    fails: bool,
    /// How many calls there were.
    calls: u64,
    /// Of how many thousand calls one kills its instance, and the state of the dice.
    kills: u64,
    dice: u64,
    /// How many instances were killed.
    killed: u64,
}

/// An open store.
pub struct Bucket(KeyValue);

impl KeyValue {
    /// A store whose keys outlive the host, in this file.
    ///
    /// # Panics
    /// If the file cannot be read.
    pub fn in_file(path: &Path) -> KeyValue {
        let keys = match std::fs::read(path) {
            Ok(text) => serde_json::from_slice(&text).expect("a file that this store has written"),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => panic!("{}: {error}", path.display()),
        };
        let store = KeyValue::default();
        (store.state().keys, store.state().file) = (keys, Some(path.to_owned()));
        store
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys and their values.
    pub fn keys(&self) -> BTreeMap<String, Vec<u8>> {
        self.state().keys.clone()
    }

    /// The keys of stored events.
    pub fn entries(&self) -> Vec<String> {
        self.state().keys.keys().filter(|key| key.starts_with("pr1.e.")).cloned().collect()
    }

    /// Waits until a key has a value that is wanted.
    pub async fn wait_for(&self, key: &str, wanted: impl Fn(&[u8]) -> bool) {
        loop {
            let changed = self.1.notified();
            if self.state().keys.get(key).is_some_and(|value| wanted(value)) {
                return;
            }
            changed.await;
        }
    }

    /// How many calls there were.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Sets how long each call takes.
    pub fn takes(&self, takes: Duration) {
        self.state().takes = takes;
    }

    /// Sets whether each call fails.
    pub fn fails(&self, fails: bool) {
        self.state().fails = fails;
    }

    /// Kills the instances that make so many of a thousand calls, half of them after the store did what they asked for.
    pub fn kills(&self, of_a_thousand: u64, seed: u64) {
        let mut state = self.state();
        state.kills = of_a_thousand;
        state.dice = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    }

    /// How many instances were killed.
    pub fn killed(&self) -> u64 {
        self.state().killed
    }

    /// Makes a call.
    async fn call<T>(&self, act: impl FnOnce(&mut BTreeMap<String, Vec<u8>>) -> T) -> Result<Result<T, Error>> {
        let takes = self.state().takes;
        if takes > Duration::ZERO {
            tokio::time::sleep(takes).await;
        }
        let mut state = self.state();
        state.calls += 1;
        if state.fails {
            return Ok(Err(Error::Other("connection refused (host secret-host.internal)".to_owned())));
        }
        let dice = state.throw();
        let is_killed = dice % 1000 < state.kills;
        state.killed += u64::from(is_killed);
        if is_killed && dice.is_multiple_of(2) {
            return Err(killed());
        }
        let result = act(&mut state.keys);
        self.1.notify_waiters();
        if let Some(file) = &state.file {
            let text = serde_json::to_vec(&state.keys)?;
            let beside = file.with_extension("new");
            std::fs::write(&beside, text)?;
            std::fs::rename(beside, file)?;
        }
        if is_killed { Err(killed()) } else { Ok(Ok(result)) }
    }
}

impl State {
    /// A number, by xorshift.
    fn throw(&mut self) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        self.dice >> 11
    }
}

fn killed() -> wasmtime::Error {
    wasmtime::Error::msg("the test kills this instance")
}

/// The store that an instance has, and its resources.
pub(crate) struct View<'a> {
    pub(crate) table: &'a mut ResourceTable,
    /// `None` if the component is not granted any.
    pub(crate) store: Option<KeyValue>,
}

struct HasView;

impl HasData for HasView {
    type Data<'a> = View<'a>;
}

/// Makes the interface available to components.
pub(crate) fn add_to_linker<T: Send>(linker: &mut Linker<T>, view: fn(&mut T) -> View<'_>) -> Result<()> {
    store::add_to_linker::<_, HasView>(linker, view)
}

impl View<'_> {
    /// The store of an open bucket.
    fn of(&self, bucket: &Resource<Bucket>) -> Result<KeyValue> {
        Ok(self.table.get(bucket)?.0.clone())
    }
}

impl store::Host for View<'_> {
    async fn open(&mut self, label: String) -> Result<Result<Resource<Bucket>, Error>> {
        // Spin grants labels, and answers so for any other.
        match self.store.clone().filter(|_| label == "default") {
            Some(store) => Ok(Ok(self.table.push(Bucket(store))?)),
            None => Ok(Err(Error::AccessDenied)),
        }
    }
}

impl store::HostBucket for View<'_> {
    async fn get(&mut self, bucket: Resource<Bucket>, key: String) -> Result<Result<Option<Vec<u8>>, Error>> {
        self.of(&bucket)?.call(|keys| keys.get(&key).cloned()).await
    }

    async fn set(&mut self, bucket: Resource<Bucket>, key: String, value: Vec<u8>) -> Result<Result<(), Error>> {
        let set = |keys: &mut BTreeMap<String, Vec<u8>>| {
            keys.insert(key, value);
        };
        self.of(&bucket)?.call(set).await
    }

    async fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> Result<Result<(), Error>> {
        let delete = |keys: &mut BTreeMap<String, Vec<u8>>| {
            keys.remove(&key);
        };
        self.of(&bucket)?.call(delete).await
    }

    async fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> Result<Result<bool, Error>> {
        self.of(&bucket)?.call(|keys| keys.contains_key(&key)).await
    }

    async fn list_keys(
        &mut self,
        bucket: Resource<Bucket>,
        cursor: Option<String>,
    ) -> Result<Result<KeyResponse, Error>> {
        if cursor.is_some() {
            return Ok(Err(Error::Other("cursor not supported".to_owned())));
        }
        let list =
            |keys: &mut BTreeMap<String, Vec<u8>>| KeyResponse { keys: keys.keys().cloned().collect(), cursor: None };
        self.of(&bucket)?.call(list).await
    }

    async fn drop(&mut self, bucket: Resource<Bucket>) -> Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}
