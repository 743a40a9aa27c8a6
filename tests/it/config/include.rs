//! Several files: what they come to together, and how far that goes.

use super::{load_text, variable};
use hookgate::config::{Code, ConfigError, Loaded, Unset, load, store_folder};
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("a folder");
        fs::write(path, text).expect("written");
    }
    folder
}

fn load_main(folder: &TempDir) -> Result<Loaded, ConfigError> {
    load(&folder.path().join("rules.yaml"), &variable, Unset::Error)
}

fn names(loaded: &Loaded) -> [Vec<String>; 3] {
    let config = &loaded.config;
    let sources = config.sources.iter().map(|source| source.receive.name.to_string()).collect();
    let destinations = config.destinations.iter().map(|destination| destination.name.to_string()).collect();
    [sources, destinations, config.rules.rules.iter().map(|rule| rule.name.to_string()).collect()]
}

const SHOP: &str = "destinations: { shop: http://shop }\nrules: [ { name: shop, to: [shop, orders] } ]\n";

#[test]
fn included_files_stand_behind_the_rules_file_in_the_order_of_the_list_and_of_their_names() {
    let folder = folder(&[
        (
            "rules.yaml",
            "version: 1\nallow: [catch-all-hides-unmatched]\nrules: [ { name: first, to: shop } ]\ndestinations: { orders: http://orders }\n\
             include: [teams/last.yaml, 'rules.d/*.yaml', \"./rules.d/../more.yml\"]\ndefaults: { timeout: 3s }\n",
        ),
        ("teams/last.yaml", "version: 1\nrules: [ { name: from a list, to: orders } ]\n"),
        ("rules.d/20-shop.yaml", SHOP),
        ("rules.d/10-test.yaml", "sources: { test: { secret: \"${OTTU_TEST_HMAC_KEY}\" } }\n"),
        ("rules.d/.30.yaml.swp", "{"),
        ("rules.d/README", "{"),
        ("more.yml", "sources: { ottu: { secret: \"${OTTU_HMAC_KEY}\" } }\nrules: [ { name: more, when: { from: test }, drop: true } ]\n"),
    ]);
    let loaded = load_main(&folder).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(loaded.warnings, []);
    let expected = [&["test", "ottu"][..], &["orders", "shop"], &["first", "from a list", "shop", "more"]];
    assert_eq!(names(&loaded), expected.map(|names| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()));
    let seconds: Vec<_> = loaded.config.destinations.iter().map(|destination| destination.settings.timeout.as_secs()).collect();
    assert_eq!(seconds, [3, 3], "`defaults` are for every destination");
}

#[test]
fn paths_in_an_included_file_start_from_the_folder_of_the_rules_file() {
    let folder = folder(&[
        ("rules.yaml", "version: 1\ninclude: [below/source.yaml]\n"),
        ("below/source.yaml", "sources: { ottu: { secret: \"${file:secrets/key}\" } }\n"),
        ("secrets/key", "from the file\n"),
    ]);
    let loaded = load_main(&folder).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(loaded.config.sources[0].provider.secrets[0].expose(), "from the file");
}

#[test]
fn absolute_paths_and_links_are_followed_and_a_file_is_the_same_by_whichever_path() {
    let elsewhere = folder(&[("shop.yaml", SHOP)]);
    let path = elsewhere.path().join("shop.yaml");
    let text = format!(
        "version: 1\nallow: [catch-all-hides-unmatched, literal-secret]\nsources: {{ ottu: {{ secret: k }} }}\ndestinations: {{ orders: http://orders }}\ninclude: ['{}', 'link*']\n",
        path.display()
    );
    let main = folder(&[("rules.yaml", &text)]);
    let loaded = load_main(&main).unwrap_or_else(|error| panic!("{error}"));
    let warnings: Vec<_> = loaded.warnings.iter().map(|warning| warning.code).collect();
    assert_eq!((names(&loaded)[2].len(), warnings), (1, vec![Code::IncludeMatchesNothing]));
    symlink(&path, main.path().join("link.yaml")).expect("a link");
    let error = load_main(&main).expect_err("it is the same file");
    assert_eq!(error.problems[0].code, Code::DuplicateValue, "{error}");
}

#[test]
fn what_a_broken_file_may_define_is_not_called_missing() {
    let broken = folder(&[
        ("rules.yaml", "version: 1\ninclude: [a.yaml, b.yaml, c.yaml]\nrules: [ { name: all, to: of-a, tpo: x } ]\n"),
        ("a.yaml", "destinations: { of-a: http://a, }}\n"),
        ("b.yaml", "rules: [ { name: b, to: of-a, whne: {} } ]\n"),
    ]);
    let error = load_main(&broken).expect_err("it is broken");
    let codes: Vec<_> = error.problems.iter().map(|problem| (problem.code, problem.line)).collect();
    assert_eq!(codes, [(Code::UnreadableFile, 2), (Code::UnknownKey, 3), (Code::YamlSyntax, 1), (Code::UnknownKey, 1)], "{error}");
    let files: Vec<_> = error.problems.iter().map(|problem| Path::new(&problem.file).file_name().and_then(|name| name.to_str())).collect();
    assert_eq!(files, ["rules.yaml", "rules.yaml", "a.yaml", "b.yaml"].map(Some));
}

#[test]
fn secrets_of_included_files_are_masked_as_those_of_the_rules_file() {
    let folder = folder(&[
        ("rules.yaml", "version: 1\ninclude: [a.yaml, b.yaml]\n"),
        ("a.yaml", "sources: { ottu: { secret: hidden-1, hold: x } }\ndestinations: { d: { url: http://u:hidden-2@d/, timeout: 1 } }\n"),
        ("b.yaml", "destinations: { e: { url: http://e/, auth: { bearer: hidden-3 }, x: [ }\n"),
    ]);
    let told = load_main(&folder).expect_err("it is wrong").to_string();
    assert!(told.contains("***") && !told.contains("hidden"), "{told}");
}

#[test]
fn many_files_and_large_ones_are_refused_before_they_are_read() {
    let text = "version: 1\nsources: { ottu: { secret: k } }\ndestinations: { orders: http://orders }\ninclude: ['rules.d/*']\n";
    let rules = |number: usize| format!("rules: [ {{ name: r{number}, to: orders }} ]\n");
    let main = folder(&[("rules.yaml", text), ("rules.d/0", "rules: []")]);
    let write = |name: usize, text: String| fs::write(main.path().join(format!("rules.d/{name:03}")), text).expect("written");
    let told = || load_main(&main).map(|loaded| loaded.config.rules.rules.len()).map_err(|error| error.to_string());
    (1..100).for_each(|number| write(number, rules(number)));
    assert_eq!(told(), Ok(99));
    write(100, rules(100));
    assert!(told().expect_err("a hundred and one").contains("more than 100 files are included"));
    fs::remove_file(main.path().join("rules.d/100")).expect("removed");
    (1..4).for_each(|number| write(number, format!("{}#{}\n", rules(number), "#".repeat((1 << 20) - 100))));
    assert_eq!(told(), Ok(99), "four files of almost a MiB are less than 4 MiB");
    (4..6).for_each(|number| write(number, format!("{}#{}\n", rules(number), "#".repeat((1 << 20) - 100))));
    assert!(told().expect_err("five MiB").contains("more than 4 MiB altogether"));
    (1..6).for_each(|number| write(number, rules(number)));
    write(7, format!("rules: []{}", " ".repeat(1 << 20)));
    let error = told().expect_err("one is too large");
    assert!(error.contains("rules.d/007: error[file-too-large]: the rules file is larger than 1 MiB"), "{error}");
    let bomb = format!("rules: []\nx: &x [{}]\ny: [{}]\n", "1,".repeat(1_000), "*x,".repeat(95));
    (7..14).for_each(|number| write(number, bomb.clone()));
    assert!(told().expect_err("seven bombs").contains("more than 400000 values in all files"));
}

#[test]
fn what_is_said_once_for_all_files_stays_in_the_rules_file() {
    let folder = folder(&[("rules.yaml", "version: 1\nstore: { path: here }\ninclude: [a.yaml]\n"), ("a.yaml", "{ broken")]);
    assert_eq!(store_folder(&folder.path().join("rules.yaml")).expect("it is named"), PathBuf::from("here"));
}

#[test]
fn one_name_may_stand_without_a_list() {
    let error = load_text("version: 1\ninclude: none.yaml\nsources: { a: { secret: k } }\n", Unset::Error).expect_err("it is not there");
    assert_eq!((error.problems.len(), error.problems[0].code, error.problems[0].column), (1, Code::UnreadableFile, 10));
}
