//! From paths to trees: the rules file and those that it includes, each within its bounds and all of them together.

use super::{
    diagnostics::Code,
    encoding,
    files::Files,
    hints,
    include::{self, Include},
    mask,
    problem::{Problem, Problems},
    raw,
    text::{Text, Texts, quote},
    traps,
    tree::{FileId, Node, Span},
    yaml,
};
use std::{
    collections::HashSet,
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    rc::Rc,
};

/// What one file has at most.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// What all of them have together.
const MAX_BYTES: usize = 4 << 20;
const MAX_VALUES: usize = 4 * yaml::MAX_VALUES;
/// How many files can be included.
pub const MAX_INCLUDED: usize = 100;

/// The trees of all files.
pub struct Trees {
    /// Of the rules file itself.
    pub main: Rc<Node>,
    /// Of those that it includes, in order.
    pub included: Vec<Rc<Node>>,
    /// Whether all of them are here.
    pub is_whole: bool,
}

/// Reads files one after the other.
pub struct Reader<'f> {
    /// What was read.
    pub texts: Texts,
    /// What is wrong with it.
    pub problems: Problems,
    files: &'f mut Files,
}

impl<'f> Reader<'f> {
    /// One that has read nothing, and notes what it reads.
    pub fn new(files: &'f mut Files) -> Self {
        Self { texts: Texts::default(), problems: Problems::default(), files }
    }

    /// Reads the rules file and what it includes. `None`: it cannot be read, or is none that this program knows.
    pub fn all(&mut self, path: &Path) -> Option<Trees> {
        let main = self.main(path)?;
        raw::is_known(&main, &mut self.problems).then(|| self.with_included(main, path))
    }

    /// Reads the rules file alone. `None`: it cannot be read, or is no YAML.
    pub fn main(&mut self, path: &Path) -> Option<Rc<Node>> {
        let bytes = self.files.read_rules(path, MAX_FILE_BYTES);
        let unreadable = |cause: io::Error| {
            Problem::error(Code::UnreadableFile, Span::whole(FileId::MAIN), format!("the rules file cannot be read: {cause}"))
        };
        self.tree(path, bytes, unreadable)
    }

    fn with_included(&mut self, main: Rc<Node>, path: &Path) -> Trees {
        let folder = path.parent().unwrap_or(Path::new(""));
        let includes = include::includes(&main, folder, self.files, &mut self.problems);
        let (mut is_whole, mut included) = (includes.is_some(), Vec::new());
        let mut seen = Seen { main: fs::canonicalize(path).ok(), included: HashSet::new() };
        let mut values = main.weight;
        for include in includes.unwrap_or_default() {
            if let Some(problem) = seen.again(&include) {
                self.problems.push(problem);
                continue;
            }
            match self.included(&include) {
                Some(tree) => {
                    values += tree.weight;
                    included.push(tree);
                }
                None => is_whole = false,
            }
            if let Some(problem) = self.too_much(&include, values) {
                self.problems.push(problem);
                is_whole = false;
                break;
            }
        }
        Trees { main, included, is_whole }
    }

    fn included(&mut self, include: &Include) -> Option<Rc<Node>> {
        let bytes = self.files.read_rules(&include.path, MAX_FILE_BYTES);
        let unreadable = |cause: io::Error| {
            let hint = if include.path.is_dir() {
                "to include the files of a folder, write `rules.d/*.yaml`"
            } else {
                "a relative path starts from the folder of the rules file"
            };
            let message = format!("the included file {} cannot be read: {cause}", quote(&include.path.display().to_string()));
            Problem::error(Code::UnreadableFile, include.at, message).help(hint)
        };
        self.tree(&include.path, bytes, unreadable)
    }

    /// The bytes as a tree. Where they are none, that is among the problems.
    fn tree(&mut self, path: &Path, bytes: io::Result<Vec<u8>>, unreadable: impl FnOnce(io::Error) -> Problem) -> Option<Rc<Node>> {
        let file = self.texts.next();
        let (text, flaw) = match bytes {
            Ok(bytes) => encoding::decode(bytes),
            Err(cause) => {
                self.texts.push(Text::new(path.display().to_string(), String::new()));
                self.problems.push(if cause.kind() == ErrorKind::FileTooLarge { too_large(file) } else { unreadable(cause) });
                return None;
            }
        };
        let mut text = Text::new(path.display().to_string(), text);
        let flaw = flaw.map(|flaw| flaw.problem(flaw.at().map_or(Span::whole(file), |at| text.letter(file, at))));
        let read = flaw.map_or_else(|| yaml::read(&text.text, file).map_err(|problem| hints::explain(problem, &text.text)), Err);
        let tree = match read {
            Ok(tree) => {
                text.mask(mask::of_tree(&text.text, &tree));
                traps::inspect(&tree, &text, &mut self.problems);
                Some(tree)
            }
            Err(problem) => {
                text.mask(mask::of_text(text.until(problem.span.start.offset)));
                self.problems.push(problem);
                None
            }
        };
        self.texts.push(text);
        tree
    }

    /// What there is more of than all files may have, the last one included.
    fn too_much(&self, include: &Include, values: usize) -> Option<Problem> {
        let (code, what) = if self.texts.len() > 1 + MAX_INCLUDED {
            (Code::FileTooLarge, format!("more than {MAX_INCLUDED} files are included"))
        } else if self.texts.bytes() > MAX_BYTES {
            (Code::FileTooLarge, format!("the rules files have more than {} MiB altogether", MAX_BYTES >> 20))
        } else if values > MAX_VALUES {
            (Code::TooManyValues, format!("more than {MAX_VALUES} values in all files, those that aliases repeat included"))
        } else {
            return None;
        };
        let hint = format!("what comes after {} was not read", quote(&include.path.display().to_string()));
        Some(Problem::error(code, include.at, what).help(hint))
    }
}

/// The files that were read, by whichever path.
struct Seen {
    main: Option<PathBuf>,
    included: HashSet<PathBuf>,
}

impl Seen {
    /// A file that is read twice would have every name twice.
    fn again(&mut self, include: &Include) -> Option<Problem> {
        // What is not there is said when it is read.
        let place = fs::canonicalize(&include.path).ok()?;
        let name = quote(&include.path.display().to_string());
        let (message, hint) = if self.main.as_ref() == Some(&place) {
            let message = format!("`include` finds {name}, which is the rules file itself");
            (message, "keep what is included in a folder of its own: `rules.d/*.yaml`")
        } else if !self.included.insert(place) {
            (format!("the file {name} is included twice"), "name it once, or let one pattern find it")
        } else {
            return None;
        };
        Some(Problem::error(Code::DuplicateValue, include.at, message).help(hint))
    }
}

fn too_large(file: FileId) -> Problem {
    let message = format!("the rules file is larger than {} MiB", MAX_FILE_BYTES >> 20);
    let hint = format!("split it: `include: [rules.d/*.yaml]` takes up to {MAX_INCLUDED} files, of {} MiB altogether", MAX_BYTES >> 20);
    Problem::error(Code::FileTooLarge, Span::whole(file), message).help(hint)
}
