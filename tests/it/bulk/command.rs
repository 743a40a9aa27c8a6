//! The command line of bulk replays.

use super::*;
use crate::support::gateway::hookgate;
use rustix::process::{Pid, Signal, kill_process};
use std::process::{Command, Stdio};

fn command(gateway: &Gateway, arguments: &[&str]) -> Command {
    let mut command = hookgate();
    command.args(arguments).env("HOOKGATE_ADMIN", format!("http://{}", gateway.admin)).env("HOOKGATE_ADMIN_TOKEN", gateway.home.token());
    command
}

/// Runs it to its end beside the test.
async fn run(gateway: &Gateway, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = command(gateway, arguments);
    let output = tasks::blocking(move || command.output()).await.expect("no panic").expect("the binary runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Waits until the first replay of the gateway is there and has come so far.
async fn until_begun(gateway: &Gateway, done: u64) {
    until("some of it", || async {
        let list = gateway.get("/api/v1/replays").await.json();
        (list["replays"][0]["done"].as_u64() >= Some(done)).then_some(())
    })
    .await;
}

fn lines(out: &str) -> Vec<Value> {
    out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

#[tokio::test]
async fn a_replay_is_followed_to_its_end_by_a_line_of_json_per_step() {
    let (orders, ledger) = (good(), good());
    let gateway = Gateway::start(&rules(&orders, &ledger, "")).await;
    paid(&gateway, &orders, 30).await;
    let (code, out, err) =
        run(&gateway, &["replay", "--since", "1h", "--filter", "state=paid", "--filter", "from=ottu", "--to", "ledger", "--rate", "40/s"])
            .await;
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let steps = lines(&out);
    let (first, last) = (&steps[0], steps.last().expect("a line"));
    assert_eq!(
        (&first["state"], &first["done"], &first["rate"], &first["to"]),
        (&json!("running"), &json!(0), &json!("40/s"), &json!(["ledger"]))
    );
    assert_eq!((&first["filter"]["state"], &first["filter"]["from"]), (&json!("paid"), &json!("ottu")));
    assert_eq!((&last["state"], &last["done"], &last["total"]), (&json!("done"), &json!(30), &json!(30)));
    assert!(steps.len() > 2 && steps.is_sorted_by_key(|step| step["done"].as_u64()), "{out}");
    ledger.wait_for("all of them", |requests| replayed(requests).len() == 30).await;
}

#[tokio::test]
async fn an_interruption_ends_the_show_and_not_the_replay_which_is_then_listed_and_cancelled() {
    let (orders, ledger) = (good(), good());
    let gateway = Gateway::start(&rules(&orders, &ledger, "")).await;
    paid(&gateway, &orders, 20).await;
    let mut following = command(&gateway, &["replay", "--since", "1h", "--rate", "2/s"]);
    let child = following.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    until_begun(&gateway, 2).await;
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid")).expect("not zero");
    kill_process(pid, Signal::INT).expect("it runs");
    let output = tasks::blocking(move || child.wait_with_output()).await.expect("no panic").expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(
        said.contains("the replay goes on") && said.contains("hookgate replays 1 --follow") && said.contains("replays 1 --cancel"),
        "{said}"
    );
    let so_far = look(&gateway, "1").await["done"].as_u64();
    until_bulk(&gateway, "1", "it to go on", |bulk| bulk["done"].as_u64() > so_far).await;
    let (code, out, _) = run(&gateway, &["replays"]).await;
    assert!(code == Some(0) && out.starts_with("NUMBER  ORDERED") && out.contains("running"), "{code:?} {out}");
    let (code, out, err) = run(&gateway, &["replays", "1", "--cancel"]).await;
    assert!(code == Some(0) && out.starts_with("replay 1 is cancelled: "), "{code:?} {out}{err}");
    let (code, out, _) = run(&gateway, &["replays", "1"]).await;
    assert!(code == Some(0) && out.contains("cancelled") && out.contains("since="), "{code:?} {out}");
    let (code, out, _) = run(&gateway, &["replays", "1", "--format", "json"]).await;
    let shown: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &shown["state"], &shown["total"]), (Some(0), &json!("cancelled"), &json!(20)));
    let (code, out, _) = run(&gateway, &["replays", "1", "--follow"]).await;
    assert_eq!((code, lines(&out).len()), (Some(1), 1), "one that was cancelled has an end, and no good one");
}

#[tokio::test]
async fn who_follows_a_gateway_that_goes_away_is_told_that_the_replay_may_go_on() {
    let (orders, ledger) = (good(), good());
    let gateway = Gateway::start(&rules(&orders, &ledger, "")).await;
    paid(&gateway, &orders, 20).await;
    let mut following = command(&gateway, &["replay", "--since", "1h", "--rate", "2/s"]);
    let child = following.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    until_begun(&gateway, 1).await;
    let _home = gateway.kill();
    let output = tasks::blocking(move || child.wait_with_output()).await.expect("no panic").expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("replay 1 cannot be followed any more, and may go on (`hookgate replays 1`)"), "{said}");
}

#[tokio::test]
async fn a_dry_run_and_what_finds_nothing_say_so() {
    let (orders, ledger) = (good(), good());
    let gateway = Gateway::start(&rules(&orders, &ledger, "")).await;
    let (code, out, err) = run(&gateway, &["replays"]).await;
    assert_eq!((code, out.as_str(), err.as_str()), (Some(1), "", "no replay found\n"));
    paid(&gateway, &orders, 3).await;
    let (code, out, err) = run(&gateway, &["replay", "--since", "1h", "--dry-run"]).await;
    let found = lines(&out);
    assert_eq!((code, err.as_str(), &found[0]["deliveries"]), (Some(0), "", &json!({ "orders": 3 })));
    let (code, out, _) = run(&gateway, &["replay", "--since", "1h", "--until", "30m", "--dry-run"]).await;
    assert_eq!((code, &lines(&out)[0]["events"]), (Some(1), &json!(0)));
    let (code, out, err) = run(&gateway, &["replay", "--since", "1h", "--filter", "state=failed"]).await;
    let last = lines(&out).pop().expect("a line");
    assert_eq!((code, err.as_str(), &last["state"], &last["total"]), (Some(1), "no event found\n", &json!("done"), &json!(0)));
    assert_eq!(orders.requests().len(), 3);
}

#[tokio::test]
async fn a_command_that_cannot_be_followed_ends_with_2_and_an_answer_that_is_no_with_1() {
    let (orders, ledger) = (good(), good());
    let gateway = Gateway::start(&rules(&orders, &ledger, "")).await;
    let id = "evt_01h2xcejqtf2nbrexx3vqjhp41";
    for (arguments, code, said) in [
        (&["replay"][..], 2, "--since"),
        (&["replay", id, "--since", "1h"], 2, "cannot be used with"),
        (&["replay", id, "--dry-run"], 2, "--dry-run"),
        (&["replay", "--filter", "state=paid"], 2, "--since"),
        (&["replay", "--since", "1h", "--filter", "colour=red"], 2, "is no filter"),
        (&["replay", "--since", "1h", "--filter", "status=dead", "--filter", "status=delivered"], 2, "--filter status is there twice"),
        (&["events", "--filter", "status=dead", "--filter", "status=delivered"], 2, "\"status\" is there twice"),
        (&["replay", "--since", "1h", "--filter", "status=gone"], 2, "`status` is \"gone\""),
        (&["replay", "--since", "yesterday"], 2, "`since` is \"yesterday\""),
        (&["replay", "--since", "1h", "--rate", "50"], 2, "`rate` is \"50\": the unit is missing"),
        (
            &["replay", "--since", "1h", "--to", "ordres"],
            2,
            "\"ordres\" is no destination of the rules file in force, which has orders, ledger",
        ),
        (&["replay", "--since", "1h", "--to", "orders", "--reroute"], 2, "cannot be used with"),
        (&["replays", "x"], 2, "invalid value"),
        (&["replays", "--cancel"], 2, "NUMBER"),
        (&["replays", "1", "--cancel", "--follow"], 2, "cannot be used with"),
        (&["replays", "1"], 1, "there is no bulk replay with this number"),
        (&["replays", "1", "--cancel"], 1, "there is no bulk replay with this number"),
        (&["replays", "1", "--follow"], 1, "there is no bulk replay with this number"),
    ] {
        let (found, out, err) = run(&gateway, arguments).await;
        assert_eq!((found, out.as_str()), (Some(code), ""), "{arguments:?}: {err}");
        assert!(err.to_lowercase().contains(&said.to_lowercase()), "{arguments:?}: {err}");
    }
    assert_eq!(gateway.get("/api/v1/replays").await.json(), json!({ "replays": [] }));
}
