//! The key-value store: that of the runtime in the world of Spin, and none in the other.

#[cfg(not(feature = "wasmtime"))]
use super::bindings::wasi::keyvalue::store::{self, Bucket, Error};
use crate::runtime::StoreError;

/// The label of the store: the only one that every host of Spin applications has.
#[cfg(not(feature = "wasmtime"))]
const LABEL: &str = "default";

/// The longest list of keys, in pages. Of the hosts' stores, only some have pages at all.
#[cfg(not(feature = "wasmtime"))]
const PAGES_MAX: usize = 1000;

/// The store of one request. It is opened when it is first used.
#[cfg(not(feature = "wasmtime"))]
#[derive(Default)]
pub(super) struct KeyValue(Option<Bucket>);

#[cfg(not(feature = "wasmtime"))]
impl KeyValue {
    fn bucket(&mut self) -> Result<&Bucket, StoreError> {
        let bucket = match self.0.take() {
            Some(bucket) => bucket,
            None => store::open(LABEL).map_err(problem)?,
        };
        Ok(self.0.insert(bucket))
    }

    pub(super) fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.bucket()?.get(key).map_err(problem)
    }

    pub(super) fn set(&mut self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.bucket()?.set(key, value).map_err(problem)
    }

    pub(super) fn delete(&mut self, key: &str) -> Result<(), StoreError> {
        self.bucket()?.delete(key).map_err(problem)
    }

    pub(super) fn keys(&mut self) -> Result<Vec<String>, StoreError> {
        let bucket = self.bucket()?;
        let mut page = bucket.list_keys(None).map_err(problem)?;
        let mut keys = std::mem::take(&mut page.keys);
        for _ in 0..PAGES_MAX {
            let Some(cursor) = page.cursor else { return Ok(keys) };
            page = bucket.list_keys(Some(&cursor)).map_err(problem)?;
            keys.append(&mut page.keys);
        }
        Err(StoreError::Failed)
    }
}

/// The text of an error can name hosts, so it is dropped.
#[cfg(not(feature = "wasmtime"))]
fn problem(error: Error) -> StoreError {
    match error {
        Error::NoSuchStore => StoreError::Absent,
        Error::AccessDenied => StoreError::Denied,
        Error::Other(_) => StoreError::Failed,
    }
}

/// No store.
#[cfg(feature = "wasmtime")]
#[derive(Default)]
pub(super) struct KeyValue(());

#[cfg(feature = "wasmtime")]
impl KeyValue {
    pub(super) fn get(&mut self, _: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Err(StoreError::Absent)
    }

    pub(super) fn set(&mut self, _: &str, _: &[u8]) -> Result<(), StoreError> {
        Err(StoreError::Absent)
    }

    pub(super) fn delete(&mut self, _: &str) -> Result<(), StoreError> {
        Err(StoreError::Absent)
    }

    pub(super) fn keys(&mut self) -> Result<Vec<String>, StoreError> {
        Err(StoreError::Absent)
    }
}
