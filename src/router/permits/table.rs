//! A bounded table: what was not asked for the longest gives way.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use foldhash::fast::RandomState;

/// Values that are made when they are first wanted.
#[derive(Debug)]
pub(super) struct Table<K, V> {
    most: usize,
    inner: Mutex<Inner<K, V>>,
}

#[derive(Debug)]
struct Inner<K, V> {
    values: HashMap<K, Kept<V>, RandomState>,
    /// Counts what was asked for.
    now: u64,
}

#[derive(Debug)]
struct Kept<V> {
    value: Arc<V>,
    asked: u64,
}

impl<K: Eq + Hash + Clone, V> Table<K, V> {
    /// Makes a table of at most so many.
    pub(super) fn new(most: usize) -> Self {
        let values = HashMap::default();
        Self { most, inner: Mutex::new(Inner { values, now: 0 }) }
    }

    /// Returns the value for a key, made by `make` if there is none.
    pub(super) fn get_or_make(&self, key: &K, make: impl FnOnce() -> V) -> Arc<V> {
        if let Some(value) = self.get(key) {
            return value;
        }
        // Outside of the lock, as it may take a while; of two who make one, one is kept.
        let made = Arc::new(make());
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = inner.tick();
        if inner.values.len() >= self.most && !inner.values.contains_key(key) {
            let oldest = inner.values.iter().min_by_key(|(_, kept)| kept.asked);
            let oldest = oldest.map(|(key, _)| key.clone());
            oldest.and_then(|oldest| inner.values.remove(&oldest));
        }
        let kept = inner.values.entry(key.clone()).or_insert(Kept { value: made, asked });
        kept.asked = asked;
        Arc::clone(&kept.value)
    }

    fn get(&self, key: &K) -> Option<Arc<V>> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let now = inner.tick();
        let kept = inner.values.get_mut(key)?;
        kept.asked = now;
        Some(Arc::clone(&kept.value))
    }
}

impl<K, V> Inner<K, V> {
    fn tick(&mut self) -> u64 {
        self.now += 1;
        self.now
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn what_was_not_asked_for_longest_gives_way() {
        let table = Table::new(2);
        let get = |key: u32, value: &'static str| *table.get_or_make(&key, || value);
        assert_eq!([get(1, "a"), get(2, "b"), get(1, "x")], ["a", "b", "a"]);
        assert_eq!(get(3, "c"), "c");
        assert_eq!([get(1, "x"), get(3, "x"), get(2, "new")], ["a", "c", "new"]);
        assert_eq!(get(1, "again"), "again");
    }
}
