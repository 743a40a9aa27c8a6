//! Follows the files of the configuration: what changes in them is taken by itself, as a reload by hand takes it.

use super::reload::{Followed, Reloader};
use crate::tasks;
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// How soon they are looked at again where something has changed: a half-written file can be valid.
pub(super) const AGAIN: Duration = Duration::from_secs(1);

/// How soon files that could not be read in time are read again.
const LATER: Duration = Duration::from_secs(60);

/// Looks at the files for ever.
pub(super) async fn follow(reloader: Arc<Reloader>) {
    let mut settling = Settling::default();
    let mut pause = LOOK;
    loop {
        sleep(pause).await;
        let known = reloader.known();
        let looked = known.clone();
        // A file system that hangs takes this thread and no other: the next look is after this one.
        let Ok(found) = tasks::blocking(move || looked.look()).await else { continue };
        match settling.judge(&known, found) {
            Seen::Same => pause = LOOK,
            Seen::Changing => pause = AGAIN,
            Seen::Settled(found) => {
                let reloader = Arc::clone(&reloader);
                // Whoever stops watching in the middle leaves no gateway between two states.
                let followed = tasks::spawn(async move { reloader.follow(found).await }).await;
                pause = match followed {
                    Ok(Followed::TooSlow) => LATER,
                    Ok(Followed::StillChanging) => AGAIN,
                    Ok(Followed::Settled) | Err(_) => LOOK,
                };
            }
        }
    }
}

/// The last look, where it found a change.
#[derive(Debug)]
struct Settling<T>(Option<T>);

/// What two looks come to.
#[derive(Debug, PartialEq, Eq)]
enum Seen<T> {
    /// Nothing has changed.
    Same,
    /// Something has, and may go on changing.
    Changing,
    /// Something has, and two looks in a row found the same.
    Settled(T),
}

impl<T> Default for Settling<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: PartialEq + Clone> Settling<T> {
    /// What a look that found that says, where the other is known.
    fn judge(&mut self, known: &T, found: T) -> Seen<T> {
        let last = self.0.take();
        if found == *known {
            Seen::Same
        } else if last.as_ref() == Some(&found) {
            Seen::Settled(found)
        } else {
            self.0 = Some(found);
            Seen::Changing
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The judgements on what is found look by look, where a change that has settled is known from then on.
    fn judged(found: &str) -> String {
        let (mut settling, mut known) = (Settling::default(), 'a');
        let judge = |found: char| match settling.judge(&known, found) {
            Seen::Same => '=',
            Seen::Changing => '~',
            Seen::Settled(found) => {
                known = found;
                '!'
            }
        };
        found.chars().map(judge).collect()
    }

    #[test]
    fn a_change_counts_when_two_looks_in_a_row_agree() {
        for (found, wanted) in [
            ("aaaa", "===="),
            ("abbbb", "=~!=="),
            ("abaa", "=~=="),
            ("abcbc", "=~~~~"),
            ("abccc", "=~~!="),
            ("ababb", "=~=~!"),
            ("abbaab", "=~!~!~"),
        ] {
            assert_eq!(judged(found), wanted, "{found}");
        }
    }
}
