//! The JSON Schema of the rules file, for editors: what they complete, explain and underline. Draft 7, which they all know.
//! It knows shapes and words; what refers to something else, `hookgate check` knows.

use super::{Key, Keys, Names, Shape, TOP};
use crate::{domain::event::Normal, provider::Scheme};
use serde_json::{Map, Value, json};

/// Parts of the file in whose values variables are put in.
const WITH_VARIABLES: [&str; 3] = ["server", "sources", "destinations"];

const SCALAR: [&str; 3] = ["string", "number", "boolean"];
const OPERATORS: [(&str, &str); 7] = [
    ("not", "Neither this value, nor any of this list. An absent field fulfils it."),
    ("gt", "More than this decimal number."),
    ("gte", "This decimal number, or more."),
    ("lt", "Less than this decimal number."),
    ("lte", "This decimal number, or less."),
    ("exists", "Whether the field is there."),
    ("matches", "A regular expression for the whole value."),
];

/// Whether variables are put in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Variables {
    PutIn,
    Literal,
}

/// The schema.
pub fn json() -> Value {
    let mut schema = Map::new();
    schema.insert("$schema".to_owned(), json!("http://json-schema.org/draft-07/schema#"));
    schema.insert("title".to_owned(), json!("hookgate's rules file"));
    let about = "Where webhooks come in, where they go, and by which rules. `hookgate check` says more than an editor can.";
    schema.insert("description".to_owned(), json!(about));
    let mut properties = Map::new();
    for key in TOP.known {
        let variables = if WITH_VARIABLES.contains(&key.name) { Variables::PutIn } else { Variables::Literal };
        properties.insert(key.name.to_owned(), property(key, variables));
    }
    schema.append(&mut part(&TOP, properties));
    schema.insert("definitions".to_owned(), json!({ "condition": condition(), "test": test(), "scalar": { "type": SCALAR } }));
    Value::Object(schema)
}

fn part(keys: &Keys, properties: Map<String, Value>) -> Map<String, Value> {
    let mut part = Map::new();
    part.insert("type".to_owned(), json!("object"));
    part.insert("properties".to_owned(), Value::Object(properties));
    part.insert("additionalProperties".to_owned(), json!(false));
    if !keys.required.is_empty() {
        part.insert("required".to_owned(), json!(keys.required));
    }
    if !keys.one_of.is_empty() {
        let each = keys.one_of.iter().map(|key| json!({ "required": [key] }));
        part.insert("anyOf".to_owned(), each.collect());
    }
    part
}

fn property(key: &Key, variables: Variables) -> Value {
    let mut schema = shape(&key.shape, variables);
    schema.insert("description".to_owned(), json!(key.about));
    let examples: Vec<Value> = key.examples.iter().filter_map(|example| serde_json::from_str(example).ok()).collect();
    schema.insert("examples".to_owned(), json!(examples));
    Value::Object(schema)
}

fn shape(shape: &Shape, variables: Variables) -> Map<String, Value> {
    let schema = match shape {
        Shape::Text => json!({ "type": SCALAR }),
        Shape::Word(words) => with_variables(json!({ "enum": words() }), variables),
        Shape::Truth => with_variables(json!({ "type": "boolean" }), variables),
        Shape::Whole(least, most) => with_variables(json!({ "type": "integer", "minimum": least, "maximum": most }), variables),
        Shape::Number => with_variables(json!({ "type": "number" }), variables),
        Shape::Duration => with_variables(json!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$" }), variables),
        Shape::Rate => with_variables(json!({ "type": "string", "pattern": "^[0-9]+/(s|m|h)$" }), variables),
        Shape::Statuses => {
            let text = json!({ "type": "string", "pattern": "^([1-5]xx|[0-9]{3}(-[0-9]{3})?)$" });
            with_variables(json!({ "anyOf": [{ "type": "integer", "minimum": 100, "maximum": 599 }, text] }), variables)
        }
        Shape::List(of) => json!({ "type": "array", "items": self::shape(of, variables) }),
        Shape::OneOrMore(of) => {
            json!({ "anyOf": [self::shape(of, variables), { "type": "array", "items": self::shape(of, variables), "minItems": 1 }] })
        }
        Shape::Part(keys) => {
            let properties = keys.known.iter().map(|key| (key.name.to_owned(), property(key, variables)));
            Value::Object(part(keys, properties.collect()))
        }
        Shape::Named(names, of) => named(*names, self::shape(of, variables)),
        Shape::Some(of) => {
            let mut schema = self::shape(of, variables);
            schema.insert("minProperties".to_owned(), json!(1));
            Value::Object(schema)
        }
        Shape::Either(shapes) => {
            let shapes: Vec<_> = shapes.iter().map(|of| self::shape(of, variables)).collect();
            json!({ "anyOf": shapes })
        }
        Shape::Condition => json!({ "$ref": "#/definitions/condition" }),
        Shape::Anything => json!({}),
    };
    match schema {
        // Beside a reference nothing else counts in this draft.
        Value::Object(schema) if schema.contains_key("$ref") => Map::from_iter([("allOf".to_owned(), json!([schema]))]),
        Value::Object(schema) => schema,
        other => Map::from_iter([("const".to_owned(), other)]),
    }
}

fn with_variables(schema: Value, variables: Variables) -> Value {
    match variables {
        Variables::Literal => schema,
        Variables::PutIn => json!({ "anyOf": [schema, { "type": "string", "pattern": "\\$\\{" }] }),
    }
}

fn named(names: Names, of: Map<String, Value>) -> Value {
    match names {
        Names::Ours => {
            json!({ "type": "object", "propertyNames": { "pattern": "^[a-z0-9][a-z0-9_-]{0,62}$" }, "additionalProperties": of })
        }
        Names::Free => json!({ "type": "object", "additionalProperties": of }),
        Names::Fields => {
            let fields = crate::provider::Mapping::names().map(|field| (field.as_str().to_owned(), json!(of)));
            json!({ "type": "object", "properties": fields.collect::<Map<_, _>>(), "additionalProperties": false })
        }
    }
}

/// `when`, and what is inside `any`, `all` and `not`.
fn condition() -> Value {
    let itself = json!({ "$ref": "#/definitions/condition" });
    let several = json!({ "type": "array", "items": itself, "minItems": 1 });
    let mut properties = Map::new();
    for (name, about) in [("any", "At least one of these holds."), ("all", "Each of these holds.")] {
        let mut schema = several.clone();
        schema["description"] = json!(about);
        properties.insert(name.to_owned(), schema);
    }
    properties.insert("not".to_owned(), json!({ "description": "This does not hold.", "allOf": [itself] }));
    for field in Normal::ALL {
        properties.insert(field.as_str().to_owned(), normal(field));
    }
    let test = json!({ "$ref": "#/definitions/test" });
    json!({ "type": "object", "minProperties": 1, "properties": properties, "additionalProperties": test })
}

/// A normalised field, with the words that are known for it.
fn normal(field: Normal) -> Value {
    let vocabulary = Scheme::Ottu.vocabulary();
    let words = match field {
        Normal::Kind => &["payment", "operation", "other"],
        Normal::State => vocabulary.states,
        Normal::Result => vocabulary.results,
        Normal::Operation => vocabulary.operations,
        Normal::From
        | Normal::Amount
        | Normal::CurrencyCode
        | Normal::ReferenceNumber
        | Normal::SessionId
        | Normal::OrderNo
        | Normal::GatewayAccount
        | Normal::GatewayName
        | Normal::IsSandbox => &[],
    };
    let test = json!({ "$ref": "#/definitions/test" });
    if words.is_empty() {
        test
    } else {
        json!({ "anyOf": [{ "enum": words }, { "type": "array", "items": { "anyOf": [{ "enum": words }, { "$ref": "#/definitions/scalar" }] }, "minItems": 1 }, test] })
    }
}

/// What is asked of one field.
fn test() -> Value {
    let scalar = json!({ "$ref": "#/definitions/scalar" });
    let some = json!({ "anyOf": [scalar, { "type": "array", "items": scalar, "minItems": 1 }] });
    let operators = OPERATORS.iter().map(|(name, about)| {
        let mut schema = match *name {
            "not" => some.clone(),
            "exists" => json!({ "type": "boolean" }),
            _ => json!({ "type": SCALAR }),
        };
        schema["description"] = json!(about);
        ((*name).to_owned(), schema)
    });
    let operators =
        json!({ "type": "object", "minProperties": 1, "properties": operators.collect::<Map<_, _>>(), "additionalProperties": false });
    json!({ "anyOf": [scalar, { "type": "array", "items": scalar, "minItems": 1 }, operators] })
}
