//! What is made of a token endpoint's answers, and which token is used while it fails.

use super::*;
use crate::{destination::Settings, domain::secret::Secret};
use http::StatusCode;

fn answer(status: u16, body: &str) -> Answer {
    let status = StatusCode::from_u16(status).unwrap();
    Answer { status, retry_after: None, body: body.as_bytes().to_vec(), connection: None }
}

#[test]
fn a_token_is_taken_with_its_life_however_that_is_written() {
    for (body, token, life) in [
        (r#"{"access_token":"abc","token_type":"Bearer","expires_in":3600}"#, "Bearer abc", 3600),
        (r#"{"access_token":"abc","token_type":"bearer","expires_in":"3600","scope":"x"}"#, "Bearer abc", 3600),
        (r#"{"access_token":"abc","expires_in":59.9}"#, "Bearer abc", 59),
        (r#"{"access_token":"abc","expires_in":0}"#, "Bearer abc", 0),
        (r#"{"access_token":"abc"}"#, "Bearer abc", 300),
        (r#"{"access_token":"abc","expires_in":null}"#, "Bearer abc", 300),
        (r#"{"access_token":"abc","expires_in":-1}"#, "Bearer abc", 300),
        (r#"{"access_token":"abc","expires_in":1e300}"#, "Bearer abc", 365 * 86_400),
    ] {
        let (header, found) = read(&answer(200, body)).unwrap();
        assert_eq!((header.to_str().unwrap(), found), (token, Duration::from_secs(life)), "{body}");
        assert!(header.is_sensitive());
    }
}

#[test]
fn what_is_no_token_is_told_without_what_the_endpoint_wrote() {
    for (status, body, cause) in [
        (401, r#"{"error":"invalid_client","error_description":"hush abc"}"#, "401, invalid_client: look at `client_id`"),
        (400, r#"{"error":"invalid_scope"}"#, "look at `scope`"),
        (400, r#"{"error":"unauthorized_client"}"#, "may not use client credentials"),
        (400, r#"{"error":"hush"}"#, "the token endpoint answered 400"),
        (500, "hush", "the token endpoint answered 500"),
        (302, "", "the token endpoint answered 302"),
        (200, "hush", "no JSON"),
        (200, r#"{"token":"hush"}"#, "`access_token`"),
        (200, r#"{"access_token":7}"#, "`access_token`"),
        (200, r#"{"access_token":""}"#, "no header can have"),
        (200, r#"{"access_token":"hush\n"}"#, "no header can have"),
        (200, r#"{"access_token":"hush","token_type":"mac"}"#, "another type"),
    ] {
        let said = read(&answer(status, body)).unwrap_err();
        assert!(said.contains(cause) && !said.contains("hush"), "{body}: {said}");
    }
}

/// Whose endpoint refuses connections.
fn away() -> Tokens {
    let client = ClientCredentials {
        token_url: Uri::from_static("http://127.0.0.1:1/token"),
        client_id: Secret::new("shop"),
        client_secret: Secret::new("secret"),
        scope: None,
    };
    let (limit, clock) = (Duration::from_secs(5), Clock::system());
    let dialer = Dialer::new(&client.token_url, &Settings::to(client.token_url.clone()), clock.clone()).unwrap();
    Tokens::new(Name::unchecked("orders"), &client, dialer, limit, clock).unwrap()
}

fn known(number: u64, renewed: Instant, ends: Instant) -> Known {
    let header = HeaderValue::from_static("Bearer old");
    Known { token: Some(Token { header, number, renewed, ends }), failure: None }
}

#[tokio::test]
async fn a_token_that_cannot_be_renewed_is_used_until_it_ends() {
    let tokens = away();
    let (now, hour) = (tokens.clock.instant(), Duration::from_secs(3600));
    *tokens.known.lock().await = known(7, now, now + hour);
    for _ in 0..2 {
        assert_eq!(tokens.current().await.map(|token| token.number), Ok(7));
    }
    assert_eq!(tokens.ended.load(Ordering::SeqCst), 1, "and the endpoint is not asked every time");
    *tokens.known.lock().await = known(7, now, now);
    let failure = tokens.current().await.map(|token| token.number).unwrap_err();
    assert!(matches!(&failure, SendError::Auth(cause) if cause.contains("connection refused")), "{failure}");
}

#[tokio::test]
async fn a_token_that_the_destination_refuses_is_not_used_again() {
    let tokens = away();
    let (now, hour) = (tokens.clock.instant(), Duration::from_secs(3600));
    *tokens.known.lock().await = known(7, now + hour, now + hour);
    let refused = tokens.current().await.unwrap_or_else(|error| panic!("{error}"));
    assert!(tokens.instead_of(&refused).await.is_err());
    assert!(tokens.known.lock().await.token.is_none());
    *tokens.known.lock().await = known(8, now + hour, now + hour);
    assert_eq!(tokens.instead_of(&refused).await.map(|token| token.number), Ok(8), "somebody else has fetched one");
}
