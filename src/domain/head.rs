//! What the head of a request has to be on any of our listeners, before anything else is looked at.

use http::{Version, header, request::Parts, uri::Authority};

/// What is wrong with a head that may mean one request to us and another to a proxy before us; to be answered with 400.
/// (small-print, Receiving: no host, two hosts, absolute form, `identity, chunked`)
pub fn flaw(head: &Parts) -> Option<&'static str> {
    let mut hosts = head.headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => return Some("The request names two hosts."),
        (None, _) if head.version == Version::HTTP_10 => {}
        (None, _) => return Some("The request names no host."),
        (Some(host), None) => {
            let authority = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
            if authority.is_none_or(|authority| authority.as_str().contains('@')) {
                return Some("The host of the request is none.");
            }
        }
    }
    if head.uri.scheme().is_some() || head.uri.authority().is_some() {
        return Some("The request names its target in full; a path is wanted.");
    }
    let mut codings = head.headers.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => None,
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => None,
        (Some(_), _) => Some("The transfer-encoding of the request is not `chunked` alone."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(target: &str, version: Version, headers: &[(&str, &str)]) -> Parts {
        let request = http::Request::builder().method("POST").uri(target).version(version);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_head_that_two_readers_could_read_in_two_ways_has_a_flaw() {
        let host = ("host", "shop.example:8080");
        for (target, version, headers, wanted) in [
            ("/x", Version::HTTP_11, &[host][..], None),
            ("/x", Version::HTTP_11, &[("host", "[::1]:80"), ("transfer-encoding", "Chunked")], None),
            ("/x", Version::HTTP_10, &[], None),
            ("/x", Version::HTTP_11, &[], Some("no host")),
            ("/x", Version::HTTP_11, &[host, host], Some("two hosts")),
            ("/x", Version::HTTP_10, &[host, host], Some("two hosts")),
            ("/x", Version::HTTP_11, &[("host", "")], Some("is none")),
            ("/x", Version::HTTP_11, &[("host", "a b/c")], Some("is none")),
            ("/x", Version::HTTP_11, &[("host", "me@shop")], Some("is none")),
            ("http://shop.example/x", Version::HTTP_11, &[host], Some("in full")),
            ("/x", Version::HTTP_11, &[host, ("transfer-encoding", "identity, chunked")], Some("alone")),
            ("/x", Version::HTTP_11, &[host, ("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")], Some("alone")),
        ] {
            let found = flaw(&head(target, version, headers));
            assert!(
                match wanted {
                    None => found.is_none(),
                    Some(part) => found.is_some_and(|flaw| flaw.contains(part)),
                },
                "{target} {version:?} {headers:?}: {found:?}"
            );
        }
    }
}
