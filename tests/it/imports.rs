//! The direction of imports and who may do what, checked by reading the sources. What is test code does not count.

use std::{
    fmt, fs,
    ops::Range,
    path::{Path, PathBuf},
};

/// Which modules each may name, from the bottom up: whatever stands above it, it does not see.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("tasks", &[]),
    ("log", &["tasks"]),
    ("metrics", &["domain"]),
    ("route", &["domain"]),
    ("provider", &["domain"]),
    ("store", &["domain", "metrics", "tasks"]),
    ("destination", &["domain", "tasks"]),
    ("receive", &["domain", "metrics", "tasks", "route", "provider", "store"]),
    ("deliver", &["domain", "metrics", "tasks", "store", "destination"]),
    ("rehearse", &["domain", "route", "provider", "destination", "deliver"]),
    // It shows the lanes and wakes them.
    ("admin", &["domain", "metrics", "tasks", "store", "deliver"]),
    // Each setting's type lives beside what it configures.
    ("config", &["domain", "route", "provider", "store", "destination", "receive", "deliver", "rehearse", "admin"]),
    (
        "app",
        &[
            "domain",
            "tasks",
            "log",
            "metrics",
            "route",
            "provider",
            "store",
            "destination",
            "receive",
            "deliver",
            "rehearse",
            "admin",
            "config",
        ],
    ),
    // It signs and verifies, and finds the token where the store keeps it.
    ("cli", &["domain", "log", "provider", "store", "rehearse", "config", "app"]),
    ("main", &["cli"]),
];

/// Deeds, the words they are done with, and where those words may stand: a folder of `src`, or a file.
const RESERVED: &[(&str, &[&str], &[&str])] = &[
    (
        "spawns",
        &["tokio::spawn", "task::spawn", "thread::spawn", "thread::Builder", "thread::scope", "spawn_blocking", "spawn_local", "JoinSet"],
        &["tasks.rs"],
    ),
    // The command line speaks to the gateway, and for `send` to its public side.
    ("dials out", &["TcpStream::connect", "UnixStream::connect", ".connect("], &["destination/", "cli/client.rs"]),
    (
        "writes files",
        &[
            "fs::write",
            "File::create",
            "OpenOptions",
            "fs::rename",
            "fs::remove",
            "fs::create_dir",
            "fs::copy",
            "fs::hard_link",
            "fs::set_permissions",
            "tempfile",
        ],
        // `serve --dev` makes the temporary folder that its store then writes to, and `init` writes a first rules file.
        &["store/", "app/dev.rs", "cli/init.rs"],
    ),
    ("reads the time", &["SystemTime::now", "Instant::now", "UNIX_EPOCH.elapsed"], &["domain/clock.rs"]),
    ("makes an event", &["Event {"], &["provider/"]),
];

#[test]
fn imports_go_down_only_and_everyone_does_only_what_is_theirs() {
    let sources = sources();
    assert!(sources.len() > 30, "the sources were found");
    let violations: Vec<String> =
        sources.iter().flat_map(|(path, text)| violations(path, text)).map(|violation| violation.to_string()).collect();
    assert!(violations.is_empty(), "\n{}", violations.join("\n"));
}

#[test]
fn every_module_has_its_place_and_none_names_one_above() {
    let lib = fs::read_to_string(root().join("lib.rs")).expect("lib.rs");
    let mut declared: Vec<&str> = lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).chain(["main"]).collect();
    let mut placed: Vec<&str> = MAY_NAME.iter().map(|(module, _)| *module).collect();
    for (rank, (module, may_name)) in MAY_NAME.iter().enumerate() {
        for named in *may_name {
            assert!(placed[..rank].contains(named), "{module} may name {named}, which does not stand below it");
        }
    }
    declared.sort_unstable();
    placed.sort_unstable();
    assert_eq!(declared, placed);
}

#[test]
fn the_law_of_the_house_is_in_the_table() {
    let catalogs = ["provider", "store", "destination"];
    for (module, forbidden) in [
        ("domain", &["tasks", "metrics", "log"][..]),
        ("provider", &catalogs),
        ("store", &catalogs),
        ("destination", &catalogs),
        ("route", &["provider", "store", "destination", "metrics", "tasks"]),
        ("deliver", &["route", "provider", "config", "receive", "admin"]),
        ("receive", &["destination", "config", "deliver", "admin"]),
        ("main", &["app", "config"]),
    ] {
        let allowed = may_name(module).expect(module);
        assert!(forbidden.iter().all(|name| !allowed.contains(name)), "{module}: {allowed:?}");
    }
}

#[test]
fn what_is_forbidden_is_found() {
    for (path, text, found) in [
        ("route/mod.rs", "use crate::store::Store;", "route/mod.rs:1: names store"),
        ("route/field.rs", "\n\nfn f() { crate::metrics::count(); }", "route/field.rs:3: names metrics"),
        ("deliver/lanes.rs", "use crate::{domain::{name::Name, event}, provider};", "deliver/lanes.rs:1: names provider"),
        ("deliver/lanes.rs", "use crate::{\n    domain::name::Name,\n    route::{self, Rules},\n};", "deliver/lanes.rs:1: names route"),
        ("receive/mod.rs", "use super::destination::Destination;", "receive/mod.rs:1: names destination"),
        ("receive/server.rs", "use super::super::{config, domain};", "receive/server.rs:1: names config"),
        ("domain/name.rs", "pub use crate::tasks;", "domain/name.rs:1: names tasks"),
        ("store/sqlite/mod.rs", "fn f(d: &dyn crate :: destination::Destination) {}", "store/sqlite/mod.rs:1: names destination"),
        ("metrics.rs", "use crate::*;", "metrics.rs:1: names *"),
        ("main.rs", "use hookgate::app;", "main.rs:1: names app"),
        ("newcomer.rs", "use crate::domain;", "newcomer.rs:1: names domain"),
        ("admin/mod.rs", "fn f() { tokio::spawn(g()); }", "admin/mod.rs:1: spawns"),
        ("admin/mod.rs", "fn f() { std::thread::spawn(g); }", "admin/mod.rs:1: spawns"),
        ("admin/mod.rs", "let s = TcpStream::connect(a).await;", "admin/mod.rs:1: dials out"),
        ("cli/send.rs", "let s = TcpStream::connect(a).await;", "cli/send.rs:1: dials out"),
        ("receive/server.rs", "let socket = TcpSocket::new_v4()?; socket.connect(a)", "receive/server.rs:1: dials out"),
        ("config/mod.rs", "std::fs::write(path, text)", "config/mod.rs:1: writes files"),
        ("receive/mod.rs", "let start = Instant::now();", "receive/mod.rs:1: reads the time"),
        ("store/mod.rs", "let event = Event { id, ..other };", "store/mod.rs:1: makes an event"),
        ("store/mod.rs", "#[cfg(test)]\nmod tests { use crate::route; }\nuse crate::config;", "store/mod.rs:3: names config"),
        ("store/mod.rs", "let quote = '\"'; use crate::config; let end = '\"';", "store/mod.rs:1: names config"),
        ("store/mod.rs", "fn f<'a>(x: &'a str) { crate::app::run() }", "store/mod.rs:1: names app"),
    ] {
        let all: Vec<String> = violations(Path::new(path), text).iter().map(ToString::to_string).collect();
        assert_eq!(all, [found], "{text}");
    }
}

#[test]
fn what_is_allowed_is_let_be() {
    for (path, text) in [
        ("route/mod.rs", "use crate::domain::{event::Event, name::Name};\nuse super::route::pattern;"),
        ("route/mod.rs", "// crate::store\n/* crate::store /* crate::store */ */\n//! [`crate::store`]"),
        ("route/mod.rs", "let text = \"crate::store \\\" crate::store\"; let raw = r#\"crate::store\" crate::store\"#;"),
        ("route/mod.rs", "#[cfg(test)]\nmod tests {\n    use crate::store;\n    fn f() { Instant::now(); }\n}"),
        ("route/mod.rs", "#[cfg(test)]\nuse crate::store::{Store, Settings};\n#[cfg(test)]\nmod tests;"),
        ("route/tests.rs", "use crate::store;"),
        ("route/field_tests.rs", "use crate::store;"),
        ("receive/server.rs", "TcpSocket::new_v4()?.listen(1024)"),
        ("store/sqlite/tests/crash.rs", "use crate::receive;"),
        ("store/sqlite/reader.rs", "use super::{Store, super::NewEvent};\nuse super::super::StoreError;"),
        ("receive/mod.rs", "use other_crate::config; let x = mycrate::app;"),
        ("main.rs", "use hookgate::cli::{self, Cli};"),
        ("lib.rs", "pub mod config;\npub mod store;"),
        ("tasks.rs", "tokio::task::spawn(task); thread::Builder::new();"),
        ("receive/mod.rs", "tasks::spawn(f); let e: NewEvent = NewEvent { event };"),
        ("domain/event.rs", "pub struct Event {\n}\nimpl Event {}\nimpl Clone for Event {}\nfn f() -> Event { g() }"),
        ("provider/ottu.rs", "Ok(Event { id })"),
        ("domain/clock.rs", "SystemTime::now()"),
        ("store/sqlite/lock.rs", "OpenOptions::new()"),
    ] {
        let found: Vec<String> = violations(Path::new(path), text).iter().map(ToString::to_string).collect();
        assert!(found.is_empty(), "{text}: {found:?}");
    }
}

/// Something that is not theirs to do.
struct Violation {
    path: PathBuf,
    line: usize,
    what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path.display(), self.line, self.what)
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// All sources, by their path under `src`.
fn sources() -> Vec<(PathBuf, String)> {
    let (mut folders, mut sources) = (vec![root()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source");
                sources.push((path.strip_prefix(root()).expect("under src").to_owned(), text));
            }
        }
    }
    sources
}

fn may_name(module: &str) -> Option<&'static [&'static str]> {
    MAY_NAME.iter().find(|(known, _)| *known == module).map(|(_, names)| *names)
}

fn violations(path: &Path, text: &str) -> Vec<Violation> {
    let parts: Vec<&str> = path.iter().map(|part| part.to_str().expect("UTF-8")).map(|part| part.trim_end_matches(".rs")).collect();
    if parts.iter().any(|part| part.ends_with("tests")) || parts == ["lib"] {
        return Vec::new();
    }
    let code = without_tests(&bare(text));
    let at = |place: usize, what: String| Violation { path: path.to_owned(), line: code[..place].matches('\n').count() + 1, what };
    let named = names(&code, &parts).into_iter();
    let foreign = named.filter(|(_, name)| name != parts[0] && !may_name(parts[0]).is_some_and(|names| names.contains(&name.as_str())));
    let mut found: Vec<Violation> = foreign.map(|(place, name)| at(place, format!("names {name}"))).collect();
    for (deed, words, places) in RESERVED {
        if places.iter().any(|place| path == Path::new(place) || place.ends_with('/') && path.starts_with(place)) {
            continue;
        }
        for word in *words {
            found.extend(uses(&code, word).into_iter().map(|place| at(place, (*deed).to_owned())));
        }
    }
    found
}

/// The modules of the crate's root that the code names, each with the place.
fn names(code: &str, parts: &[&str]) -> Vec<(usize, String)> {
    // How many modules the file is deep: so many `super` lead to the root.
    let depth = if parts.last() == Some(&"mod") { parts.len() - 1 } else { parts.len() };
    let mut prefixes = vec!["crate::".to_owned(), "super::".repeat(depth)];
    if parts == ["main"] {
        prefixes = vec!["hookgate::".to_owned()];
    }
    // Without white space, `crate :: x` and a path over several lines read like any other.
    let (dense, places): (String, Vec<usize>) =
        code.char_indices().filter(|(_, letter)| !letter.is_whitespace()).map(|(at, letter)| (letter, at)).unzip();
    let mut found = Vec::new();
    for prefix in prefixes {
        for (start, _) in dense.match_indices(&prefix) {
            let before = &code[..places[start]];
            if before.ends_with(|letter: char| letter.is_alphanumeric() || letter == '_' || letter == '$') || dense[..start].ends_with("::")
            {
                continue;
            }
            found.extend(heads(&dense[start + prefix.len()..]).into_iter().map(|head| (places[start], head)));
        }
    }
    found
}

/// The first name of a path, or of every path in a group.
fn heads(path: &str) -> Vec<String> {
    let name = |path: &str| match path.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect::<String>() {
        name if name.is_empty() => path.chars().take(1).collect(),
        name => name,
    };
    let Some(group) = path.strip_prefix('{') else { return vec![name(path)] };
    let (mut depth, mut heads, mut start) = (0, Vec::new(), 0);
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                heads.extend(Some(&group[start..at]).filter(|part| !part.is_empty()).map(&name));
                start = at + 1;
                if letter == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    heads
}

/// Where a word stands by itself. The name of a type before a brace is a value being made, unless it is being defined.
fn uses(code: &str, word: &str) -> Vec<usize> {
    let is_free = |place: &usize| {
        let before = code[..*place].trim_end();
        let defined = ["struct", "impl", "for", "enum", "->"].iter().any(|key| before.ends_with(key));
        let joined = !word.starts_with('.') && code[..*place].ends_with(|letter: char| letter.is_alphanumeric() || letter == '_');
        !joined && (!defined || !word.ends_with('{'))
    };
    code.match_indices(word).map(|(place, _)| place).filter(is_free).collect()
}

/// The text with comments and literals blanked out, every line in its place.
fn bare(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &text.as_bytes()[at..];
        let length = if rest.starts_with(b"//") {
            rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())
        } else if rest.starts_with(b"/*") {
            block_comment(rest)
        } else if rest[0] == b'r'
            && (at == 0 || !bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'b')
            && raw_string(rest).is_some()
        {
            raw_string(rest).unwrap_or(1)
        } else if rest[0] == b'"' {
            quoted(rest, b'"')
        } else if rest[0] == b'\'' && is_character(rest) {
            quoted(rest, b'\'')
        } else {
            at += 1;
            continue;
        };
        blank(&mut code, at..at + length);
        at += length;
    }
    String::from_utf8(code).expect("only whole literals and comments were blanked out")
}

fn blank(code: &mut [u8], range: Range<usize>) {
    for byte in code[range].iter_mut().filter(|byte| **byte != b'\n') {
        *byte = b' ';
    }
}

fn block_comment(text: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        match &text[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] if depth == 1 => return at + 2,
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    at
}

fn raw_string(text: &[u8]) -> Option<usize> {
    let hashes = text[1..].iter().take_while(|byte| **byte == b'#').count();
    let inside = text.get(hashes + 1..).filter(|inside| inside.first() == Some(&b'"'))?;
    let end = [&b"\""[..], &b"#".repeat(hashes)].concat();
    inside[1..].windows(end.len()).position(|window| window == end).map(|at| hashes + 2 + at + end.len())
}

fn quoted(text: &[u8], end: u8) -> usize {
    let mut at = 1;
    while at < text.len() && text[at] != end {
        at += if text[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(text.len())
}

/// `'x'` and `'\n'` are characters, `'a` is a lifetime.
fn is_character(text: &[u8]) -> bool {
    let letter = std::str::from_utf8(&text[1..text.len().min(5)]).or_else(|error| std::str::from_utf8(&text[1..1 + error.valid_up_to()]));
    let length = letter.ok().and_then(|text| text.chars().next()).map_or(1, char::len_utf8);
    text.get(1) == Some(&b'\\') || text.get(1 + length) == Some(&b'\'')
}

/// The code with every item under `#[cfg(test)]` blanked out.
fn without_tests(code: &str) -> String {
    let mut bytes = code.as_bytes().to_vec();
    for (start, mark) in code.match_indices("#[cfg(test)]") {
        let (mut depth, mut end) = (0_usize, start + mark.len());
        for (at, byte) in code.bytes().enumerate().skip(end) {
            end = at + 1;
            match byte {
                b'{' => depth += 1,
                b'}' if depth <= 1 => break,
                b'}' => depth -= 1,
                b';' if depth == 0 => break,
                _ => {}
            }
        }
        blank(&mut bytes, start..end);
    }
    String::from_utf8(bytes).expect("whole items were blanked out")
}
