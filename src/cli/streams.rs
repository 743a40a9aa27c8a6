//! Data goes to standard output, talk to standard error; whether either may be coloured.

use std::{
    ffi::OsStr,
    fmt::Display,
    io::{self, IsTerminal, Write},
};

/// Standard output cannot be written to.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output")]
pub struct StdoutError(#[from] io::Error);

impl StdoutError {
    /// Whether the reader went away, as `head` does when it has enough: no failure of ours.
    pub fn is_broken_pipe(&self) -> bool {
        self.0.kind() == io::ErrorKind::BrokenPipe
    }
}

/// Writes data.
///
/// # Errors
/// It cannot be written.
pub fn print(data: impl AsRef<[u8]>) -> Result<(), StdoutError> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(data.as_ref())?;
    Ok(stdout.flush()?)
}

/// Says something to whoever watches. Where nobody can hear it, it is lost: there is nowhere left to say so.
pub fn tell(talk: impl Display) {
    drop(writeln!(io::stderr().lock(), "{talk}"));
}

/// Whether output is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colours {
    /// With escape sequences.
    On,
    /// Plain text.
    Off,
}

impl Colours {
    /// For standard output: only on a terminal, and never with `NO_COLOR`.
    pub fn of_stdout() -> Self {
        Self::of(&io::stdout())
    }

    /// For standard error, alike.
    pub fn of_stderr() -> Self {
        Self::of(&io::stderr())
    }

    fn of(stream: &impl IsTerminal) -> Self {
        if stream.is_terminal() { Self::unless(std::env::var_os("NO_COLOR").as_deref()) } else { Self::Off }
    }

    /// By <https://no-color.org>, an empty variable counts as none.
    fn unless(no_color: Option<&OsStr>) -> Self {
        if no_color.is_some_and(|value| !value.is_empty()) { Self::Off } else { Self::On }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_color_switches_colours_off_unless_it_is_empty() {
        assert_eq!(Colours::unless(None), Colours::On);
        assert_eq!(Colours::unless(Some(OsStr::new(""))), Colours::On);
        assert_eq!(Colours::unless(Some(OsStr::new("1"))), Colours::Off);
    }
}
