//! Problems and lints as they are shown: for people, for programs, for a review on GitHub.

use serde::Serialize;
use std::{collections::BTreeSet, fmt, ops::Range};

/// One problem or lint of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Whether the file can be used.
    pub severity: Severity,
    /// What sort it is.
    pub code: Code,
    /// What was found and what is wanted.
    pub message: String,
    /// The file, as it was named.
    pub file: String,
    /// From 1; 0 where it is about the file as a whole.
    pub line: usize,
    /// From 1, in characters; 0 where it is about the file as a whole.
    pub column: usize,
    /// How many characters of the line it is about.
    pub length: usize,
    /// The line, or the part of a long one, with secrets masked.
    pub source_line: Option<String>,
    /// What to do.
    pub hint: Option<String>,
    /// The characters of `source_line` that it is about.
    #[serde(skip)]
    pub(super) marker: Range<usize>,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// It can, but is doubtful.
    Warning,
}

/// What sort a problem is. Stable: scripts may rely on the names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names are what the user reads")]
pub enum Code {
    UnreadableFile,
    FileTooLarge,
    NotUtf8,
    ControlCharacter,
    EmptyFile,
    NotAMapping,
    SeveralDocuments,
    YamlSyntax,
    YamlTag,
    TooDeep,
    TooManyValues,
    TooManyProblems,
    LookAlike,
    KeyNotText,
    DuplicateKey,
    UnknownKey,
    MisplacedKey,
    MissingKey,
    NullValue,
    WrongType,
    InvalidValue,
    InvalidName,
    UnsupportedVersion,
    DuplicateName,
    DuplicateValue,
    DuplicatePath,
    UnknownDestination,
    UnknownSource,
    ToOrDrop,
    TapWithoutTo,
    EmptyCondition,
    WeakSecret,
    UnsignedWithoutAllowIps,
    InvalidTemplate,
    InvalidUrl,
    InvalidHeader,
    ReservedHeader,
    Interpolation,
    UnsetVariable,
    UnreadableValue,
    InvalidCertificate,
    UnknownLint,
    HoldTooShort,
    PlainHttp,
    IncludeMatchesNothing,
    UnknownRule,
    UnknownSample,
    FailedTest,
    LiteralSecret,
    AllowIpsLossy,
    KeepTooShort,
    UnknownValue,
    LoosePattern,
    NeverMatches,
    Shadowed,
    CatchAllHidesUnmatched,
    RespondConflict,
    StateWithoutKind,
    UnsignedField,
    UntestedRule,
    UnusedAllow,
}

/// All that is wrong with a rules file, and what is doubtful about it besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// In the order of the file; never empty.
    pub problems: Vec<Diagnostic>,
}

impl Code {
    /// All of them.
    pub const ALL: [Self; 61] = [
        Self::UnreadableFile,
        Self::FileTooLarge,
        Self::NotUtf8,
        Self::ControlCharacter,
        Self::EmptyFile,
        Self::NotAMapping,
        Self::SeveralDocuments,
        Self::YamlSyntax,
        Self::YamlTag,
        Self::TooDeep,
        Self::TooManyValues,
        Self::TooManyProblems,
        Self::LookAlike,
        Self::KeyNotText,
        Self::DuplicateKey,
        Self::UnknownKey,
        Self::MisplacedKey,
        Self::MissingKey,
        Self::NullValue,
        Self::WrongType,
        Self::InvalidValue,
        Self::InvalidName,
        Self::UnsupportedVersion,
        Self::DuplicateName,
        Self::DuplicateValue,
        Self::DuplicatePath,
        Self::UnknownDestination,
        Self::UnknownSource,
        Self::ToOrDrop,
        Self::TapWithoutTo,
        Self::EmptyCondition,
        Self::WeakSecret,
        Self::UnsignedWithoutAllowIps,
        Self::InvalidTemplate,
        Self::InvalidUrl,
        Self::InvalidHeader,
        Self::ReservedHeader,
        Self::Interpolation,
        Self::UnsetVariable,
        Self::UnreadableValue,
        Self::InvalidCertificate,
        Self::UnknownLint,
        Self::HoldTooShort,
        Self::PlainHttp,
        Self::IncludeMatchesNothing,
        Self::UnknownRule,
        Self::UnknownSample,
        Self::FailedTest,
        Self::LiteralSecret,
        Self::AllowIpsLossy,
        Self::KeepTooShort,
        Self::UnknownValue,
        Self::LoosePattern,
        Self::NeverMatches,
        Self::Shadowed,
        Self::CatchAllHidesUnmatched,
        Self::RespondConflict,
        Self::StateWithoutKind,
        Self::UnsignedField,
        Self::UntestedRule,
        Self::UnusedAllow,
    ];

    /// Those that `allow` can silence.
    pub const LINTS: [Self; 15] = [
        Self::HoldTooShort,
        Self::PlainHttp,
        Self::IncludeMatchesNothing,
        Self::LiteralSecret,
        Self::AllowIpsLossy,
        Self::KeepTooShort,
        Self::UnknownValue,
        Self::LoosePattern,
        Self::NeverMatches,
        Self::Shadowed,
        Self::CatchAllHidesUnmatched,
        Self::RespondConflict,
        Self::StateWithoutKind,
        Self::UnsignedField,
        Self::UntestedRule,
    ];
}

impl Diagnostic {
    /// About the file as a whole.
    pub(super) fn of_file(file: &str, code: Code, message: String) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message,
            file: file.to_owned(),
            line: 0,
            column: 0,
            length: 0,
            source_line: None,
            hint: None,
            marker: 0..0,
        }
    }

    /// One JSON object, on one line.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers can always be written as JSON")
    }

    /// A workflow command that GitHub shows beside the line.
    pub fn github(&self) -> String {
        let level = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let property = |text: &str| escaped(text).replace(':', "%3A").replace(',', "%2C");
        let mut place = format!("file={}", property(&self.file));
        if self.line > 0 {
            place += &format!(",line={},col={}", self.line, self.column);
        }
        let hint = self.hint.as_ref().map_or_else(String::new, |hint| format!("\nhelp: {hint}"));
        format!("::{level} {place},title={}::{}", self.code, escaped(&format!("{}{hint}", self.message)))
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file)?;
        if self.line > 0 {
            write!(f, "{}:{}:", self.line, self.column)?;
        }
        write!(f, " {}[{}]: {}", self.severity, self.code, self.message)?;
        let margin = self.line.to_string().len() + 2;
        if let Some(line) = &self.source_line {
            let marker = "^".repeat(self.marker.len().max(1));
            write!(f, "\n  {} | {line}\n{:margin$} | {:indent$}{marker}", self.line, "", "", indent = self.marker.start)?;
        }
        match &self.hint {
            Some(hint) => write!(f, "\n{:margin$} = help: {hint}", ""),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            writeln!(f, "{problem}\n")?;
        }
        let errors = self.problems.iter().filter(|problem| problem.severity == Severity::Error).count();
        let warnings = self.problems.len() - errors;
        f.write_str(&counted(errors, "error"))?;
        if warnings > 0 {
            write!(f, " and {}", counted(warnings, "warning"))?;
        }
        let files: BTreeSet<_> = self.problems.iter().map(|problem| &problem.file).collect();
        match files.first() {
            Some(file) if files.len() == 1 => write!(f, " in {file}"),
            Some(_) | None => write!(f, " in {}", counted(files.len(), "file")),
        }
    }
}

impl std::error::Error for ConfigError {}

fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// As workflow commands want it.
fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagnostic() -> Diagnostic {
        Diagnostic {
            line: 12,
            column: 9,
            length: 3,
            source_line: Some("    to: abc".to_owned()),
            hint: Some("50% of it,\nor so".to_owned()),
            marker: 8..11,
            ..Diagnostic::of_file("a,b.yaml", Code::UnknownDestination, "no such thing".to_owned())
        }
    }

    #[test]
    fn people_see_the_line_and_a_marker_under_the_value() {
        assert_eq!(
            diagnostic().to_string(),
            "a,b.yaml:12:9: error[unknown-destination]: no such thing\n  12 |     to: abc\n     |         ^^^\n     = help: 50% of it,\nor so"
        );
    }

    #[test]
    fn a_workflow_command_is_one_line() {
        assert_eq!(
            diagnostic().github(),
            "::error file=a%2Cb.yaml,line=12,col=9,title=unknown-destination::no such thing%0Ahelp: 50%25 of it,%0Aor so"
        );
        let whole = Diagnostic::of_file("r.yaml", Code::EmptyFile, "empty".to_owned());
        assert_eq!(whole.github(), "::error file=r.yaml,title=empty-file::empty");
    }

    #[test]
    fn programs_see_every_field() {
        let json: serde_json::Value = serde_json::from_str(&diagnostic().to_json()).expect("it is JSON");
        assert_eq!(json["severity"], "error");
        assert_eq!(json["code"], "unknown-destination");
        assert_eq!((json["line"].as_u64(), json["column"].as_u64(), json["length"].as_u64()), (Some(12), Some(9), Some(3)));
        assert_eq!(json["source_line"], "    to: abc");
    }
}
