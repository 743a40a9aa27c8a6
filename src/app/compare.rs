//! `reload --dry-run`: what a changed rules file would change, without taking it.

use super::reload::{Reloader, json_of};
use crate::{
    admin::{Comparing, Uncomparable},
    config::{Config, Loaded},
    domain::{
        event::{Flags, Verdict},
        plan::Respond,
    },
    provider,
    route::{
        Rules,
        diff::{Change, Course, Diff, RuleChanges},
    },
    store::{EventSummary, Query, StoreError},
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

/// How long events are looked at; what was found until then is answered.
const LIMIT: Duration = Duration::from_secs(15);

/// Events of one read: some milliseconds, between which the gateway does what it is there for.
const PAGE: usize = 100;

/// Events that were not compared, by their reason.
#[derive(Debug, Default)]
struct LeftOut {
    /// In quarantine, or discarded there.
    quarantined: u64,
    /// Of a source that the file no longer has.
    source_removed: u64,
    /// Gone by now, or damaged.
    unreadable: u64,
}

/// What came of the events that were looked at.
struct Looked<'r> {
    diff: Diff<'r>,
    left_out: LeftOut,
    is_complete: bool,
}

impl Reloader {
    /// Reads and checks the rules file, or one beside it, as a reload does, and puts the newest stored events, `last` of them, to
    /// the rules in force and to those of the file. Nothing else happens.
    pub(super) fn compare(self: Arc<Self>, beside: Option<String>, last: usize) -> Comparing {
        Box::pin(async move {
            let file = beside.map_or_else(|| self.file.clone(), |name| self.file.with_file_name(name));
            let (loaded, _) = self.read(file.clone()).await;
            let Loaded { config, warnings, .. } = loaded.map_err(|error| Uncomparable::Refused(json_of(&error.problems)))?;
            let mut warnings = json_of(&warnings);
            warnings.extend(self.read_at_start(&config, &file));
            let before = self.door.rules();
            let looked = self.look_back(&before, &config, last).await.map_err(Uncomparable::Store)?;
            Ok(shown(&RuleChanges::between(&before, &config.rules), looked, warnings))
        })
    }

    /// Goes back from the newest event.
    async fn look_back<'r>(&self, before: &'r Rules, config: &'r Config, last: usize) -> Result<Looked<'r>, StoreError> {
        let until = self.clock.instant() + LIMIT;
        let mut looked = Looked { diff: Diff::new(before, &config.rules), left_out: LeftOut::default(), is_complete: true };
        let (mut left, mut cursor) = (last, None);
        while left > 0 {
            if self.clock.instant() >= until {
                looked.is_complete = false;
                break;
            }
            let page = self.store.search(Query { limit: PAGE.min(left), cursor, ..Query::default() }).await?;
            left = left.saturating_sub(page.events.len()).saturating_sub(usize::try_from(page.damaged).unwrap_or(usize::MAX));
            looked.left_out.unreadable += page.damaged;
            for event in page.events {
                if self.clock.instant() >= until {
                    looked.is_complete = false;
                    return Ok(looked);
                }
                self.look_at(event, config, &mut looked).await?;
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        Ok(looked)
    }

    async fn look_at(&self, event: EventSummary, config: &Config, looked: &mut Looked<'_>) -> Result<(), StoreError> {
        let Looked { diff, left_out, .. } = looked;
        let EventSummary { seq, source, flags, verdict, .. } = event;
        if verdict != Verdict::Accepted || flags.contains(Flags::DISCARDED) {
            left_out.quarantined += 1;
            return Ok(());
        }
        if config.sources.iter().all(|known| known.receive.name != source) {
            left_out.source_removed += 1;
            return Ok(());
        }
        match self.store.kept(seq).await {
            Ok(Some(kept)) => diff.compare(&provider::restore(kept)),
            Ok(None) => left_out.unreadable += 1,
            Err(error) if error.is_damage() => left_out.unreadable += 1,
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

fn shown(rules: &RuleChanges, looked: Looked<'_>, warnings: Vec<Value>) -> Value {
    let RuleChanges { added, removed, changed, is_reordered } = rules;
    let Looked { diff, left_out, is_complete } = looked;
    let same = diff.same;
    let changes = diff.changes();
    let elsewhere: u64 = changes.iter().map(|change| change.events).sum();
    let LeftOut { quarantined, source_removed, unreadable } = left_out;
    json!({
        "status": "checked",
        "warnings": warnings,
        "rules": { "added": added, "removed": removed, "changed": changed, "reordered": is_reordered },
        "events": same + elsewhere,
        "elsewhere": elsewhere,
        "changes": changes.iter().map(change).collect::<Vec<_>>(),
        "left_out": { "quarantined": quarantined, "source_removed": source_removed, "unreadable": unreadable },
        "complete": is_complete,
    })
}

fn change(change: &Change) -> Value {
    let Change { before, after, events, examples } = change;
    let examples: Vec<_> = examples.iter().map(ToString::to_string).collect();
    json!({ "events": events, "before": course(before), "after": course(after), "examples": examples })
}

fn course(course: &Course) -> Value {
    let Course { to, routing, answer } = course;
    let answer = match answer {
        Respond::Now(code) => json!(code),
        Respond::After(wait) => json!({
            "wait_for": wait.destination,
            "within_ms": u64::try_from(wait.within.as_millis()).unwrap_or(u64::MAX),
            "ok": wait.ok,
            "otherwise": wait.otherwise,
        }),
    };
    json!({ "to": to, "routing": routing.as_str(), "answer": answer })
}
