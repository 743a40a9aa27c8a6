//! The report of build servers: JUnit's XML, which has no one definition; this is what they all read.

use super::test::{Ran, Report};
use std::fmt::Write;

/// The document.
pub fn document(report: &Report<'_>) -> String {
    let file = escaped(&report.file.display().to_string());
    let counted = format!("tests=\"{}\" failures=\"{}\" errors=\"0\"", report.ran.len(), report.failed());
    let mut xml = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"hookgate\" {counted}>\n");
    let mut line = |text: String| writeln!(xml, "{text}").expect("a String takes all");
    line(format!("  <testsuite name=\"{file}\" {counted} skipped=\"0\">"));
    if let Some(coverage) = &report.coverage {
        let property = |name: &str, value: String| format!("      <property name=\"coverage.{name}\" value=\"{}\"/>", escaped(&value));
        line("    <properties>".to_owned());
        line(property("rules", coverage.rules.to_string()));
        line(property("tested", coverage.tested().to_string()));
        line(property("percent", coverage.percent().to_string()));
        line(property("untested", coverage.untested.iter().map(|rule| &**rule).collect::<Vec<_>>().join("\n")));
        line("    </properties>".to_owned());
    }
    for ran in &report.ran {
        let Ran { test, outcome, .. } = ran;
        let case = format!(
            "    <testcase classname=\"{file}\" name=\"{}\" file=\"{}\" line=\"{}\"",
            escaped(&test.case.name),
            escaped(test.file()),
            test.line()
        );
        if outcome.is_good() {
            line(format!("{case}/>"));
            continue;
        }
        let message: Vec<_> = outcome.mismatches.iter().map(ToString::to_string).collect();
        line(format!("{case}>\n      <failure type=\"expect\" message=\"{}\">", escaped(&message.join("; "))));
        line(format!("{}      </failure>\n    </testcase>", escaped(&ran.why()).replace("&#10;", "\n")));
    }
    line("  </testsuite>\n</testsuites>".to_owned());
    xml
}

/// As text and between double quotes. XML has no way to write most control characters.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\n' => escaped += "&#10;",
            '\t' => escaped += "&#9;",
            '\r' => escaped += "&#13;",
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            letter => escaped.push(letter),
        }
    }
    escaped
}
