//! All errors of a group, as one error.

use std::error::Error as StdError;
use std::fmt;

/// The error type of groups: any error, boxed.
pub type Error = Box<dyn StdError + Send + Sync + 'static>;

/// What went wrong in a [`TaskGroup`](crate::TaskGroup): the errors of its children in the order in which
/// they came, the error of its body last.
///
/// The types are erased, so one group may hold an `io::Error` and a `ParseIntError`; [`split`](Self::split)
/// gets the errors of one type out. Groups nest, and print as a tree with the names of the tasks.
/// asyncio: `ExceptionGroup`.
#[derive(Debug)]
pub struct ErrorGroup {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    /// The task, or none for the body of the group.
    name: Option<String>,
    error: Error,
}

impl ErrorGroup {
    pub(crate) const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    pub(crate) fn push(&mut self, name: Option<String>, error: Error) {
        self.entries.push(Entry { name, error });
    }

    /// True if it holds nothing; a group that is returned as an error never is.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many errors it holds, nested groups counted as one.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// The errors, in order. asyncio: `eg.exceptions`.
    pub fn errors(&self) -> impl Iterator<Item = &Error> {
        self.entries.iter().map(|entry| &entry.error)
    }

    /// The errors, by value.
    pub fn into_errors(self) -> Vec<Error> {
        self.entries.into_iter().map(|entry| entry.error).collect()
    }

    /// Gets the errors of type `E` out, from nested groups too; the rest stays as a group.
    ///
    /// Python: `except* E`.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn handle(group: corrente::ErrorGroup) -> Result<(), corrente::ErrorGroup> {
    /// let (io, rest) = group.split::<std::io::Error>();
    /// for error in io {
    ///     eprintln!("skipped: {error}");
    /// }
    /// rest.map_or(Ok(()), Err)
    /// # }
    /// ```
    pub fn split<E: StdError + 'static>(self) -> (Vec<E>, Option<Self>) {
        let mut found = Vec::new();
        let mut rest = Self::new();
        for Entry { name, error } in self.entries {
            match error.downcast::<E>() {
                Ok(error) => found.push(*error),
                Err(error) => match error.downcast::<Self>() {
                    Ok(nested) => {
                        let (mut inner, left) = nested.split::<E>();
                        found.append(&mut inner);
                        if let Some(left) = left {
                            rest.push(name, left.into());
                        }
                    }
                    Err(error) => rest.push(name, error),
                },
            }
        }
        (found, (!rest.is_empty()).then_some(rest))
    }

    /// Parts the errors by a predicate into those for which it is true and the others, keeping the tree.
    ///
    /// Python: `eg.split(predicate)`.
    pub fn split_by(
        self,
        predicate: impl Fn(&(dyn StdError + Send + Sync + 'static)) -> bool,
    ) -> (Option<Self>, Option<Self>) {
        self.split_with(&predicate)
    }

    fn split_with(
        self,
        predicate: &dyn Fn(&(dyn StdError + Send + Sync + 'static)) -> bool,
    ) -> (Option<Self>, Option<Self>) {
        let (mut yes, mut no) = (Self::new(), Self::new());
        for Entry { name, error } in self.entries {
            match error.downcast::<Self>() {
                Ok(nested) => {
                    let (left, right) = nested.split_with(predicate);
                    if let Some(left) = left {
                        yes.push(name.clone(), left.into());
                    }
                    if let Some(right) = right {
                        no.push(name, right.into());
                    }
                }
                Err(error) if predicate(&*error) => yes.push(name, error),
                Err(error) => no.push(name, error),
            }
        }
        ((!yes.is_empty()).then_some(yes), (!no.is_empty()).then_some(no))
    }

    fn print(&self, f: &mut fmt::Formatter<'_>, indent: &str) -> fmt::Result {
        let many = self.entries.len();
        write!(f, "{many} {} in a task group", if many == 1 { "error" } else { "errors" })?;
        for (position, Entry { name, error }) in self.entries.iter().enumerate() {
            let last = position + 1 == many;
            let name = name.as_deref().unwrap_or("body");
            write!(f, "\n{indent}{} {name}: ", if last { "└─" } else { "├─" })?;
            match error.downcast_ref::<Self>() {
                Some(nested) => {
                    nested.print(f, &format!("{indent}{}", if last { "   " } else { "│  " }))?;
                }
                None => write!(f, "{error}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for ErrorGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.print(f, "")
    }
}

impl StdError for ErrorGroup {
    /// The first of the errors, for those who walk a chain.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.entries.first().map(|entry| &*entry.error as &(dyn StdError + 'static))
    }
}

impl IntoIterator for ErrorGroup {
    type Item = Error;
    type IntoIter = std::vec::IntoIter<Error>;
    fn into_iter(self) -> Self::IntoIter {
        self.into_errors().into_iter()
    }
}
