//! The answer to a request, before it is an HTTP response.

use crate::domain::problem::Problem;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub code: u16,
    content_type: &'static str,
    body: Bytes,
    allow: Option<&'static str>,
    /// Whether the connection ends after it, since the request was not read to its end.
    closes: bool,
    /// Whether what it answers had a right signature.
    to_a_sender: bool,
}

impl Answer {
    /// A JSON document.
    pub fn json(code: u16, body: String) -> Self {
        Self { code, content_type: "application/json", body: body.into(), allow: None, closes: false, to_a_sender: false }
    }

    /// A problem document.
    pub fn problem(problem: &Problem) -> Self {
        Self { content_type: Problem::CONTENT_TYPE, ..Self::json(problem.status, problem.to_json()) }
    }

    /// Names the method that is allowed.
    #[must_use]
    pub fn allowing(self, method: &'static str) -> Self {
        Self { allow: Some(method), ..self }
    }

    /// Ends the connection.
    #[must_use]
    pub fn closing(self) -> Self {
        Self { closes: true, ..self }
    }

    /// Says that what it answers had a right signature.
    #[must_use]
    pub fn to_a_sender(self) -> Self {
        Self { to_a_sender: true, ..self }
    }

    /// Whether what it answers had a right signature.
    pub fn is_to_a_sender(&self) -> bool {
        self.to_a_sender
    }

    /// Whether it ends the connection.
    pub fn closes(&self) -> bool {
        self.closes
    }

    /// The HTTP response.
    pub fn into_response(self) -> Response<Full<Bytes>> {
        let status = StatusCode::from_u16(self.code).expect("codes are 200 to 599: rules allow no others, and ours are constants");
        // These two say that nothing follows.
        let has_body = !matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT);
        let mut response = Response::new(Full::new(if has_body { self.body } else { Bytes::new() }));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        if has_body {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        }
        if let Some(method) = self.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(method));
        }
        if self.closes {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
