//! The JSON Schema: editors and `hookgate check` agree, as far as an editor can know.

use crate::docs;
use boon::{Compiler, SchemaIndex, Schemas};
use hookgate::config::{self, Severity, Unset};
use saphyr::{LoadableYamlNode, ScalarOwned, YamlOwned};
use serde_json::{Map, Value};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Mistakes that an editor can see, wherever they are.
const OF_SHAPE: [&str; 7] = ["unknown-key", "wrong-type", "missing-key", "null-value", "empty-condition", "not-a-mapping", "empty-file"];

/// A schema that can be asked.
struct Schema(Schemas, SchemaIndex);

impl Schema {
    fn of(schema: Value) -> Self {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource("rules.json", schema).expect("it is JSON");
        let index = compiler.compile("rules.json", &mut schemas).unwrap_or_else(|error| panic!("{error:#}"));
        Self(schemas, index)
    }

    fn complaint(&self, value: &Value) -> Option<String> {
        self.0.validate(value, self.1).err().map(|error| error.to_string())
    }
}

/// The file as a YAML language server reads it.
fn yaml(text: &str) -> Option<Value> {
    let documents = YamlOwned::load_from_str(text).ok()?;
    documents.first().map_or(Some(Value::Null), json)
}

fn json(node: &YamlOwned) -> Option<Value> {
    Some(match node {
        YamlOwned::Value(ScalarOwned::Null) => Value::Null,
        YamlOwned::Value(ScalarOwned::Boolean(truth)) => Value::from(*truth),
        YamlOwned::Value(ScalarOwned::Integer(number)) => Value::from(*number),
        YamlOwned::Value(ScalarOwned::FloatingPoint(number)) => Value::from(number.into_inner()),
        YamlOwned::Value(ScalarOwned::String(text)) => Value::from(text.as_str()),
        YamlOwned::Sequence(items) => items.iter().map(json).collect::<Option<Vec<_>>>()?.into(),
        YamlOwned::Mapping(entries) => {
            let entry = |(key, value)| match json(key)? {
                Value::String(key) => Some((key, json(value)?)),
                key => Some((key.to_string(), json(value)?)),
            };
            entries.iter().map(entry).collect::<Option<Map<_, _>>>()?.into()
        }
        YamlOwned::Representation(..) | YamlOwned::Tagged(..) | YamlOwned::Alias(_) | YamlOwned::BadValue => return None,
    })
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn yaml_files(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).into_iter().flatten();
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect()
}

#[test]
fn every_rules_file_that_is_good_passes_in_an_editor() {
    let schema = Schema::of(config::json_schema());
    let mut files = docs::rules_files();
    for path in [root().join("rules.example.yaml"), root().join("src/cli/init/rules.yaml")].into_iter().chain(yaml_files("docs/examples")) {
        files.push((path.display().to_string(), fs::read_to_string(&path).expect("it is there")));
    }
    assert!(files.len() > 15, "they were found");
    for (place, text) in files {
        let value = yaml(&text).unwrap_or_else(|| panic!("{place}: no YAML"));
        assert_eq!(schema.complaint(&value), None, "{place}");
    }
}

#[test]
fn every_mistake_of_shape_is_underlined_and_nothing_that_is_only_doubtful() {
    let schema = Schema::of(config::json_schema());
    let (mut underlined, mut passed) = (0, 0);
    for path in yaml_files("tests/data/config") {
        let Some(value) = fs::read_to_string(&path).ok().and_then(|text| yaml(&text)) else { continue };
        let complaint = schema.complaint(&value);
        let problems = match config::load(&path, &|_| Some("hidden-value-of-a-variable".to_owned()), Unset::Error) {
            Ok(loaded) => loaded.warnings,
            Err(error) => error.problems,
        };
        let mistakes: Vec<_> =
            problems.iter().filter(|problem| problem.severity == Severity::Error).map(|problem| problem.code.to_string()).collect();
        if mistakes.iter().any(|code| OF_SHAPE.contains(&code.as_str())) {
            assert!(complaint.is_some(), "{}: an editor sees nothing of {mistakes:?}", path.display());
            underlined += 1;
        } else if mistakes.is_empty() {
            assert_eq!(complaint, None, "{}", path.display());
            passed += 1;
        }
    }
    assert!(underlined > 10 && passed > 0, "{underlined} underlined, {passed} passed");
}

#[test]
fn every_key_says_what_it_is_for_and_shows_values_that_pass() {
    let whole = config::json_schema();
    let mut keys = 0;
    each_key(&whole, &mut |name, key| {
        assert!(key["description"].as_str().is_some_and(|about| about.len() > 10), "{name}");
        let examples = key["examples"].as_array().unwrap_or_else(|| panic!("{name}"));
        assert!(!examples.is_empty(), "{name}");
        let mut alone = key.clone();
        alone["definitions"] = whole["definitions"].clone();
        let schema = Schema::of(alone);
        for example in examples {
            assert_eq!(schema.complaint(example), None, "{name}");
        }
        keys += 1;
    });
    assert!(keys > 80, "{keys}");
}

#[test]
fn the_advanced_example_uses_every_key() {
    let schema = config::json_schema();
    let mut used = BTreeSet::new();
    for path in yaml_files("docs/examples").into_iter().chain(yaml_files("docs/examples/rules.d")) {
        let value = yaml(&fs::read_to_string(&path).expect("it is there")).expect("YAML");
        use_keys(&schema, &value, "", &mut used);
    }
    let mut there = BTreeSet::new();
    keys_of(&schema, "", &mut there);
    assert!(there.len() > 100, "{there:?}");
    let unused: Vec<_> = there.difference(&used).collect();
    assert!(unused.is_empty(), "not in the example: {unused:?}");
}

#[test]
fn every_key_is_in_the_reference() {
    let page = fs::read_to_string(root().join("docs/rules.md")).expect("the page");
    each_key(&config::json_schema(), &mut |name, _| {
        let forms = [format!("`{name}`"), format!("`{name}: "), format!(" {name}: ")];
        assert!(forms.iter().any(|form| page.contains(form)), "docs/rules.md has no `{name}`");
    });
}

/// The alternatives of a schema, itself among them.
fn alternatives(schema: &Value) -> impl Iterator<Item = &Value> {
    schema["anyOf"].as_array().into_iter().flatten().chain([schema])
}

/// Every key that a schema has, as a path: `destinations.*.retry.jitter`.
fn keys_of(schema: &Value, at: &str, there: &mut BTreeSet<String>) {
    for schema in alternatives(schema) {
        for (name, key) in schema["properties"].as_object().into_iter().flatten() {
            there.insert(format!("{at}.{name}"));
            keys_of(key, &format!("{at}.{name}"), there);
        }
        if schema["items"].is_object() {
            keys_of(&schema["items"], at, there);
        }
        if schema["additionalProperties"].is_object() {
            keys_of(&schema["additionalProperties"], &format!("{at}.*"), there);
        }
    }
}

/// The keys of a schema that a value has.
fn use_keys(schema: &Value, value: &Value, at: &str, used: &mut BTreeSet<String>) {
    for schema in alternatives(schema) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    match schema["properties"].get(name) {
                        Some(key) => {
                            used.insert(format!("{at}.{name}"));
                            use_keys(key, member, &format!("{at}.{name}"), used);
                        }
                        None if schema["additionalProperties"].is_object() => {
                            use_keys(&schema["additionalProperties"], member, &format!("{at}.*"), used);
                        }
                        None => {}
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| use_keys(&schema["items"], item, at, used)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

/// Calls for every key that is described, whatever it is in.
fn each_key(schema: &Value, call: &mut impl FnMut(&str, &Value)) {
    match schema {
        Value::Object(members) => {
            for (name, member) in members.iter().filter(|(name, _)| *name != "definitions") {
                let described = member.as_object().filter(|_| name == "properties");
                for (key, value) in described.into_iter().flatten().filter(|(_, value)| value.get("description").is_some()) {
                    call(key, value);
                }
                each_key(member, call);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| each_key(item, call)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn what_an_editor_shows_is_what_the_tables_say() {
    let schema = config::json_schema();
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
    let destination = &schema["properties"]["destinations"]["additionalProperties"]["anyOf"][1]["properties"];
    assert!(destination["timeout"]["description"].as_str().is_some_and(|about| about.contains("Default `10s`")));
    let state = &schema["definitions"]["condition"]["properties"]["state"]["anyOf"][0]["enum"];
    assert!(state.as_array().is_some_and(|words| words.contains(&Value::from("refund_queued"))), "{state}");
    let presets = &destination["retry"]["anyOf"][0]["anyOf"][0]["enum"];
    assert_eq!(*presets, serde_json::json!(["fast", "standard", "patient", "none"]));
}

#[test]
fn the_schema_that_init_writes_is_the_one_that_schema_prints() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |arguments: &[&str]| {
        crate::support::gateway::hookgate()
            .args(arguments)
            .current_dir(folder.path())
            .env_remove("HOOKGATE_CONFIG")
            .output()
            .expect("it runs")
    };
    assert_eq!(run(&["init"]).status.code(), Some(0));
    let written = fs::read(folder.path().join("rules.schema.json")).expect("it is there");
    assert_eq!(written, run(&["schema"]).stdout);
    let before = fs::read(folder.path().join("rules.yaml")).expect("it is there");
    assert!(String::from_utf8_lossy(&before).starts_with("# yaml-language-server: $schema=./rules.schema.json\n"));

    fs::write(folder.path().join("rules.yaml"), "mine").expect("written");
    let refused = run(&["init"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("rules.yaml is there already"), "{refused:?}");
    assert_eq!(fs::read(folder.path().join("rules.yaml")).expect("it is there"), b"mine");
    assert_eq!(run(&["init", "--force"]).status.code(), Some(0));
    assert_eq!(fs::read(folder.path().join("rules.yaml")).expect("it is there"), before);
    let entries = fs::read_dir(folder.path()).expect("the folder").count();
    assert_eq!(entries, 2, "nothing is left over");

    let nowhere = run(&["init", "--config", "no/such/folder/rules.yaml"]);
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&nowhere.stderr).contains("cannot write no/such/folder"), "{nowhere:?}");
}

#[test]
fn the_file_that_init_writes_is_good_and_its_tests_pass() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(run_in(folder.path(), &["init"]).0, Some(0));
    assert_eq!(run_in(folder.path(), &["check", "--deny-warnings"]).1, "rules.yaml: no problems, no warnings\n");
    let (code, told) = run_in(folder.path(), &["test", "--coverage"]);
    assert!(code == Some(0) && told.contains("3 of 3 rules (100 %)"), "{told}");
}

#[test]
fn the_examples_are_without_a_lint_and_their_tests_try_every_rule() {
    for file in ["rules.example.yaml", "docs/examples/advanced.yaml"] {
        let (_, told) = run_in(&root(), &["check", file, "--allow-unset", "--format", "json"]);
        let json: String = told.lines().filter(|line| !line.starts_with(file)).collect();
        let told: Value = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {told}"));
        let warnings = told["warnings"].as_array().expect("a list");
        let lints: Vec<_> = warnings.iter().filter(|warning| warning["code"] != "unset-variable").collect();
        assert!(lints.is_empty() && told["problems"] == serde_json::json!([]), "{file}: {lints:#?}");
        let (code, told) = run_in(&root(), &["test", file, "--coverage"]);
        assert!(code == Some(0) && told.contains("(100 %)"), "{file}: {told}");
    }
}

/// The exit code, and all that is said.
fn run_in(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = crate::support::gateway::hookgate();
    command.args(arguments).current_dir(folder).env("OTTU_HMAC_KEY", "hidden-key").env_remove("HOOKGATE_CONFIG");
    let output = command.output().expect("it runs");
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}
