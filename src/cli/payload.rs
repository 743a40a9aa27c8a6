//! What `send` posts: a sample or a file, changed where that was asked for, and signed where that is needed.

use super::{event_file, exit::UsageError, webhook::Webhook};
use crate::{
    domain::{
        clock::Timestamp,
        edit::{self, quoted},
        id::EventId,
        secret::Secret,
        standard_webhooks,
        text::similar,
    },
    provider::{
        self,
        ottu::samples::{self, SAMPLES, Sample},
    },
};
use std::{
    borrow::Cow,
    path::{Path, PathBuf},
};

const REFERENCE: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// A payload to send, before any change.
#[derive(Debug)]
pub struct Payload {
    /// How it was named.
    name: PathBuf,
    bytes: Vec<u8>,
}

/// A value to set: `PATH=TEXT` or `PATH:=JSON`.
#[derive(Debug, Clone)]
pub struct Set {
    path: String,
    json: String,
}

/// Whether ids are made anew, so that the event is no repetition of an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ids {
    /// As they are.
    Kept,
    /// A new `reference_number` and `session_id`.
    Fresh,
}

/// With what a changed payload is signed.
#[derive(Debug)]
pub enum Key {
    /// The source's key.
    Right(Secret),
    /// A key drawn for the occasion: the signature has the right form and is wrong.
    Wrong,
    /// None was named.
    Unknown,
}

impl Set {
    /// From `PATH=TEXT` or `PATH:=JSON`.
    ///
    /// # Errors
    /// It is neither; or the path is `signature`, which signing would overwrite.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (path, value) = text.split_once('=').ok_or("wanted PATH=TEXT or PATH:=JSON")?;
        let (path, json) = match path.strip_suffix(':') {
            Some(path) => {
                let json: serde_json::Value = serde_json::from_str(value).map_err(|_| "what follows `:=` is not JSON; text follows `=`")?;
                (path, json.to_string())
            }
            None => (path, quoted(value)),
        };
        match path {
            "signature" => Err("the signature is made, not set; `--bad-signature` makes a wrong one".to_owned()),
            _ if path.split('.').any(str::is_empty) => Err("wanted a path such as `txn.state` before the `=`".to_owned()),
            _ => Ok(Self { path: path.to_owned(), json }),
        }
    }
}

impl Payload {
    /// The sample of that name, else the file. A sample never goes out twice alike.
    ///
    /// # Errors
    /// There is neither, or the file cannot be read.
    pub fn named(name: &Path) -> Result<(Self, Ids), UsageError> {
        if let Some(sample) = name.to_str().and_then(samples::find) {
            return Ok((Self::sample(sample), Ids::Fresh));
        }
        if name != Path::new("-") && !name.exists() {
            let similar = similar(&name.to_string_lossy(), SAMPLES.iter().map(|sample| sample.name));
            return Err(UsageError::NoSuchEvent { name: name.to_owned(), similar });
        }
        Ok((Self { name: name.to_owned(), bytes: event_file::read(name)? }, Ids::Kept))
    }

    /// Of a sample.
    pub fn sample(sample: &Sample) -> Self {
        Self { name: sample.name.into(), bytes: sample.payload.to_vec() }
    }

    /// The bytes to send as Ottu would. What has a signature and is changed is signed anew; what has none is signed where
    /// there is a key.
    ///
    /// # Errors
    /// It cannot be changed so, or the key to sign it anew is missing.
    pub fn prepare(&self, sets: &[Set], ids: Ids, key: &Key) -> Result<Vec<u8>, UsageError> {
        let bytes = self.changed(sets, ids)?;
        let has_signature = edit::member(&bytes, "signature").is_some();
        let is_changed = ids == Ids::Fresh || !sets.is_empty();
        match key {
            Key::Wrong => self.sign(&bytes, &Secret::new(random_hex(64))),
            Key::Right(secret) if is_changed || !has_signature => self.sign(&bytes, secret),
            Key::Unknown if is_changed && has_signature => Err(UsageError::SecretNeeded),
            Key::Right(_) | Key::Unknown => Ok(bytes),
        }
    }

    /// The request as a sender of Standard Webhooks would make it. Where ids are kept, its own is made of the payload, so
    /// that the same file again is the same event again.
    ///
    /// # Errors
    /// It cannot be changed so, or the secret is missing or none.
    pub fn prepare_standard(&self, sets: &[Set], ids: Ids, key: &Key, now: Timestamp) -> Result<Webhook, UsageError> {
        let body = self.changed(sets, ids)?;
        let wrong = || Secret::new(format!("whsec_{}", random_hex(64)));
        let secret = match key {
            Key::Wrong => Cow::Owned(wrong()),
            Key::Right(secret) => Cow::Borrowed(secret),
            Key::Unknown => return Err(UsageError::SecretMissing),
        };
        let id = match ids {
            Ids::Kept => EventId::unsigned(&body).to_string().replacen("evt", "msg", 1),
            Ids::Fresh => format!("msg_{}", random_hex(26)),
        };
        let headers = standard_webhooks::sign(&id, now, &body, &secret).map_err(UsageError::SecretForm)?;
        Ok(Webhook { headers: headers.into(), body })
    }

    /// The bytes with these changes, and nothing else done to them.
    ///
    /// # Errors
    /// It cannot be changed so.
    pub fn edited(&self, sets: &[Set]) -> Result<Vec<u8>, UsageError> {
        self.changed(sets, Ids::Kept)
    }

    fn changed(&self, sets: &[Set], ids: Ids) -> Result<Vec<u8>, UsageError> {
        let mut bytes = self.bytes.clone();
        if ids == Ids::Fresh {
            bytes = self.freshen(bytes)?;
        }
        for set in sets {
            let path: Vec<&str> = set.path.split('.').collect();
            bytes = self.set(&bytes, &path, &set.json)?;
        }
        Ok(bytes)
    }

    /// The oldest form of event has neither id; there a number of the transaction tells them apart.
    fn freshen(&self, mut bytes: Vec<u8>) -> Result<Vec<u8>, UsageError> {
        let reference: String = std::iter::repeat_with(|| char::from(REFERENCE[fastrand::usize(..REFERENCE.len())])).take(10).collect();
        let ids = [
            ("reference_number", quoted(&format!("test{reference}"))),
            ("session_id", quoted(&random_hex(40))),
            ("pymt_txn_pk", fastrand::u32(1..).to_string()),
        ];
        for (field, value) in ids {
            if edit::member(&bytes, field).is_some() {
                bytes = self.set(&bytes, &[field], &value)?;
            }
        }
        Ok(bytes)
    }

    fn set(&self, bytes: &[u8], path: &[&str], json: &str) -> Result<Vec<u8>, UsageError> {
        edit::set(bytes, path, json).map_err(|cause| UsageError::Set { path: path.join(".").into(), cause })
    }

    fn sign(&self, bytes: &[u8], secret: &Secret) -> Result<Vec<u8>, UsageError> {
        provider::ottu::sign(bytes, secret).map_err(|cause| UsageError::CannotSign { path: self.name.clone(), cause: cause.into() })
    }
}

fn random_hex(digits: usize) -> String {
    std::iter::repeat_with(|| fastrand::digit(16)).take(digits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(bytes: &[u8]) -> Value {
        serde_json::from_slice(bytes).expect("JSON")
    }

    fn sets(texts: &[&str]) -> Vec<Set> {
        texts.iter().map(|text| Set::parse(text).expect(text)).collect()
    }

    #[test]
    fn a_value_is_text_after_an_equals_sign_and_json_after_a_colon_with_one() {
        let payload = Payload { name: "x".into(), bytes: br#"{"amount":"1","l":[1,{"a":2}]}"#.to_vec() };
        let sets = sets(&["amount=9.000", "flag:=true", "order_no=007", "txn.state=a=b", "l.1.a:= null", "empty="]);
        let bytes = payload.prepare(&sets, Ids::Kept, &Key::Unknown).expect("prepared");
        let wanted =
            json!({ "amount": "9.000", "flag": true, "order_no": "007", "txn": { "state": "a=b" }, "l": [1, { "a": null }], "empty": "" });
        assert_eq!(read(&bytes), wanted);
    }

    #[test]
    fn what_is_no_change_is_refused_with_the_reason() {
        for (text, reason) in
            [("amount", "PATH=TEXT"), ("a:=x", "not JSON"), ("signature=0", "bad-signature"), ("a..b=1", "path"), ("=1", "path")]
        {
            let error = Set::parse(text).expect_err(text);
            assert!(error.contains(reason), "{text}: {error}");
        }
        let payload = Payload { name: "x".into(), bytes: b"{\"a\":1}".to_vec() };
        let error = payload.prepare(&sets(&["a.b=1"]), Ids::Kept, &Key::Unknown).expect_err("a number has no members");
        assert_eq!(error.to_string(), "cannot set a.b");
    }

    #[test]
    fn a_file_that_is_not_changed_goes_as_it_is_and_needs_no_key() {
        let bytes = b" {\"state\":\"paid\", \"signature\":\"00\"}\n".to_vec();
        let payload = Payload { name: "x".into(), bytes: bytes.clone() };
        assert_eq!(payload.prepare(&[], Ids::Kept, &Key::Unknown).expect("prepared"), bytes);
        assert_eq!(payload.prepare(&[], Ids::Kept, &Key::Right(Secret::new("k"))).expect("prepared"), bytes);
        let error = payload.prepare(&sets(&["state=x"]), Ids::Kept, &Key::Unknown).expect_err("no key");
        assert!(matches!(error, UsageError::SecretNeeded));
        let error = payload.prepare(&[], Ids::Fresh, &Key::Unknown).expect_err("no key");
        assert!(matches!(error, UsageError::SecretNeeded));
    }

    #[test]
    fn fresh_ids_have_the_form_of_the_old_ones_and_never_come_twice() {
        for sample in SAMPLES.iter().filter(|sample| !sample.is_signed()) {
            let prepared = || read(&Payload::sample(sample).prepare(&[], Ids::Fresh, &Key::Unknown).expect("prepared"));
            let (one, other) = (prepared(), prepared());
            assert_ne!(one, other, "{}", sample.name);
            let before = read(sample.payload);
            let keys = |value: &Value| value.as_object().map(|object| object.keys().cloned().collect::<Vec<_>>());
            assert_eq!(keys(&one), keys(&before), "{}", sample.name);
        }
        assert_eq!(random_hex(40).len(), 40);
    }

    #[test]
    fn a_changed_sample_is_signed_anew_with_the_right_or_with_a_wrong_key() {
        let payload = Payload::sample(samples::find("payment.paid").expect("a sample"));
        let right = payload.prepare(&sets(&["amount=11.000"]), Ids::Fresh, &Key::Right(Secret::new("k"))).expect("prepared");
        assert_eq!(provider::ottu::sign(&right, &Secret::new("k")).expect("signed"), right);
        let wrong = payload.prepare(&[], Ids::Fresh, &Key::Wrong).expect("prepared");
        assert_ne!(provider::ottu::sign(&wrong, &Secret::new("k")).expect("signed"), wrong);
        let signature = read(&wrong)["signature"].as_str().map(str::len);
        assert_eq!(signature, Some(64));
        let session = read(&right)["session_id"].as_str().map(|id| id.bytes().all(|byte| byte.is_ascii_hexdigit()) && id.len() == 40);
        assert_eq!(session, Some(true));
    }
}
