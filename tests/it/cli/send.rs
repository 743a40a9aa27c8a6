//! `hookgate send`: what goes out, and what its answers come to.

use super::{ACCEPTED, ID, Shell, sample, sample_names};
use crate::support::scripted_admin::ScriptedAdmin;
use hookgate::domain::{
    clock::{Clock, Timestamp},
    secret::Secret,
    standard_webhooks,
};
use std::{collections::HashSet, path::Path, time::Duration};

#[test]
fn a_file_is_sent_as_it_is_and_the_answer_printed_with_its_time() {
    let gateway = ScriptedAdmin::start(&[("POST /webhooks/ottu", 200, ACCEPTED)]);
    let shell = Shell::new();
    shell.file("event.json", sample("payment.paid"));
    let ran = shell.run(&["send", "event.json", "--to", &format!("{}/webhooks/ottu?x=1", gateway.url())]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let time = ran.out.strip_prefix(&format!("200 accepted {ID} ")).and_then(|rest| rest.strip_suffix(" ms\n")).expect(&ran.out);
    assert!(time.parse::<u64>().is_ok(), "{time}");
    let seen = gateway.only();
    assert_eq!(seen.line, "POST /webhooks/ottu?x=1 HTTP/1.1");
    assert_eq!(seen.body, sample("payment.paid"));
    assert_eq!(seen.header("host"), gateway.url().strip_prefix("http://"));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.header("authorization"), None);
}

#[test]
fn only_200_and_201_are_a_yes() {
    for (code, body, exit, printed) in [
        (201, ACCEPTED, 0, "201 accepted evt_01h2xcejqtf2nbrexx3vqjhp41 "),
        (202, ACCEPTED, 1, "202 accepted evt_01h2xcejqtf2nbrexx3vqjhp41 "),
        (
            401,
            r#"{"title":"unauthorized","status":401,"detail":"the signature does not hold"}"#,
            1,
            "401 unauthorized: the signature does not hold ",
        ),
        (502, "<html>\u{1b}", 1, "502 answered 502: bad gateway "),
    ] {
        let script = vec![("POST /in", code, body)].leak();
        let gateway = ScriptedAdmin::start(script);
        let ran = Shell::new().run(&["send", "operation.void.unsigned", "--to", &format!("{}/in", gateway.url())]);
        assert_eq!(ran.code, exit, "{}", ran.out);
        assert!(ran.out.starts_with(printed), "{}", ran.out);
    }
}

#[test]
fn every_repetition_of_a_sample_has_ids_of_its_own() {
    let gateway = ScriptedAdmin::start(&[("POST /in", 200, ACCEPTED)]);
    let to = format!("{}/in", gateway.url());
    let ran = Shell::new().run(&["send", "operation.void.unsigned", "--to", &to, "--repeat", "3", "--set", "txn.state=void_queued"]);
    assert_eq!((ran.code, ran.out.lines().count()), (0, 3), "{}", ran.err);
    let bodies: HashSet<Vec<u8>> = gateway.seen().into_iter().map(|seen| seen.body).collect();
    assert_eq!(bodies.len(), 3);
    for body in bodies {
        let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!((body["txn"]["state"].as_str(), body["amount"].as_str()), (Some("void_queued"), Some("14.00")));
        assert!(body["reference_number"].as_str().is_some_and(|number| number.starts_with("test") && number.len() == 14), "{body}");
    }
}

#[test]
fn a_sample_is_signed_anew_and_a_bad_signature_is_none_of_the_key() {
    let gateway = ScriptedAdmin::start(&[("POST /in", 200, ACCEPTED)]);
    let to = format!("{}/in", gateway.url());
    let shell = Shell::new().with("KEY", "another-key");
    let verdict = |seen: &[u8]| shell.run_with_input(&["verify", "-", "--secret-env", "KEY"], seen).code;
    assert_eq!(shell.run(&["send", "--to", &to, "--secret-env", "KEY", "--set", "amount=11.000"]).code, 0);
    assert_eq!(shell.run(&["send", "--to", &to, "--secret-env", "KEY", "--bad-signature"]).code, 0);
    assert_eq!(shell.run(&["send", "--to", &to, "--bad-signature"]).code, 0);
    shell.file("event.json", sample("payment.paid"));
    assert_eq!(shell.run(&["send", "event.json", "--to", &to, "--secret-env", "KEY", "--set", "state=failed"]).code, 0);
    let verdicts: Vec<i32> = gateway.seen().iter().map(|seen| verdict(&seen.body)).collect();
    assert_eq!(verdicts, [0, 1, 1, 0]);
    let first: serde_json::Value = serde_json::from_slice(&gateway.seen()[0].body).expect("JSON");
    assert_eq!((first["state"].as_str(), first["amount"].as_str()), (Some("paid"), Some("11.000")));
    assert_ne!(first["session_id"].as_str(), Some("bb7fc280827c2f177a9690299cfefa4128dbbd60"));
    assert_eq!(first["session_id"].as_str().map(str::len), Some(40));
}

#[test]
fn by_the_standard_any_file_is_signed_in_headers_and_every_2xx_is_a_yes() {
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let gateway = ScriptedAdmin::start(&[("POST /in", 204, "")]);
    let shell = Shell::new().with("SECRET", secret);
    shell.file("event.txt", "no JSON");
    let to = format!("{}/in", gateway.url());
    let send = |arguments: &[&str]| {
        let ran = shell.run(&[&["send", "--provider", "standard-webhooks", "--to", &to], arguments].concat());
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        assert!(ran.out.starts_with("204 accepted "), "{}", ran.out);
    };
    send(&["event.txt", "--secret-env", "SECRET"]);
    send(&["event.txt", "--secret-env", "SECRET"]);
    send(&["event.txt", "--bad-signature"]);
    send(&["payment.failed", "--secret-env", "SECRET", "--set", "state=paid"]);
    send(&["event.txt", "--secret-env", "SECRET", "--repeat", "2"]);
    let seen = gateway.seen();
    let holds: Vec<bool> = seen
        .iter()
        .map(|seen| {
            let header = |name| seen.header(name).unwrap_or_else(|| panic!("no {name}"));
            let at = Timestamp::from_millis(header("webhook-timestamp").parse::<i64>().expect("seconds") * 1_000);
            let signed = standard_webhooks::sign(header("webhook-id"), at, &seen.body, &Secret::new(secret)).expect("a secret");
            Clock::system().now().since(at) < Duration::from_secs(60) && signed[2].1 == header("webhook-signature")
        })
        .collect();
    assert_eq!(holds, [true, true, false, true, true, true]);
    assert_ne!(seen[4].header("webhook-id"), seen[5].header("webhook-id"), "every repetition is an event of its own");
    assert_eq!((seen[0].body.as_slice(), seen[0].header("webhook-id")), (&b"no JSON"[..], seen[1].header("webhook-id")));
    assert!(
        seen[3].header("webhook-id") != seen[0].header("webhook-id")
            && seen[0].header("webhook-id").is_some_and(|id| id.starts_with("msg_"))
    );
    let body: serde_json::Value = serde_json::from_slice(&seen[3].body).expect("JSON");
    assert_eq!(body["state"], "paid");
    for (arguments, said) in [
        (&["event.txt"][..], "webhooks of this provider are always signed: name the variable that holds the secret with `--secret-env`"),
        (&["event.txt", "--secret-env", "KEY"], "the secret that `--secret-env` names does not begin with `whsec_`"),
    ] {
        let shell = Shell::new().with("KEY", "test-hmac-key");
        shell.file("event.txt", "no JSON");
        shell.run(&[&["send", "--provider", "standard-webhooks", "--to", &to], arguments].concat()).refused(2, said);
    }
}

#[test]
fn all_signed_samples_are_sent_with_one_command() {
    let gateway = ScriptedAdmin::start(&[("POST /in", 200, ACCEPTED), ("POST /in", 201, ACCEPTED)]);
    let shell = Shell::new().with("KEY", "test-hmac-key");
    let ran = shell.run(&["send", "--all", "--to", &format!("{}/in", gateway.url()), "--secret-env", "KEY"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let named: Vec<&str> = ran.out.lines().filter_map(|line| line.rsplit("  ").next()).collect();
    assert_eq!(named, sample_names().iter().filter(|name| !name.ends_with(".unsigned")).collect::<Vec<_>>());
    assert!(ran.out.starts_with("200 accepted") && ran.out.contains("\n201 accepted"), "{}", ran.out);
}

#[test]
fn what_cannot_be_sent_is_wrong_usage() {
    let shell = Shell::new().with("EMPTY", "");
    shell.file("event.json", sample("payment.paid"));
    for (arguments, said) in [
        (&["none.json", "--to", "http://127.0.0.1:1/"][..], "no sample and no file is named \"none.json\""),
        (&["payment.payed", "--to", "http://127.0.0.1:1/"], "did you mean \"payment.paid\"?"),
        (&["--to", "http://127.0.0.1:1/"], "name the variable that holds the key with `--secret-env`"),
        (&["event.json", "--set", "state=failed", "--to", "http://127.0.0.1:1/"], "`--secret-env`"),
        (&["event.json", "--repeat", "2", "--to", "http://127.0.0.1:1/"], "`--secret-env`"),
        (&["--to", "http://127.0.0.1:1/", "--secret-env", "EMPTY"], "variable EMPTY"),
        (&["--to", "http://127.0.0.1:1/", "--secret-env", "EMPTY", "--set", "amount"], "PATH=TEXT"),
        (&["operation.void.unsigned", "--set", "amount.x=1", "--to", "http://127.0.0.1:1/"], "cannot set amount.x: the path leads through"),
        (&["event.json", "--to", "ftp://127.0.0.1/"], "\"ftp://127.0.0.1/\" is no URL to send to"),
        (&["event.json", "--to", "127.0.0.1:8080"], "is no URL to send to; wanted one like http://"),
        (&["event.json", "--to", "http://user:word@127.0.0.1/"], "secrets never come as arguments"),
    ] {
        shell.run(&[&["send"], arguments].concat()).refused(2, said);
    }
}

#[test]
fn https_is_spoken_to_whom_the_system_trusts() {
    let gateway = ScriptedAdmin::start_tls(&[("POST /in", 200, ACCEPTED)]);
    let authority = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tls/localhost-ca.pem");
    let trusting = Shell::new().with("SSL_CERT_FILE", authority.to_str().expect("UTF-8"));
    let to = format!("https://localhost:{}/in", gateway.port());
    let ran = trusting.run(&["send", "operation.void.unsigned", "--to", &to]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_eq!(gateway.only().header("host"), to.strip_prefix("https://").and_then(|rest| rest.strip_suffix("/in")));
    let empty = trusting.file("none.pem", "");
    let wary = Shell::new().with("SSL_CERT_FILE", empty.to_str().expect("UTF-8"));
    wary.run(&["send", "operation.void.unsigned", "--to", &to]).refused(4, "no TLS with localhost:");
}
