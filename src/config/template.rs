//! Reads templates. What stands in one may be masked in the file, so no message shows any of it.

use super::{diagnostics::Code, interpolate::Value, values::Checks};
use crate::domain::template::{FILTERS, KNOWN, Template, TemplateError};

/// The value as a template; what a variable put into it is not read. `None`: it is none, and that was said.
/// `what` is for messages: `the header "x-order" of destination "orders"`.
pub fn read(value: &Value<'_>, what: &str, checks: &mut Checks<'_>) -> Option<Template> {
    let parts = value.parts();
    let error = match Template::of(parts.iter().copied()) {
        Ok(template) => return Some(template),
        Err(error) => error,
    };
    let near = match &error {
        TemplateError::Known(word) => checks.problems.did_you_mean(word, KNOWN),
        TemplateError::Filter(word) => checks.problems.did_you_mean(word, FILTERS),
        TemplateError::Open | TemplateError::Empty | TemplateError::Field(_) => String::new(),
    };
    let hint = match &error {
        TemplateError::Open if parts.len() > 1 => "close it with `}}`; a variable cannot stand between `{{` and `}}`",
        TemplateError::Open => "close it with `}}`",
        TemplateError::Empty | TemplateError::Field(_) => {
            "a field is written as under `when`: `{{ order_no }}`, `{{ txn.state }}`, `{{ extra.\"flight.number\" }}`"
        }
        TemplateError::Known(_) => "a field of the payload that is called `hookgate` is written `{{ body.hookgate… }}`",
        TemplateError::Filter(_) => "as in `{{ amount | number }}`, or `{{ pg_params | json }}`",
    };
    checks.say(value, Code::InvalidTemplate, format!("{what} is no template: {error}{near}"), Some(hint.to_owned()));
    None
}
