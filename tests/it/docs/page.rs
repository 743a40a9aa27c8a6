//! A page of the documentation, read: its fenced blocks, its links, its headings. Nothing is run here.

use regex::Regex;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A Markdown file.
pub struct Page {
    /// From the root of the repository.
    pub path: PathBuf,
    pub text: String,
    pub blocks: Vec<Block>,
    /// What is in no block.
    pub prose: String,
}

/// A fenced block.
#[derive(Clone)]
pub struct Block {
    /// Page and line, for messages.
    pub place: String,
    /// The words behind the fence: the language, and what this page's reader need not see.
    pub words: Vec<String>,
    pub text: String,
    /// Whether nothing but blank lines stands between it and the block before.
    pub follows: bool,
}

impl Block {
    pub fn is(&self, language: &str) -> bool {
        self.words.first().is_some_and(|word| word == language)
    }

    /// The word behind the language.
    pub fn note(&self) -> &str {
        self.words.get(1).map_or("", String::as_str)
    }
}

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// README.md, CHANGELOG.md and all of docs/.
pub fn pages() -> Vec<Page> {
    let docs = fs::read_dir(root().join("docs")).expect("there are docs").filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut paths: Vec<_> = docs.filter(|name| name.ends_with(".md")).map(|name| Path::new("docs").join(name)).collect();
    paths.extend(["README.md".into(), "CHANGELOG.md".into()]);
    paths.sort();
    paths.iter().map(|path| page(path)).collect()
}

/// The page at that path.
pub fn page(path: &Path) -> Page {
    let text = fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (mut blocks, mut prose, mut open, mut follows) = (Vec::new(), String::new(), None::<Block>, false);
    for (index, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(words), None) => {
                let words = words.split(' ').map(str::to_owned).collect();
                open = Some(Block { place: format!("{}:{}", path.display(), index + 1), words, text: String::new(), follows });
            }
            (Some(_), Some(block)) => {
                blocks.push(block);
                follows = true;
            }
            (None, Some(mut block)) => {
                block.text += &format!("{line}\n");
                open = Some(block);
            }
            (None, None) => {
                follows &= line.trim().is_empty();
                prose += &format!("{line}\n");
            }
        }
    }
    assert!(open.is_none(), "{}: a block is not closed", path.display());
    Page { path: path.to_owned(), text, blocks, prose }
}

impl Page {
    /// Where its links lead, less those to elsewhere.
    pub fn links(&self) -> Vec<String> {
        let link = Regex::new(r"\]\(([^)\s]+)\)").expect("an expression");
        let targets = link.captures_iter(&self.prose).map(|found| found[1].to_owned());
        targets.filter(|target| !target.starts_with("https://") && !target.starts_with("http://")).collect()
    }

    /// The names under which its headings can be linked to.
    pub fn anchors(&self) -> Vec<String> {
        let slug = |heading: &str| -> String {
            let kept = heading
                .trim()
                .to_lowercase()
                .chars()
                .filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter))
                .collect::<String>();
            kept.replace(' ', "-")
        };
        self.prose.lines().filter(|line| line.starts_with('#')).map(|line| slug(line.trim_start_matches('#'))).collect()
    }

    /// The text from a heading to the next one that is not below it.
    pub fn section(&self, heading: &str) -> &str {
        let start = self.text.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("{}: no {heading:?}", self.path.display())) + 1;
        let level = heading.bytes().take_while(|byte| *byte == b'#').count();
        let rest = &self.text[start + heading.len()..];
        let end = (1..=level).filter_map(|level| rest.find(&format!("\n{} ", "#".repeat(level)))).min();
        &self.text[start..end.map_or(self.text.len(), |end| start + heading.len() + end)]
    }
}
