//! Faults by location: every volume opened there, in whatever actor, obeys the rules of the test.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::{BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result,
};

use crate::location::normalize_location;

static INSTALLED: LazyLock<Mutex<HashMap<String, Faults>>> = LazyLock::new(Mutex::default);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is asked of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Writes, whole and in parts, and copies.
    Put,
    /// Reads and HEAD.
    Get,
    /// Listings.
    List,
    /// Deletes.
    Delete,
}

/// What becomes of it.
#[derive(Clone, Debug)]
pub enum Effect {
    /// It fails with this text and is not done.
    Fail(String),
    /// It is done, but the answer is this failure: the outcome is unknown to the caller. (Of Put, whole, and Delete.)
    LoseAnswer(String),
    /// It is done after this time.
    Delay(Duration),
    /// It may be done; the answer is 503 Slow Down.
    Throttle,
    /// The answer ends in the middle. (Of Get.)
    Truncate,
}

/// When to do it.
#[derive(Clone, Debug)]
pub struct Rule {
    operation: Operation,
    pattern: String,
    effect: Effect,
    skip: usize,
    times: usize,
}

impl Rule {
    /// For each operation whose path contains `pattern` (the empty one is in every path).
    pub fn new(operation: Operation, pattern: &str, effect: Effect) -> Rule {
        Rule { operation, pattern: pattern.to_owned(), effect, skip: 0, times: usize::MAX }
    }

    /// Fails with a plain text.
    pub fn fail(operation: Operation, pattern: &str) -> Rule {
        Rule::new(operation, pattern, Effect::Fail("injected fault".to_owned()))
    }

    /// Only after `n` that went well.
    pub fn after(mut self, n: usize) -> Rule {
        self.skip = n;
        self
    }

    /// Only so often.
    pub fn times(mut self, n: usize) -> Rule {
        self.times = n;
        self
    }
}

/// The rules at one location. A clone is the same rules.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    rules: Vec<Rule>,
    seen: HashMap<Operation, usize>,
    struck: usize,
}

impl Faults {
    /// The rules of a location; volumes must be opened after the first call for it.
    pub fn at(location: &str) -> Faults {
        lock(&INSTALLED).entry(normalize_location(location)).or_default().clone()
    }

    /// Adds a rule. Of several that fit, the first counts.
    pub fn add(&self, rule: Rule) {
        lock(&self.state).rules.push(rule);
    }

    /// All is well again.
    pub fn clear(&self) {
        lock(&self.state).rules.clear();
    }

    /// How often a rule struck.
    pub fn struck(&self) -> usize {
        lock(&self.state).struck
    }

    /// How often the store was asked for this.
    pub fn seen(&self, operation: Operation) -> usize {
        lock(&self.state).seen.get(&operation).copied().unwrap_or(0)
    }

    /// Counts an operation, and says what becomes of it.
    pub fn decide(&self, operation: Operation, path: &str) -> Option<Effect> {
        let mut state = lock(&self.state);
        *state.seen.entry(operation).or_default() += 1;
        for rule in &mut state.rules {
            if rule.operation != operation || !path.contains(&rule.pattern) || rule.times == 0 {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            rule.times -= 1;
            let effect = rule.effect.clone();
            state.struck += 1;
            return Some(effect);
        }
        None
    }

    /// Waits or fails as the rules say; Some: do it, then answer with this failure.
    async fn strike(&self, operation: Operation, path: &str) -> Result<Option<object_store::Error>> {
        match self.decide(operation, path) {
            None => Ok(None),
            Some(Effect::Delay(time)) => {
                tokio::time::sleep(time).await;
                Ok(None)
            }
            Some(Effect::Fail(text)) => Err(failure(text)),
            Some(Effect::LoseAnswer(text)) => Ok(Some(failure(text))),
            Some(Effect::Throttle) => Ok(Some(failure("503 Slow Down".to_owned()))),
            Some(Effect::Truncate) => Err(failure("the answer ended in the middle".to_owned())),
        }
    }
}

fn failure(text: String) -> object_store::Error {
    object_store::Error::Generic { store: "faulty", source: text.into() }
}

/// The store, obeying the rules of its location if there are any.
pub(crate) fn wrap(location: &str, store: Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> {
    match lock(&INSTALLED).get(&normalize_location(location)) {
        Some(faults) => Arc::new(FaultyStore { inner: store, faults: faults.clone() }),
        None => store,
    }
}

#[derive(Debug)]
struct FaultyStore {
    inner: Arc<dyn ObjectStore>,
    faults: Faults,
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Faulty({})", self.inner)
    }
}

fn text(path: Option<&Path>) -> String {
    path.map(Path::to_string).unwrap_or_default()
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let lost = self.faults.strike(Operation::Put, location.as_ref()).await?;
        let done = self.inner.put_opts(location, payload, options).await?;
        lost.map_or(Ok(done), Err)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.faults.strike(Operation::Put, location.as_ref()).await?;
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.faults.strike(Operation::Get, location.as_ref()).await?;
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (inner, faults) = (Arc::clone(&self.inner), self.faults.clone());
        locations
            .then(move |location| {
                let (inner, faults) = (Arc::clone(&inner), faults.clone());
                async move {
                    let location = location?;
                    let lost = faults.strike(Operation::Delete, location.as_ref()).await?;
                    object_store::ObjectStoreExt::delete(&inner, &location).await?;
                    lost.map_or(Ok(location), Err)
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (inner, faults, prefix) = (Arc::clone(&self.inner), self.faults.clone(), prefix.cloned());
        let begun = async move {
            match faults.strike(Operation::List, &text(prefix.as_ref())).await {
                Ok(_) => inner.list(prefix.as_ref()),
                Err(e) => futures::stream::once(async move { Err(e) }).boxed(),
            }
        };
        futures::stream::once(begun).flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.faults.strike(Operation::List, &text(prefix)).await?;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let lost = self.faults.strike(Operation::Put, to.as_ref()).await?;
        self.inner.copy_opts(from, to, options).await?;
        lost.map_or(Ok(()), Err)
    }
}
