//! What is registered, by the number of the descriptor. Numbers are small and dense, because the
//! kernel always gives out the lowest one that is free.

use std::os::fd::RawFd;

use super::Interest;

/// One registered descriptor, as [`Selector::registrations`](super::Selector::registrations) lists
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "SelectorKey")]
pub struct Registration<K = usize> {
    /// The number of the descriptor.
    pub fd: RawFd,
    /// The key that its events carry.
    pub key: K,
    /// What it is watched for.
    pub interest: Interest,
}

pub(super) struct Table<K> {
    entries: Vec<Option<Entry<K>>>,
    len: usize,
}

pub(super) struct Entry<K> {
    pub(super) key: K,
    pub(super) interest: Interest,
}

impl<K> Table<K> {
    #[inline]
    pub(super) fn get(&self, fd: RawFd) -> Option<&Entry<K>> {
        self.entries.get(fd as usize)?.as_ref()
    }

    /// Adds an entry, or replaces it.
    pub(super) fn insert(&mut self, fd: RawFd, key: K, interest: Interest) {
        let place = fd as usize;
        if self.entries.len() <= place {
            if self.entries.capacity() <= place {
                // Doubling would cost an idle server's connections up to an entry each.
                let more = place + 1 - self.entries.len();
                self.entries.reserve_exact(more + place / 8);
            }
            self.entries.resize_with(place + 1, || None);
        }
        let former = self.entries[place].replace(Entry { key, interest });
        self.len += usize::from(former.is_none());
    }

    /// Removes an entry. Returns whether there was one.
    pub(super) fn remove(&mut self, fd: RawFd) -> bool {
        let former = self.entries.get_mut(fd as usize).and_then(Option::take);
        self.len -= usize::from(former.is_some());
        former.is_some()
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Registration<K>> + '_
    where
        K: Clone,
    {
        self.entries
            .iter()
            .enumerate()
            .filter_map(|(place, entry)| Some(entry.as_ref()?.registration(place as RawFd)))
    }
}

impl<K: Clone> Entry<K> {
    pub(super) fn registration(&self, fd: RawFd) -> Registration<K> {
        Registration {
            fd,
            key: self.key.clone(),
            interest: self.interest,
        }
    }
}

impl<K> Default for Table<K> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            len: 0,
        }
    }
}
