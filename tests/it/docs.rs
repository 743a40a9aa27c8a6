//! What the documentation says is what the program does: rules files are checked, commands and calls are run, names exist.

use self::{
    page::{Block, Page, page, pages, root},
    world::{VARIABLES, World, is_shown},
};
use crate::support::{
    gateway::{Gateway, hookgate},
    sender::sample,
};
use hookgate::{
    config::{self, Code, Loaded, Unset},
    receive::server::Limits,
};
use regex::Regex;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

mod page;
mod world;

/// What a fragment of a rules file stands in.
const STOCK: [(&str, &str); 4] = [
    ("version", "version: 1\n"),
    ("sources", "sources: { ottu: { secret: '${KEY}' }, ottu-test: { secret: '${KEY}' } }\n"),
    (
        "destinations",
        "destinations: { orders: http://orders/, ledger: http://ledger/, fraud: http://fraud/, staging: http://staging/, \
         analytics: http://analytics/ }\n",
    ),
    ("rules", "rules: [ { name: all, to: orders, tap: true } ]\n"),
];

fn blocks(language: &str) -> Vec<Block> {
    pages().into_iter().flat_map(|page| page.blocks).filter(|block| block.is(language)).collect()
}

/// Loads a rules file as `check --allow-unset` does.
fn load(place: &str, text: &str) -> Loaded {
    load_with(place, text, "version: 1\n")
}

/// The same, beside a file that it can include.
fn load_with(place: &str, text: &str, included: &str) -> Loaded {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("rules.yaml");
    fs::write(&path, text).expect("written");
    fs::create_dir(folder.path().join("rules.d")).expect("a folder");
    fs::write(folder.path().join("rules.d/shop.yaml"), included).expect("written");
    config::load(&path, &|_| None, Unset::Placeholder).unwrap_or_else(|error| panic!("{place}: {error}"))
}

fn completed(fragment: &str) -> String {
    let missing = STOCK.iter().filter(|(key, _)| !fragment.lines().any(|line| line.starts_with(&format!("{key}:"))));
    fragment.to_owned() + &missing.map(|(_, text)| *text).collect::<String>()
}

/// What the binary prints, of which 0 is wanted.
fn printed(arguments: &[&str]) -> String {
    let output = hookgate().args(arguments).envs(VARIABLES).current_dir(root()).output().expect("the binary starts");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8") + &String::from_utf8(output.stderr).expect("UTF-8")
}

fn backticked(text: &str) -> BTreeSet<String> {
    let code = Regex::new("`([^`\n]+)`").expect("an expression");
    code.captures_iter(text).map(|found| found[1].to_owned()).collect()
}

/// Every whole rules file that is shown and not broken, with its place.
pub fn rules_files() -> Vec<(String, String)> {
    let whole = |block: Block| {
        let text = match block.note() {
            "" | "defaults" => block.text.clone(),
            "fragment" => completed(&block.text),
            "broken" | "included" => return None,
            note => panic!("{}: what is a {note:?}?", block.place),
        };
        Some((block.place, text))
    };
    blocks("yaml").into_iter().filter_map(whole).collect()
}

#[test]
fn every_rules_file_shown_passes_check_without_a_lint() {
    let shown = rules_files();
    assert!(shown.len() > 10, "they were found");
    let included = blocks("yaml").into_iter().filter(|block| block.note() == "included");
    let included = included.map(|block| (load_with(&block.place, &completed("include: [rules.d/*.yaml]\n"), &block.text), block.place));
    for (loaded, place) in shown.into_iter().map(|(place, text)| (load(&place, &text), place)).chain(included) {
        let lints: Vec<_> = loaded.warnings.iter().filter(|warning| warning.code != Code::UnsetVariable).collect();
        assert!(lints.is_empty(), "{place}: {lints:#?}");
    }
}

#[test]
fn what_is_shown_of_a_broken_rules_file_is_what_check_says() {
    let mut seen = 0;
    for page in pages() {
        for pair in page.blocks.windows(2).filter(|pair| pair[0].is("yaml") && pair[0].note() == "broken") {
            let folder = tempfile::tempdir().expect("a folder");
            fs::write(folder.path().join("rules.yaml"), &pair[0].text).expect("written");
            let output = hookgate().args(["check", "rules.yaml"]).current_dir(folder.path()).envs(VARIABLES).output().expect("it starts");
            let said = [output.stdout, output.stderr].concat();
            assert_eq!(output.status.code(), Some(78), "{}", pair[0].place);
            assert!(pair[1].follows && is_shown(&pair[1].text, &String::from_utf8_lossy(&said)), "{}", pair[1].place);
            seen += 1;
        }
    }
    assert!(seen > 0, "a broken file is shown");
}

#[test]
fn the_defaults_written_out_are_the_defaults() {
    let shown: Vec<_> = blocks("yaml").into_iter().filter(|block| block.note() == "defaults").collect();
    let [shown] = &shown[..] else { panic!("the defaults are shown once, not {} times", shown.len()) };
    let smallest = "version: 1\nsources: { ottu: { secret: '${OTTU_HMAC_KEY}' } }\ndestinations: { orders: http://orders.internal/ }\n\
                    rules: [ { name: payments, when: { kind: payment }, to: orders } ]\n";
    let [shown, smallest] = [load(&shown.place, &shown.text), load("the smallest file", smallest)];
    assert_eq!(format!("{:#?}", shown.config), format!("{:#?}", smallest.config));
}

#[test]
fn the_limits_of_the_public_listener_are_those_of_the_table() {
    let page = page(Path::new("docs/operations.md"));
    let limits = page.section("## Limits");
    let ours = Limits::default();
    let thousands = |number: usize| format!("{},{:03}", number / 1_000, number % 1_000);
    let mebibytes = |bytes: usize| bytes >> 20;
    for told in [
        format!("| Time for the head; for the whole request | {} s; {} s |", ours.head.as_secs(), ours.request.as_secs()),
        format!("| Idle connection | {} s |", ours.idle.as_secs()),
        format!("| Public connections | {}, or what", thousands(ours.connections)),
        format!("| Public connections of one address that wait for a request | {} (", thousands(ours.waiting_per_address)),
        format!(
            "| Memory for bodies that are read or held | {} MiB, {} MiB of them for",
            mebibytes(ours.small_bodies + ours.large_bodies + ours.known_bodies),
            mebibytes(ours.known_bodies)
        ),
        format!("A connection younger than {} ms is never closed", ours.grace.as_millis()),
    ] {
        assert!(limits.contains(&told), "{told} in {limits}");
    }
}

#[test]
fn the_presets_are_the_schedules_that_the_table_says() {
    let rules = page(Path::new("docs/rules.md"));
    let retry = |place: &str, value: &str| {
        let file = format!("destinations: {{ orders: {{ url: http://orders/, retry: {value} }} }}\n");
        load(place, &completed(&file)).config.destinations[0].policy.retry
    };
    let rows = rules.section("#### `retry`").lines().filter(|row| row.contains('×'));
    let mut seen = Vec::new();
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [name, first, then, longest, attempts, whole] = cells[..] else { panic!("six cells: {row}") };
        let (name, multiplier) = (name.trim_matches('`'), then.trim_start_matches('×'));
        let schedule = format!(
            "{{ initial_interval: {first}, multiplier: {multiplier}, max_interval: {longest}, jitter: full, max_attempts: {attempts}, max_elapsed: {whole} }}"
        );
        assert_eq!(retry(row, name), retry(row, &schedule), "{row}");
        seen.push(name);
    }
    assert_eq!(seen, ["fast", "standard", "patient"]);
}

#[test]
fn the_example_has_no_problem_and_no_lint_when_its_variables_are_set() {
    assert_eq!(printed(&["check", "rules.example.yaml", "--deny-warnings"]), "rules.example.yaml: no problems, no warnings\n");
}

#[test]
fn the_first_screen_has_a_sentence_ten_lines_of_rules_and_two_commands() {
    let readme = page(Path::new("README.md"));
    let lines: Vec<_> = readme.text.lines().take(30).collect();
    assert_eq!((lines[0], lines[2].matches(". ").count(), lines[2].ends_with('.')), ("# hookgate", 0, true));
    let [rules, commands, ..] = &readme.blocks[..] else { panic!("two blocks") };
    assert_eq!((rules.is("yaml"), rules.text.lines().count()), (true, 10));
    let commands: Vec<_> = commands.text.lines().map(|line| line.split_whitespace().next().unwrap_or_default()).collect();
    assert_eq!(commands, ["scripts/run", "scripts/test"]);
    assert!(lines.iter().any(|line| line.starts_with("scripts/test")), "both commands are on the first screen");
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    for page in pages() {
        for target in page.links() {
            let (file, anchor) = target.split_once('#').map_or((target.as_str(), None), |(file, anchor)| (file, Some(anchor)));
            let path = if file.is_empty() { page.path.clone() } else { page.path.parent().expect("a folder").join(file) };
            assert!(root().join(&path).exists(), "{}: nothing is at {target}", page.path.display());
            if let Some(anchor) = anchor {
                let anchors = self::page::page(&path.components().collect::<std::path::PathBuf>()).anchors();
                assert!(anchors.iter().any(|known| known == anchor), "{}: {target}; there are {anchors:?}", page.path.display());
            }
        }
    }
}

/// Runs the commands and calls of a page, in their order, against one gateway; gives how many there were.
async fn run(path: &str) -> (World, usize) {
    let page = page(Path::new(path));
    let world = World::start(page.blocks.iter().find(|block| block.is("yaml") && block.text.contains("provider: "))).await;
    let mut count = 0;
    for (index, block) in page.blocks.iter().enumerate() {
        let shown = page.blocks.get(index + 1).filter(|next| next.follows && (next.is("text") || next.is("json")));
        if block.is("sh") {
            world.run(block, shown).await;
            count += 1;
        } else if block.is("http") {
            world.call(block, shown.unwrap_or_else(|| panic!("{}: the answer is not shown", block.place))).await;
            count += 1;
        }
    }
    (world, count)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_of_the_readme_work() {
    assert!(run("README.md").await.1 >= 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_of_the_command_line_page_do_what_is_shown() {
    assert!(run("docs/cli.md").await.1 >= 15);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_requests_of_the_page_of_providers_are_let_in() {
    assert!(run("docs/providers.md").await.1 >= 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_calls_of_the_http_page_are_answered_as_shown() {
    assert!(run("docs/api.md").await.1 >= 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_of_the_operations_page_work_and_its_log_lines_are_real() {
    let (world, count) = run("docs/operations.md").await;
    assert!(count >= 5);
    let page = page(Path::new("docs/operations.md"));
    let keys = |line: &str| -> Option<(Value, BTreeSet<String>)> {
        let line: Value = serde_json::from_str(line).ok()?;
        Some((line["message"].clone(), line.as_object()?.keys().cloned().collect()))
    };
    let logged: Vec<_> = world.log().iter().filter_map(|line| keys(line)).collect();
    let shown: Vec<_> = page.blocks.iter().filter(|block| block.is("text")).flat_map(|block| block.text.lines().filter_map(keys)).collect();
    assert!(shown.len() >= 2);
    for line in shown {
        assert!(logged.contains(&line), "{line:?} is none of {logged:#?}");
    }
}

#[test]
fn every_other_page_has_no_commands() {
    for page in pages() {
        let is_run =
            ["README.md", "docs/cli.md", "docs/api.md", "docs/operations.md", "docs/providers.md"].map(Path::new).contains(&&*page.path);
        let has_some = page.blocks.iter().any(|block| (block.is("sh") || block.is("http")) && !is_exempt(&page));
        assert!(is_run || !has_some, "{} has commands that no test runs", page.path.display());
    }
}

/// Its commands are measurements, which take minutes.
fn is_exempt(page: &Page) -> bool {
    page.path == Path::new("docs/performance.md")
}

#[tokio::test]
async fn every_metric_is_in_the_docs_and_every_metric_in_the_docs_is_there() {
    let gateway = Gateway::start(
        "sources: { ottu: { secret: test-hmac-key } }\ndestinations: { a: 'http://127.0.0.1:9' }\n\
                                  rules: [ { name: all, to: a } ]\n",
    )
    .await;
    assert_eq!(gateway.send(&sample("payment.paid")).await.code, 200);
    let text = gateway.get("/metrics").await.text();
    let real: BTreeSet<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).map(str::to_owned).collect();
    let name = Regex::new(r"\b(?:hookgate|process)_[a-z0-9_]+").expect("an expression");
    for page in pages() {
        for found in name.find_iter(&page.text) {
            let parts = ["", "_bucket", "_sum", "_count"].map(|part| found.as_str().strip_suffix(part));
            let is_real = parts.iter().flatten().any(|name| real.contains(*name));
            assert!(is_real, "{}: there is no metric {}", page.path.display(), found.as_str());
        }
    }
    let operations = page(Path::new("docs/operations.md"));
    let table = operations.section("## Metrics");
    for (name, line) in real.iter().map(|name| (name, text.lines().find(|line| line.starts_with(&format!("# TYPE {name} "))))) {
        let row = table.lines().find(|row| row.starts_with('|') && row.contains(&format!("`{name}`")));
        let row = row.unwrap_or_else(|| panic!("{name} is not in the table"));
        let kind = line.and_then(|line| line.rsplit(' ').next()).expect("a type");
        assert_eq!(row.split('|').nth(2).map(str::trim), Some(kind), "{row}");
    }
}

#[test]
fn every_command_and_every_option_is_in_the_command_line_page() {
    let cli = page(Path::new("docs/cli.md"));
    let help = printed(&["--help"]);
    let listed = help.split("Commands:").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("a list of commands");
    let name = Regex::new("(?m)^  ([a-z]+) ").expect("an expression");
    let commands: BTreeSet<_> = name.captures_iter(listed).map(|found| found[1].to_owned()).filter(|name| name != "help").collect();
    let headings: BTreeSet<_> =
        cli.text.lines().filter_map(|line| line.strip_prefix("### `hookgate ")?.strip_suffix('`')).map(str::to_owned).collect();
    assert_eq!(commands, headings);
    let option = Regex::new("(?m)^ +(?:-., )?(--[a-z-]+)").expect("an expression");
    let of_all = cli.section("## Looking, and trying again").split("\n### ").next().expect("an introduction");
    for command in commands {
        let section = cli.section(&format!("### `hookgate {command}`"));
        for found in option.captures_iter(&printed(&[&command, "--help"])) {
            let option = &found[1];
            let is_there = option == "--help" || section.contains(option) || of_all.contains(option);
            assert!(is_there, "{option} of {command} is not in docs/cli.md");
        }
    }
}

#[test]
fn every_key_of_a_rules_file_and_every_code_is_in_the_rules_page() {
    let rules = page(Path::new("docs/rules.md"));
    let named = backticked(&rules.prose);
    for code in Code::ALL {
        assert!(named.contains(&code.to_string()), "{code} is not in docs/rules.md");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("rules.yaml");
    let unknown = "version: 1\nzzz: 1\nserver: { zzz: 1 }\nsources: { a: { secret: k, provider: hmac, signature: { header: h, zzz: 1 }, zzz: 1 } }\n\
                   destinations: { b: { url: 'http://b', zzz: 1, retry: { zzz: 1 } } }\nrules: [ { name: c, to: b, zzz: 1 } ]\n";
    fs::write(&path, unknown).expect("written");
    let error = config::load(&path, &|_| None, Unset::Error).expect_err("there are unknown keys");
    let lists: Vec<_> = error.problems.iter().filter_map(|problem| problem.hint.as_ref()?.strip_prefix("the keys here are ")).collect();
    assert_eq!(lists.len(), 7, "{error}");
    for key in lists.into_iter().flat_map(|list| list.split(", ")).chain(["path", "keep", "keep_unresolved"]) {
        assert!(named.contains(key), "{key} is not in docs/rules.md");
    }
}

#[test]
fn every_log_message_in_the_docs_is_one_of_the_program() {
    fn sources(folder: &Path, text: &mut String) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                sources(&path, text);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                *text += &fs::read_to_string(&path).expect("a source");
            }
        }
    }
    let mut program = String::new();
    sources(&root().join("src"), &mut program);
    let operations = page(Path::new("docs/operations.md"));
    let rows = operations.section("## Logs").lines().filter(|line| line.starts_with("| `"));
    let messages: Vec<_> = rows.flat_map(|row| backticked(row.split('|').nth(1).expect("a cell"))).collect();
    assert!(messages.len() > 5);
    for message in messages {
        assert!(program.contains(&format!("\"{}", message.trim_end_matches('…').trim_end())), "{message}");
    }
}

#[test]
fn every_test_that_the_threat_table_names_is_there() {
    let page = page(Path::new("docs/security.md"));
    let rows = page.prose.lines().filter(|line| line.starts_with("| ") && line.matches(" | ").count() == 2);
    let named: BTreeSet<String> = rows.filter_map(|row| row.rsplit_once(" | ")).flat_map(|(_, last)| backticked(last)).collect();
    let named: BTreeSet<_> = named.into_iter().filter(|name| name.matches('_').count() >= 4).collect();
    assert!(named.len() > 15, "{named:?}");
    let sources = files(&root().join("src")).into_iter().chain(files(&root().join("tests/it")));
    let text: String = sources.map(|path| fs::read_to_string(path).expect("a source")).collect();
    let missing: Vec<_> = named.iter().filter(|name| !text.contains(&format!("fn {name}("))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|end| end == "rs"))
        .collect()
}
