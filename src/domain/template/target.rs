//! The path and the query of a destination's url, with fields of an event in them.

use super::{Look, Piece, Template, Values, fill};
use crate::domain::field::Field;
use percent_encoding::percent_decode_str;

/// Nothing that is meant well is encoded more often, and each time costs a look at all of it.
const MOST_ENCODED: usize = 8;

/// What stands behind the host of a url: a path, segment by segment, and perhaps a query.
/// No value can add a segment or take one away, or add a key to the query or end one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Each stands behind a `/`; at least one.
    segments: Vec<Template>,
    query: Option<Template>,
}

/// A segment with a place that has come out empty, as `.` or as `..`: what stands behind it would mean another place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unsafe path")]
pub struct Unsafe;

impl Target {
    /// Splits an absolute url into scheme and host, and the rest. `None`: a place stands before the path, or it is no such url.
    pub fn split(url: &Template) -> Option<(String, Self)> {
        let lead: String = url.0.iter().map_while(Piece::text).collect();
        let host = lead.find("://")? + 3;
        let Some(end) = lead[host..].find(['/', '?']).map(|end| host + end) else {
            return (!url.has_places()).then(|| (lead, Self { segments: vec![Template(Vec::new())], query: None }));
        };
        let mut skipped = 0;
        let rest = url.0.iter().map(|piece| {
            let Some(text) = piece.text() else { return piece.clone() };
            let from = (end - skipped).min(text.len());
            skipped += from;
            piece.with_text(&text[from..])
        });
        let (path, query) = cut(rest.collect(), '?');
        // Nothing stands before the first slash.
        let (_, mut left) = cut(path.0, '/');
        let mut segments = Vec::new();
        while let Some(pieces) = left {
            let (segment, after) = cut(pieces, '/');
            segments.push(segment);
            left = after;
        }
        if segments.is_empty() {
            segments.push(Template(Vec::new()));
        }
        Some((lead[..end].to_owned(), Self { segments, query: query.map(|pieces| cut(pieces, '\0').0) }))
    }

    /// The same below these segments.
    #[must_use]
    pub fn below(self, segments: &[&str]) -> Self {
        let above = segments.iter().map(|segment| Template::plain(segment));
        Self { segments: above.chain(self.segments).collect(), query: self.query }
    }

    /// Whether something is filled in.
    pub fn has_places(&self) -> bool {
        self.templates().any(Template::has_places)
    }

    /// Whether some of it was put in, so that it is not shown.
    pub fn is_secret(&self) -> bool {
        self.templates().any(Template::is_secret)
    }

    /// Whether something is filled in, for each parameter of the query.
    pub fn parameters(&self) -> Vec<bool> {
        self.query.as_ref().map(|query| query.split('&')).unwrap_or_default()
    }

    /// The path and the query, with all places filled.
    ///
    /// # Errors
    /// A filled segment may not be sent.
    pub fn fill(&self, values: Values<'_>) -> Result<String, Unsafe> {
        self.write(values, Look::Sent)
    }

    /// The same as it is shown: what was put in is masked.
    ///
    /// # Errors
    /// A filled segment may not be sent.
    pub fn show(&self, values: Values<'_>) -> Result<String, Unsafe> {
        self.write(values, Look::Shown)
    }

    /// The fields of the event that it is filled from.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.templates().flat_map(Template::fields)
    }

    fn write(&self, values: Values<'_>, look: Look) -> Result<String, Unsafe> {
        let mut target = String::new();
        for segment in &self.segments {
            let filled = segment.fill(values, look, fill::url);
            if segment.has_places() && is_unsafe(&filled) {
                return Err(Unsafe);
            }
            target.push('/');
            target.push_str(&filled);
        }
        if let Some(query) = &self.query {
            target.push('?');
            target.push_str(&query.fill(values, look, fill::url));
        }
        Ok(target)
    }

    fn templates(&self) -> impl Iterator<Item = &Template> {
        self.segments.iter().chain(&self.query)
    }
}

/// What stands before the first such letter that is in no place, and what behind it.
fn cut(mut pieces: Vec<Piece>, letter: char) -> (Template, Option<Vec<Piece>>) {
    pieces.retain(|piece| piece.text() != Some(""));
    let found = pieces.iter().enumerate().find_map(|(place, piece)| {
        let (before, after) = piece.text()?.split_once(letter)?;
        Some((place, piece.with_text(before), piece.with_text(after)))
    });
    let Some((place, before, after)) = found else { return (Template(pieces), None) };
    let mut behind = pieces.split_off(place);
    behind[0] = after;
    if before.text() != Some("") {
        pieces.push(before);
    }
    (Template(pieces), Some(behind))
}

/// Whether a server may read it as no segment, this one, or the one above (RFC 3986, 5.2.4), however often it was encoded;
/// also one that takes an encoded slash or a backslash for a slash, cuts off what follows a semicolon, a `?` or a `#`, or trims
/// what is blank.
fn is_unsafe(segment: &str) -> bool {
    let mut segment = segment.to_owned();
    for _ in 0..MOST_ENCODED {
        let mut parts = segment.split(['/', '\\']).map(|part| {
            let name = part.split([';', '?', '#']).next().unwrap_or_default();
            name.trim_matches(|letter: char| letter.is_whitespace() || letter.is_control())
        });
        if segment.is_empty() || segment.starts_with(';') || parts.any(|part| matches!(part, "." | "..")) {
            return true;
        }
        let decoded = percent_decode_str(&segment).decode_utf8_lossy().into_owned();
        if decoded == segment {
            return false;
        }
        segment = decoded;
    }
    true
}
