//! What would become of an event, and why: the shape of it, as the API and `explain --format json` show it. Absent values are
//! null. Nothing in it is personal or secret.

use crate::{
    domain::{name::Name, plan::Respond, quantity::show_duration},
    route::{Action, Finding, Refusal, Seen, Sight},
};
use serde::Serialize;
use serde_json::{Map, Value};

/// What would become of an event, and why.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    /// Where it comes in.
    pub source: Name,
    /// How that source's events are read; `None`: the rules file no longer has the source.
    pub provider: Option<&'static str>,
    /// The normalised fields that are there, and the kind.
    pub event: Map<String, Value>,
    /// Where in the payload each of them was found.
    pub derived: Vec<Derived>,
    /// What its signature is worth.
    pub signature: Signature,
    /// What the gateway makes of it before it looks at the rules.
    pub verdict: Verdict,
    /// What each rule says to it, in the order of the file.
    pub rules: Vec<Rule>,
    /// What the rules that hold rest on and the signature does not cover.
    pub unsigned: Vec<Unsigned>,
    /// `routed`, `dropped` or `unmatched`.
    pub routing: &'static str,
    /// What the provider is answered, if its signature holds.
    pub answer: Answer,
    /// Where it goes.
    pub deliveries: Vec<Delivery>,
}

/// Where a normalised field was found.
#[derive(Debug, Clone, Serialize)]
pub struct Derived {
    /// The field.
    pub field: &'static str,
    /// The place in the payload.
    pub from: Option<Box<str>>,
    /// Why that says it, where the field is not what stands there.
    pub because: Option<&'static str>,
    /// Whether a signature covers it.
    pub signed: bool,
}

/// What a signature is worth.
#[derive(Debug, Clone, Serialize)]
pub struct Signature {
    /// `holds`, `absent`, `refused` or `not_checked`.
    pub status: &'static str,
    /// Why.
    pub detail: Option<String>,
}

/// What the gateway makes of an event before it looks at the rules.
#[derive(Debug, Clone, Serialize)]
pub struct Verdict {
    /// `accepted`, `quarantined` or `refused`.
    pub status: &'static str,
    /// Why it is in quarantine.
    pub reason: Option<&'static str>,
    /// The answer, where it is refused.
    pub code: Option<u16>,
}

/// What a rule says to an event.
#[derive(Debug, Clone, Serialize)]
pub struct Rule {
    /// Its name.
    pub name: Name,
    /// `yes`, `no` or `not_asked`.
    pub holds: &'static str,
    /// `send`, `tap` or `drop`.
    pub action: &'static str,
    /// Where it sends what it holds of.
    pub to: Vec<Name>,
    /// What it found, where it holds.
    pub found: Vec<Found>,
    /// The first condition that fails, where it does not hold.
    pub failed: Option<Failed>,
    /// The rule before it that stopped, where nobody asked it.
    pub stopped_by: Option<Name>,
}

/// A condition that does not hold.
#[derive(Debug, Clone, Serialize)]
pub struct Failed {
    /// In words of the rules file.
    pub condition: String,
    /// What was found where it looks.
    pub found: Vec<Found>,
    /// Of `any`: why each alternative does not hold.
    pub alternatives: Vec<Failed>,
}

/// What was found where a field points.
#[derive(Debug, Clone, Serialize)]
pub struct Found {
    /// The field.
    pub field: String,
    /// `text`, `hidden` (text that may be personal), `absent`, or `no_text` (a list or an object).
    pub is: &'static str,
    /// The text; `***` where it is hidden.
    pub value: Option<String>,
    /// What is easily overlooked.
    pub hint: Option<&'static str>,
}

/// A field that decides, and that anybody could have changed who holds one signed payload.
#[derive(Debug, Clone, Serialize)]
pub struct Unsigned {
    /// The field.
    pub field: String,
    /// The rules that look at it and hold.
    pub rules: Vec<Name>,
}

/// What the provider is answered.
#[derive(Debug, Clone, Serialize)]
pub struct Answer {
    /// The code; where the answer waits, the one if the destination has the event in time.
    pub code: u16,
    /// The rule that says so; `None`: the source does.
    pub rule: Option<Name>,
    /// The destination whose first attempt it waits for.
    pub wait_for: Option<Name>,
    /// How long it waits, from the first byte of the request.
    pub within: Option<String>,
    /// The code where the attempt fails, is too late or cannot be made.
    pub otherwise: Option<u16>,
}

/// One destination of the event.
#[derive(Debug, Clone, Serialize)]
pub struct Delivery {
    /// Where it goes.
    pub destination: Name,
    /// The rules that send it there.
    pub rules: Vec<Name>,
    /// What it is kept in order by.
    pub order: Option<Found>,
    /// Whether the rules file pauses the destination.
    pub paused: bool,
    /// The request of the first attempt; `None`: there is none, and `error` says why.
    pub request: Option<Request>,
    /// Why it would be dead at once.
    pub error: Option<String>,
    /// How long one attempt may take.
    pub timeout: Option<String>,
    /// When it is tried again, in words.
    pub retry: Option<String>,
}

/// A request as it would be sent, but for what is masked.
#[derive(Debug, Clone, Serialize)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The url.
    pub url: String,
    /// In the order in which they are sent.
    pub headers: Vec<Header>,
    /// The beginning of the body as text; what is personal in it is `***`.
    pub body: String,
    /// How many bytes the body has.
    pub body_bytes: usize,
    /// Whether the body is the payload as it came.
    pub unchanged: bool,
}

/// A header of a request.
#[derive(Debug, Clone, Serialize)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl Explanation {
    /// As the API shows it.
    pub fn to_json(&self) -> Value {
        serde_json::to_value(self).expect("its keys are texts and its numbers are whole")
    }
}

impl From<&crate::route::Explained<'_>> for Rule {
    fn from(explained: &crate::route::Explained<'_>) -> Self {
        let rule = explained.rule;
        let (action, to) = match &rule.action {
            Action::Send(to) => ("send", to.clone()),
            Action::Tap(to) => ("tap", to.clone()),
            Action::Drop => ("drop", Vec::new()),
        };
        let (holds, found, failed, stopped_by) = match &explained.finding {
            Finding::Holds(sights) => ("yes", sights.iter().map(Found::from).collect(), None, None),
            Finding::Fails(refusal) => ("no", Vec::new(), Some(Failed::from(refusal)), None),
            Finding::Unasked(by) => ("not_asked", Vec::new(), None, Some(by.clone())),
        };
        Self { name: rule.name.clone(), holds, action, to, found, failed, stopped_by }
    }
}

impl From<&Refusal> for Failed {
    fn from(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Field { condition, found } => {
                Self { condition: condition.clone(), found: vec![found.into()], alternatives: Vec::new() }
            }
            Refusal::Not { condition, found } => {
                Self { condition: condition.clone(), found: found.iter().map(Found::from).collect(), alternatives: Vec::new() }
            }
            Refusal::Any(refusals) => {
                Self { condition: "any".to_owned(), found: Vec::new(), alternatives: refusals.iter().map(Self::from).collect() }
            }
        }
    }
}

impl From<&Sight> for Found {
    fn from(sight: &Sight) -> Self {
        let (is, value) = match &sight.seen {
            Seen::Absent => ("absent", None),
            Seen::Textless => ("no_text", None),
            Seen::Text(text) => ("text", Some(text.clone())),
            Seen::Hidden => ("hidden", Some(crate::domain::mask::MASK.to_owned())),
        };
        Self { field: sight.field.to_string(), is, value, hint: sight.hint }
    }
}

impl Answer {
    pub(super) fn of(respond: &Respond, rule: Option<Name>) -> Self {
        match respond {
            Respond::Now(code) => Self { code: *code, rule, wait_for: None, within: None, otherwise: None },
            Respond::After(wait) => Self {
                code: wait.ok,
                rule,
                wait_for: Some(wait.destination.clone()),
                within: Some(show_duration(wait.within)),
                otherwise: Some(wait.otherwise),
            },
        }
    }
}
