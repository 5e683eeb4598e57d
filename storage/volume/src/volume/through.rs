//! A volume behind another store.

use std::sync::Arc;

use object_store::ObjectStore;

use super::{Inner, Volume};

impl Volume {
    /// The same volume through a store that wraps its own.
    pub fn through(&self, wrap: impl FnOnce(Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore>) -> Volume {
        let store = wrap(self.store());
        Volume { inner: Arc::new(Inner { store, ..(*self.inner).clone() }) }
    }
}
