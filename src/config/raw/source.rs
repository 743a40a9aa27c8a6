//! One of `sources`, as written.

use super::{
    super::{
        diagnostics::Code,
        keys::{self, Fields, Scalars},
        problem::{Problem, Problems},
        tree::{Node, Scalar, Span},
    },
    pairs,
};

/// One of `sources`.
pub struct Source<'t> {
    pub name: Scalar<'t>,
    pub provider: Option<Scalar<'t>>,
    pub path: Option<Scalar<'t>>,
    pub secret: Option<Scalars<'t>>,
    pub signature: Option<Signature<'t>>,
    /// Where that key is, be its value right or wrong.
    pub signature_at: Option<Span>,
    pub fields: Vec<(Scalar<'t>, Scalar<'t>)>,
    /// Where that key is, be its value right or wrong.
    pub fields_at: Option<Span>,
    pub allow_ips: Option<Scalars<'t>>,
    /// Where that key is, be its value right or wrong.
    pub allow_ips_at: Option<Span>,
    pub unsigned: Option<Scalar<'t>>,
    pub provider_timeout: Option<Scalar<'t>>,
    pub hold: Option<Scalar<'t>>,
    pub dedupe: Option<Scalar<'t>>,
    pub respond: Option<Scalar<'t>>,
}

/// `signature` of a source.
pub struct Signature<'t> {
    pub header: Option<Scalar<'t>>,
    pub algorithm: Option<Scalar<'t>>,
    pub encoding: Option<Scalar<'t>>,
    pub prefix: Option<Scalar<'t>>,
    pub timestamp_header: Option<Scalar<'t>>,
    pub tolerance: Option<Scalar<'t>>,
}

pub(super) fn source<'t>(name: Scalar<'t>, of: &str, node: &'t Node, problems: &mut Problems) -> Option<Source<'t>> {
    if node.scalar().is_some() && !node.was_refused() {
        let found = Problem::error(Code::WrongType, node.span, format!("{of} wants a mapping, found a single value"));
        problems.push(found.help("its key goes under `secret`: `{ secret: \"${NAME}\" }`"));
        return None;
    }
    let fields = Fields::read(of, name.span, node, &keys::SOURCE, problems)?;
    fields.require("secret", problems);
    Some(Source {
        name,
        provider: fields.scalar("provider", problems),
        path: fields.scalar("path", problems),
        secret: fields.one_or_more("secret", problems),
        signature: signature(&fields, problems),
        signature_at: fields.entry("signature").map(|entry| entry.key.span),
        fields: pairs(&fields, "fields", "the field", problems),
        fields_at: fields.entry("fields").map(|entry| entry.key.span),
        allow_ips: fields.list("allow_ips", problems),
        allow_ips_at: fields.entry("allow_ips").map(|entry| entry.key.span),
        unsigned: fields.scalar("unsigned", problems),
        provider_timeout: fields.scalar("provider_timeout", problems),
        hold: fields.scalar("hold", problems),
        dedupe: fields.scalar("dedupe", problems),
        respond: fields.scalar("respond", problems),
    })
}

fn signature<'t>(source: &Fields<'t>, problems: &mut Problems) -> Option<Signature<'t>> {
    let entry = source.entry("signature")?;
    let of = format!("`signature` of {}", source.of);
    let fields = Fields::read(of, entry.key.span, &entry.value, &keys::SIGNATURE, problems)?;
    fields.require("header", problems);
    Some(Signature {
        header: fields.scalar("header", problems),
        algorithm: fields.scalar("algorithm", problems),
        encoding: fields.scalar("encoding", problems),
        prefix: fields.scalar("prefix", problems),
        timestamp_header: fields.scalar("timestamp_header", problems),
        tolerance: fields.scalar("tolerance", problems),
    })
}
