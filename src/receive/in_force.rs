//! What the front door works by: the sources and the rules. Replaced as a whole, so that a request sees one state of it.

use super::SourceSettings;
use crate::{
    domain::{
        event::{Event, Verdict},
        json::Document,
        plan::Plan,
    },
    metrics::{Metrics, SourceMetrics},
    provider::{self, Provider, Vocabulary},
    route::Rules,
    store::{Judge, NewEvent},
};
use bytes::Bytes;
use std::{collections::HashMap, net::IpAddr, sync::Arc};

/// The sources by their paths, and the rules.
pub(super) struct InForce {
    sources: HashMap<String, Arc<Source>>,
    /// The rules.
    pub(super) rules: Arc<Rules>,
}

/// A source with its provider.
pub(super) struct Source {
    /// How it is treated.
    pub(super) settings: SourceSettings,
    /// What opens its requests.
    pub(super) provider: Arc<dyn Provider>,
    /// What is counted at it.
    pub(super) metrics: Arc<SourceMetrics>,
    /// The words that metrics tell apart.
    pub(super) vocabulary: &'static Vocabulary,
    judge: Arc<OfProvider>,
}

impl InForce {
    /// With the metrics of each source, which must be there.
    pub(super) fn new(sources: Vec<(SourceSettings, provider::Settings)>, rules: Arc<Rules>, metrics: &Metrics) -> Self {
        let source = |(settings, provider): (SourceSettings, provider::Settings)| {
            let vocabulary = provider.scheme.vocabulary();
            let provider: Arc<dyn Provider> = provider::build(&settings.name, &provider).into();
            let judge = Arc::new(OfProvider(Arc::clone(&provider)));
            let metrics = metrics.source(&settings.name);
            (settings.path.clone(), Arc::new(Source { settings, provider, metrics, vocabulary, judge }))
        };
        Self { sources: sources.into_iter().map(source).collect(), rules }
    }

    /// The source at a path.
    pub(super) fn at(&self, path: &str) -> Option<&Arc<Source>> {
        self.sources.get(path)
    }

    /// The source of a name.
    pub(super) fn named(&self, name: &str) -> Option<&Arc<Source>> {
        self.sources.values().find(|source| &*source.settings.name == name)
    }

    /// Where an event goes; one in quarantine only has an answer.
    pub(super) fn plan(&self, event: &Event) -> Plan {
        let plan = self.rules.plan(event);
        match event.verdict {
            Verdict::Accepted => plan,
            Verdict::Quarantined(_) => plan.answer_only(),
        }
    }
}

impl Source {
    /// Whether that address may call.
    pub(super) fn admits(&self, peer: IpAddr) -> bool {
        let allowed = &self.settings.allow_ips;
        allowed.is_empty() || allowed.iter().any(|network| network.contains(peer))
    }

    /// An event on its way into the store.
    pub(super) fn new_event(&self, event: Arc<Event>, plan: Plan) -> NewEvent {
        NewEvent { event, plan, dedupe: self.settings.dedupe, judge: Arc::clone(&self.judge) as Arc<dyn Judge> }
    }
}

/// Lets the provider say what the bodies of one signature mean.
#[derive(Debug)]
struct OfProvider(Arc<dyn Provider>);

impl Judge for OfProvider {
    fn is_harmless(&self, first: Bytes, again: &Event) -> bool {
        self.0.is_harmless(&Document::read(first), &again.payload)
    }
}
