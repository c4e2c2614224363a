//! Context variables: values that a task inherits from whoever spawned it.
//!
//! asyncio: `contextvars`. A [`Context`] is an immutable map behind one pointer, so a spawn copies it in
//! O(1) and an empty one costs nothing. Setting a variable makes a new map and puts it into the cell of
//! the current task, where only the holder of RUNNING may touch it. The current context *is* the current
//! task's: nothing has to be swapped around a poll, and a future that is dropped sees it, too.
//!
//! Tasks that were given one [`SharedContext`] work on a snapshot each, taken when a poll begins; a
//! `set` writes through to the shared map under its lock, so no write is torn and none is lost, but a
//! task sees another one's write at its next poll at the latest.

use crate::current;
use corrente_shim::sync::Mutex;
use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

type Value = Arc<dyn Any + Send + Sync>;

/// What one task's context variables hold. Cheap to clone, never changes.
///
/// asyncio: `contextvars.Context`, as a value: [`run`](Self::run) does not change it but gives a new one.
#[derive(Clone, Default)]
pub struct Context(Option<Arc<Map>>);

#[derive(Clone, Default)]
struct Map {
    /// A few entries in the order of first setting; a scan beats a tree at this size.
    entries: Vec<Entry>,
    /// Some entry is not inherited, so a spawn has to filter.
    has_private: bool,
}

#[derive(Clone)]
struct Entry {
    variable: usize,
    inherited: bool,
    value: Value,
}

impl Context {
    /// A context in which every variable has its default.
    pub const fn new() -> Self {
        Self(None)
    }

    /// The context of whoever asks. asyncio: `copy_context()`.
    pub fn current() -> Self {
        current::context(Self::clone).unwrap_or_default()
    }

    /// What a child of this context begins with.
    pub(crate) fn inherit(&self) -> Self {
        match &self.0 {
            Some(map) if map.has_private => {
                let entries = map.entries.iter().filter(|e| e.inherited).cloned().collect();
                Self(Some(Arc::new(Map { entries, has_private: false })))
            }
            _ => self.clone(),
        }
    }

    /// True if no variable was ever set in it.
    pub fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|map| map.entries.is_empty())
    }

    /// What `variable` holds here. asyncio: `ctx[var]`.
    pub fn get<T: Clone + Send + Sync + 'static>(&self, variable: &ContextVar<T>) -> Option<T> {
        self.find(variable.key()).and_then(|value| value.downcast_ref::<T>().cloned())
    }

    fn find(&self, key: usize) -> Option<&Value> {
        let map = self.0.as_ref()?;
        map.entries.iter().find(|entry| entry.variable == key).map(|entry| &entry.value)
    }

    fn with(&self, entry: Entry) -> Self {
        let mut map = self.0.as_deref().cloned().unwrap_or_default();
        map.has_private |= !entry.inherited;
        match map.entries.iter_mut().find(|old| old.variable == entry.variable) {
            Some(old) => *old = entry,
            None => map.entries.push(entry),
        }
        Self(Some(Arc::new(map)))
    }

    fn without(&self, key: usize) -> Self {
        let mut map = self.0.as_deref().cloned().unwrap_or_default();
        map.entries.retain(|entry| entry.variable != key);
        Self(Some(Arc::new(map)))
    }

    /// Calls `f` with this as the current context; what `f` sets is in the context that comes back.
    ///
    /// For threads and callbacks; a task gets its context when it is spawned. asyncio: `Context.run`.
    pub fn run<R>(&self, f: impl FnOnce() -> R) -> (R, Self) {
        current::with_ambient(self.clone(), f)
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let many = self.0.as_ref().map_or(0, |map| map.entries.len());
        write!(f, "Context({many} variables)")
    }
}

/// One context for several tasks: what one of them sets, the others see at their next poll.
#[derive(Clone, Default, Debug)]
pub struct SharedContext(Arc<Mutex<Context>>);

impl SharedContext {
    /// Begins as a copy of `context`.
    pub fn new(context: Context) -> Self {
        Self(Arc::new(Mutex::new(context)))
    }
    /// What it holds now.
    pub fn snapshot(&self) -> Context {
        self.0.lock().clone()
    }
    pub(crate) fn change(&self, change: impl FnOnce(&Context) -> Context) -> Context {
        // The old map is dropped after the lock is let go: user values may have destructors.
        let mut shared = self.0.lock();
        let next = change(&shared);
        let old = std::mem::replace(&mut *shared, next.clone());
        drop(shared);
        drop(old);
        next
    }
}

/// The context that a new task begins with.
#[derive(Clone, Debug, Default)]
pub enum ContextChoice {
    /// A copy of the spawner's.
    #[default]
    Inherit,
    /// This one.
    Own(Context),
    /// This one, together with whoever else was given it.
    Shared(SharedContext),
}

/// A variable with one value per context.
///
/// # Examples
///
/// ```
/// use corrente_task::{Context, ContextVar};
///
/// static REQUEST: ContextVar<u32> = ContextVar::new(|| 0);
/// let (_, context) = Context::new().run(|| {
///     let token = REQUEST.set(7);
///     assert_eq!(REQUEST.get(), 7);
///     REQUEST.reset(token);
///     assert_eq!(REQUEST.get(), 0);
///     REQUEST.set(8);
/// });
/// assert_eq!(context.get(&REQUEST), Some(8));
/// ```
///
/// asyncio: `contextvars.ContextVar`. It must be a `static`: its address is its identity.
pub struct ContextVar<T: 'static> {
    default: fn() -> T,
    inherited: bool,
    // The address is the identity, so the type must not be zero-sized; `default` sees to that.
    _value: PhantomData<fn() -> T>,
}

/// Brings the earlier value back. asyncio: `contextvars.Token`.
#[must_use = "the token restores the value from before: give it to `reset`, or drop it knowingly"]
pub struct Token<T: 'static> {
    key: usize,
    before: Option<Value>,
    _value: PhantomData<fn() -> T>,
}

impl<T: Clone + Send + Sync + 'static> ContextVar<T> {
    /// A variable that is `default()` where nobody set it.
    pub const fn new(default: fn() -> T) -> Self {
        Self { default, inherited: true, _value: PhantomData }
    }

    /// The same, but tasks do not inherit it: each begins with the default.
    pub const fn private(default: fn() -> T) -> Self {
        Self { default, inherited: false, _value: PhantomData }
    }

    fn key(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// The value in the current context, or the default. asyncio: `var.get()`.
    pub fn get(&'static self) -> T {
        self.try_get().unwrap_or_else(self.default)
    }

    /// The value in the current context, if it was set there.
    pub fn try_get(&'static self) -> Option<T> {
        current::context(|context| context.get(self)).flatten()
    }

    /// Sets it in the current context: for this task and for those it will spawn.
    ///
    /// # Panics
    ///
    /// Outside of every task and of [`Context::run`], where there is no context to set it in.
    pub fn set(&'static self, value: T) -> Token<T> {
        let key = self.key();
        let entry = Entry { variable: key, inherited: self.inherited, value: Arc::new(value) };
        let before = change_current(|context| context.with(entry.clone()));
        Token { key, before: before.find(key).cloned(), _value: PhantomData }
    }

    /// Goes back to the value from before the `set` that gave `token`. asyncio: `var.reset(token)`.
    ///
    /// # Panics
    ///
    /// If the token is another variable's, or where [`set`](Self::set) panics.
    pub fn reset(&'static self, token: Token<T>) {
        assert!(token.key == self.key(), "this token was made by another ContextVar");
        let inherited = self.inherited;
        change_current(|context| match &token.before {
            Some(value) => {
                context.with(Entry { variable: token.key, inherited, value: value.clone() })
            }
            None => context.without(token.key),
        });
    }
}

fn change_current(change: impl Fn(&Context) -> Context) -> Context {
    match current::change_context(change) {
        Some(before) => before,
        None => panic!(
            "there is no context here to set a variable in: use a task, or `Context::new().run(|| …)`"
        ),
    }
}

impl<T> fmt::Debug for ContextVar<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContextVar")
    }
}
