//! Settings from variables. Everything is parsed before a port is bound, and
//! all faults are reported at once. Library code never reads the environment.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A variable that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The variable.
    pub variable: &'static str,
    /// What is wrong and what would be right.
    pub problem: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.variable, self.problem)
    }
}

/// A text that must not be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Reads variables and collects the faults.
pub struct Reader<'a> {
    vars: &'a dyn Fn(&str) -> Option<String>,
    wrong: Vec<Wrong>,
}

/// The variables of this process.
#[allow(clippy::disallowed_methods)]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl<'a> Reader<'a> {
    /// Reads from the given variables, so that tests need no environment.
    pub fn new(vars: &'a dyn Fn(&str) -> Option<String>) -> Reader<'a> {
        Reader { vars, wrong: Vec::new() }
    }

    /// A text, if given.
    pub fn text(&mut self, variable: &'static str) -> Option<String> {
        (self.vars)(variable)
    }

    /// A text that must be given.
    pub fn required(&mut self, variable: &'static str) -> String {
        self.text(variable).unwrap_or_else(|| {
            self.wrong(variable, "must be set");
            String::new()
        })
    }

    /// A secret, if given.
    pub fn secret(&mut self, variable: &'static str) -> Option<Secret> {
        self.text(variable).map(Secret)
    }

    /// A parsed value, or the default.
    pub fn parsed<T: FromStr>(&mut self, variable: &'static str, default: T, expected: &str) -> T {
        match self.text(variable).map(|text| text.parse::<T>()) {
            None => default,
            Some(Ok(value)) => value,
            Some(Err(_)) => {
                self.wrong(variable, format!("must be {expected}"));
                default
            }
        }
    }

    /// The contents of a file that a variable names.
    pub fn file(&mut self, variable: &'static str) -> Option<Vec<u8>> {
        let path = PathBuf::from(self.text(variable)?);
        match std::fs::read(&path) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                self.wrong(
                    variable,
                    format!("names a file that cannot be read: {} ({})", path.display(), error.kind()),
                );
                None
            }
        }
    }

    /// Notes a fault.
    pub fn wrong(&mut self, variable: &'static str, problem: impl Into<String>) {
        self.wrong.push(Wrong { variable, problem: problem.into() });
    }

    /// The value if nothing was wrong, or everything that was.
    pub fn finish<T>(self, value: T) -> Result<T, Vec<Wrong>> {
        if self.wrong.is_empty() { Ok(value) } else { Err(self.wrong) }
    }
}
