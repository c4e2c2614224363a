//! What a sample found: named numbers, units last in the name.

use std::fmt;

/// Named numbers in the order in which they were added. Shown as `key=value` pairs on one line.
#[derive(Clone, Debug, Default)]
pub struct Figures(Vec<(String, f64)>);

impl Figures {
    /// No figure yet.
    pub fn new() -> Self {
        Figures::default()
    }

    /// These figures and one more.
    #[must_use]
    pub fn with(mut self, key: &str, value: f64) -> Self {
        self.0.push((key.to_owned(), value));
        self
    }

    /// These figures and then the `others`.
    #[must_use]
    pub fn and(mut self, others: Figures) -> Self {
        self.0.extend(others.0);
        self
    }

    /// The figure called `key`.
    pub fn get(&self, key: &str) -> Option<f64> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, value)| *value)
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (key, value)) in self.0.iter().enumerate() {
            let gap = if index == 0 { "" } else { " " };
            write!(f, "{gap}{key}={value:.3}")?;
        }
        Ok(())
    }
}
