//! How many files and connections this process may have open.

use super::skipped;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit as far as the system allows. Whether it is that high now; if not, that is said.
pub fn allow(wanted: u64) -> bool {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let is_lower = current.is_some_and(|current| maximum.is_none_or(|maximum| current < maximum));
    let is_raised = is_lower && setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok();
    let limit = if is_raised { maximum } else { current }.unwrap_or(u64::MAX);
    if limit < wanted {
        skipped::say(&format!("it takes {wanted} open files, and {limit} are allowed (ulimit -Hn)"));
    }
    limit >= wanted
}
