//! Makes an explanation: of a payload that somebody has, or of an event that is stored.

use super::{
    Explanation, Given, NoEvent, Source, Subject,
    explanation::{Answer, Delivery, Derived, Found, Rule, Signature as SignatureView, Unsigned, Verdict as VerdictView},
    request::Requests,
    signature::{self, Reception, Signature},
};
use crate::{
    domain::{
        clock::Timestamp,
        event::{Event, Kept, Normal, Verdict},
        name::Name,
        plan::{Plan, Respond, Target},
        quantity::show_duration,
        received::Received,
        text::clipped,
    },
    provider::{self, Provider},
    route::{Finding, Seen, Sight},
};
use bytes::Bytes;
use serde_json::{Map, Value};

/// So many characters of a field are shown.
const SHOWN: usize = 256;

impl Subject {
    /// What would become of a payload that came in at that source at that time.
    ///
    /// # Errors
    /// It can be no event of that source.
    pub fn explain(&self, source: &Source, payload: Bytes, given: Given, at: Timestamp) -> Result<Explanation, NoEvent> {
        let (event, signature) = signature::open(source, &Received::supposed(&source.name, payload, at), given)?;
        Ok(self.explanation(&event, Some(source), &signature, at))
    }

    /// What these rules say to an event that came before and has that verdict, wherever it went then.
    pub fn explain_kept(&self, kept: Kept, verdict: Verdict, at: Timestamp) -> Explanation {
        let mut event = provider::restore(kept);
        event.verdict = verdict;
        let source = self.sources.iter().find(|source| source.name == event.source);
        let signature = if event.verified { Signature::Held } else { Signature::Absent };
        self.explanation(&event, source, &signature, at)
    }

    fn explanation(&self, event: &Event, source: Option<&Source>, signature: &Signature, at: Timestamp) -> Explanation {
        let provider = source.map(|source| provider::build(&source.name, &source.provider));
        let provider = provider.as_deref();
        let reception = signature.reception(event);
        let explained = self.rules.explain(event);
        let plan = self.rules.plan(event);
        let requests = Requests::of(event, signature, at);
        let holding = || explained.iter().filter(|one| matches!(one.finding, Finding::Holds(_))).map(|one| one.rule);
        let answering = holding().find(|rule| rule.respond.is_some()).map(|rule| rule.name.clone());
        let covers = |field| signature.proves() && provider.is_none_or(|provider| provider.covers(field, event));
        let mut unsigned: Vec<Unsigned> = Vec::new();
        for rule in holding() {
            for field in rule.fields().into_iter().filter(|field| !covers(field)) {
                let field = field.to_string();
                match unsigned.iter_mut().find(|known| known.field == field) {
                    Some(known) => known.rules.push(rule.name.clone()),
                    None => unsigned.push(Unsigned { field, rules: vec![rule.name.clone()] }),
                }
            }
        }
        Explanation {
            source: event.source.clone(),
            provider: source.map(|source| source.provider.scheme.as_str()),
            event: fields(event),
            derived: provider.map(|provider| derived(provider, event, signature)).unwrap_or_default(),
            signature: signature_view(signature),
            verdict: verdict_view(reception),
            rules: explained.iter().map(Rule::from).collect(),
            unsigned,
            routing: plan.routing.as_str(),
            answer: answer(&plan, reception, answering),
            deliveries: plan.targets.iter().map(|target| self.delivery(target, &requests)).collect(),
        }
    }

    fn delivery(&self, target: &Target, requests: &Requests<'_>) -> Delivery {
        let Target { destination: name, rules, order: _ } = target;
        let order = self.rules.orders.get(name).map(|field| Sight::of(field, requests.event)).filter(|sight| has_text(&sight.seen));
        let mut delivery = Delivery {
            destination: name.clone(),
            rules: rules.clone(),
            order: order.as_ref().map(Found::from),
            paused: false,
            request: None,
            error: None,
            timeout: None,
            retry: None,
        };
        let Some(destination) = self.destination(name) else {
            delivery.error = Some("the rules file has no such destination".to_owned());
            return delivery;
        };
        match requests.to(&destination.settings, rules) {
            Ok(request) => delivery.request = request,
            Err(error) => delivery.error = Some(error.to_string()),
        }
        delivery.paused = destination.policy.paused;
        delivery.timeout = Some(show_duration(destination.settings.timeout));
        delivery.retry = Some(destination.policy.retry.to_string());
        delivery
    }
}

fn has_text(seen: &Seen) -> bool {
    match seen {
        Seen::Text(_) | Seen::Hidden => true,
        Seen::Absent | Seen::Textless => false,
    }
}

fn fields(event: &Event) -> Map<String, Value> {
    let fields = Normal::ALL.into_iter().filter(|field| *field != Normal::From);
    let shown = fields.filter_map(|field| Some((field.as_str().to_owned(), Value::from(&*clipped(event.normal(field)?, SHOWN)))));
    shown.collect()
}

fn derived(provider: &dyn Provider, event: &Event, signature: &Signature) -> Vec<Derived> {
    let view = |origin: provider::Origin| Derived {
        field: origin.field.as_str(),
        from: origin.place,
        because: origin.because,
        signed: origin.signed && signature.proves(),
    };
    provider.origins(event).into_iter().map(view).collect()
}

fn signature_view(signature: &Signature) -> SignatureView {
    let (status, detail) = match signature {
        Signature::Holds => ("holds", None),
        Signature::Held => ("holds", Some("it held when the event came".to_owned())),
        Signature::Absent => ("absent", Some("there is none, and the source takes such events: nothing of it is proven".to_owned())),
        Signature::Refused(cause) => ("refused", Some(cause.to_string())),
        Signature::Unreadable => ("refused", Some("the payload is no strict JSON, and no `signature` can be read from it".to_owned())),
        Signature::NotChecked(why) => ("not_checked", Some((*why).to_owned())),
    };
    SignatureView { status, detail }
}

fn verdict_view(reception: Reception) -> VerdictView {
    match reception {
        Reception::Taken(Verdict::Accepted) => VerdictView { status: "accepted", reason: None, code: None },
        Reception::Taken(Verdict::Quarantined(reason)) => VerdictView { status: "quarantined", reason: Some(reason.as_str()), code: None },
        Reception::Refused(code) => VerdictView { status: "refused", reason: None, code: Some(code) },
    }
}

/// Nobody waits for the delivery of an event that is kept back.
fn answer(plan: &Plan, reception: Reception, rule: Option<Name>) -> Answer {
    match reception {
        Reception::Taken(Verdict::Accepted) | Reception::Refused(_) => Answer::of(&plan.answer, rule),
        Reception::Taken(Verdict::Quarantined(_)) => Answer::of(&Respond::Now(plan.answer.without_wait()), rule),
    }
}
