//! Rules files: what each mistake is told.

use hookgate::config::{Code, Config, ConfigError, Loaded, Unset, load};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

mod defaults;
mod destinations;
mod files;
mod formats;
mod good;
mod hostile;
mod include;

const DATA: &str = "tests/data/config";

fn variable(name: &str) -> Option<String> {
    let value = match name {
        "OTTU_HMAC_KEY" => "hidden-key-1",
        "OTTU_TEST_HMAC_KEY" => "hidden-key-2",
        "ERP_TOKEN" => "hidden-token",
        "OPS_CHAT_WEBHOOK_URL" => "https://chat.example.com/hidden-path?hidden-query",
        "LINES" => "hidden-line-1\nhidden-line-2",
        "NOT_A_URL" => "hidden host",
        "EMPTY" => "",
        "BLANK" => " \t",
        "SECONDS" => "5s",
        _ => return None,
    };
    Some(value.to_owned())
}

fn load_text(text: &str, unset: Unset) -> Result<Loaded, ConfigError> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("rules.yaml");
    fs::write(&path, text).expect("the rules file is written");
    fs::write(folder.path().join("key"), "from-file\n").expect("the key is written");
    for (from, to) in [("localhost.pem", "cert.pem"), ("localhost.key", "from-file.key")] {
        fs::copy(Path::new("tests/data/tls").join(from), folder.path().join(to)).expect("it is copied");
    }
    load(&path, &variable, unset)
}

/// A file that is read without a problem. Its lints are nobody's concern here: the files of `mistakes` show them.
fn good(text: &str) -> Config {
    load_text(text, Unset::Error).unwrap_or_else(|error| panic!("{text}\n{error}")).config
}

fn mistakes() -> Vec<PathBuf> {
    let entries = fs::read_dir(DATA).expect("the folder of mistakes");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    paths
}

fn told(path: &Path) -> String {
    match load(path, &variable, Unset::Error) {
        Ok(loaded) => loaded.warnings.iter().map(|warning| format!("{warning}\n")).collect(),
        Err(error) => format!("{error}\n"),
    }
}

#[test]
fn every_mistake_is_told_as_expected() {
    let mut wrong = Vec::new();
    for path in mistakes() {
        let told = told(&path);
        let expected = path.with_extension("expected");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&expected, &told).expect("the expectation is written");
        }
        let expected = fs::read_to_string(&expected).unwrap_or_default();
        if told != expected {
            wrong.push(format!("{}\n--- told\n{told}--- expected\n{expected}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "UPDATE_GOLDEN=1 rewrites the expectations\n{}", wrong.join("\n"));
}

#[test]
fn every_sort_of_mistake_has_a_file_that_shows_it() {
    let told: String = mistakes().iter().map(|path| told(path)).collect();
    assert!(mistakes().len() >= 45);
    // These need a file that cannot be kept as text, or that is very long, or the tests of the file to be run.
    let elsewhere = [
        Code::UnreadableFile,
        Code::FileTooLarge,
        Code::NotUtf8,
        Code::ControlCharacter,
        Code::TooManyValues,
        Code::TooManyProblems,
        Code::UnreadableValue,
        Code::FailedTest,
    ];
    for code in Code::ALL.into_iter().filter(|code| !elsewhere.contains(code)) {
        assert!(told.contains(&format!("[{code}]")), "{code}");
    }
}

#[test]
fn every_lint_has_a_file_that_it_finds_something_in_and_one_that_is_fine() {
    for lint in Code::LINTS {
        let [doubtful, fine] = ["", "-fine"].map(|end| told(&Path::new(DATA).join(format!("{lint}{end}.yaml"))));
        assert!(doubtful.contains(&format!("warning[{lint}]")), "{lint}: {doubtful}");
        assert_eq!(fine, "", "{lint}");
    }
}

#[test]
fn every_lint_says_how_it_is_silenced_and_is_silent_then() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("included")).expect("a folder");
    for lint in Code::LINTS {
        let text = fs::read_to_string(Path::new(DATA).join(format!("{lint}.yaml"))).expect("a file");
        let found = |text: &str| {
            fs::write(folder.path().join("rules.yaml"), text).expect("written");
            let loaded = load(&folder.path().join("rules.yaml"), &variable, Unset::Error).unwrap_or_else(|error| panic!("{text}\n{error}"));
            loaded.warnings.into_iter().filter(|warning| warning.code == lint).collect::<Vec<_>>()
        };
        let said = found(&text);
        let how = format!("if it is meant so, say `allow: [{lint}]`");
        assert!(said.iter().all(|warning| warning.hint.as_ref().is_some_and(|hint| hint.contains(&how))), "{said:#?}");
        let line = text.lines().find(|line| line.starts_with("allow: "));
        let allowed = match line {
            Some(line) => text.replace(line, &line.replace('[', &format!("[{lint}, "))),
            None => text.replace("version: 1\n", &format!("version: 1\nallow: [{lint}]\n")),
        };
        assert_eq!(found(&allowed), [], "{allowed}");
    }
}

#[test]
fn nothing_secret_is_ever_told() {
    for path in mistakes() {
        let told = told(&path);
        assert!(!told.contains("hidden"), "{}\n{told}", path.display());
    }
}

const SMALLEST: &str = "
version: 1
sources: { ottu: { secret: k } }
destinations: { orders: http://orders }
rules: [ { name: all, to: orders } ]
";

#[test]
fn a_development_start_needs_no_variables() {
    let text = "
version: 1
server: { admin_token: '${A}' }
sources: { ottu: { secret: ['${NEW}', '${OLD}', '${file:/nowhere}'], hold: '${HOLD}' } }
destinations: { a: '${URL}', b: 'http://${HOST}/x', c: { url: 'http://c', headers: { x: '${X}' }, timeout: '${T}' } }
";
    let loaded = load_text(text, Unset::Dev).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(loaded.warnings.len(), 9);
    assert_eq!(loaded.config.admin.token, None);
    let keys: Vec<_> = loaded.config.sources[0].provider.secrets.iter().map(|secret| secret.expose()).collect();
    assert_eq!(keys, ["test-hmac-key"]);
    assert_eq!(loaded.config.sources[0].receive.hold, Duration::from_secs(60));
    assert_eq!(loaded.config.destinations[0].settings.url.host(), Some("unset.invalid"));
    assert_eq!(loaded.config.destinations[2].settings.headers[0].1.fixed().as_deref(), Some(""));
    let standard = "version: 1\nsources: { news: { provider: standard-webhooks, secret: ['${NEW}', 'whsec_${OLD}'] } }\n";
    let loaded = load_text(standard, Unset::Dev).unwrap_or_else(|error| panic!("{error}"));
    let keys: Vec<_> = loaded.config.sources[0].provider.secrets.iter().map(|secret| secret.expose()).collect();
    assert_eq!(keys, ["whsec_dGVzdC1obWFjLWtleQ=="], "the same key, as the standard writes it");
    let loaded = load_text(standard, Unset::Placeholder).unwrap_or_else(|error| panic!("{error}"));
    assert!(loaded.config.sources[0].provider.secrets.is_empty(), "what is not known is not checked");
    let placeholders = load_text(text, Unset::Placeholder).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(placeholders.warnings.len(), 9);
    let strict = load_text(text, Unset::Error).expect_err("nine variables are not set");
    assert_eq!(strict.problems.len(), 9);
}

#[test]
fn a_value_that_cannot_be_read_from_a_file_names_the_file_and_the_cause() {
    let error = load_text(&SMALLEST.replace("secret: k", "secret: '${file:none}'"), Unset::Error).expect_err("there is no such file");
    assert_eq!(error.problems[0].code, Code::UnreadableValue);
    assert!(error.problems[0].message.starts_with("the file \"none\" cannot be read: No such file"), "{error}");
    assert_eq!(error.problems[0].source_line.as_deref(), Some("sources: { ottu: { secret: *** } }"));
}

#[test]
fn keys_that_are_one_key_to_the_signature_are_refused() {
    for (secrets, is_good) in [
        (r#"["k", "k\0"]"#, false),
        (r#"["k", "k"]"#, false),
        (r#"["k\0\0"]"#, true),
        (r#""\0""#, false),
        (r#"["k", "K"]"#, true),
        (r#"[a, b, c, d]"#, false),
        ("[]", false),
    ] {
        let loaded = load_text(&SMALLEST.replace("secret: k", &format!("secret: {secrets}")), Unset::Error);
        assert_eq!(loaded.is_ok(), is_good, "{secrets}");
        if let Err(error) = loaded {
            assert_eq!(error.problems[0].code, Code::WeakSecret, "{secrets}");
        }
    }
}
