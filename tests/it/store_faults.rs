//! Disks that fail under the real binary: a sync that gives an error, a disk that is full. What is answered is durable,
//! the rest waits. A story whose fault cannot be made here is skipped, and says so.

use crate::support::{
    gateway::{Gateway, Home, hookgate_under},
    sender::{Answer, payment, signed},
    sink::{Reply, Sink},
    skipped,
    until::{until, until_eq},
};
use hookgate::tasks;
use serde_json::json;
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};
use tempfile::TempDir;
use tokio::task::JoinHandle;

fn rules(sink: &Sink) -> String {
    format!(
        "sources: {{ ottu: {{ secret: test-hmac-key }} }}\ndestinations:\n  orders: {{ url: '{}' }}\n\
         rules: [ {{ name: paid, when: {{ state: paid }}, to: orders }} ]\n",
        sink.url("/")
    )
}

/// Whether the command works here.
fn works(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// A webhook on its way.
type Sent = JoinHandle<Answer>;

fn send(gateway: &Gateway, reference: &str) -> Sent {
    let (to, body) = (gateway.public, signed(&payment("paid", reference)));
    tasks::spawn(async move { crate::support::sender::post(to, "/webhooks/ottu", &body).await })
}

/// Failed writes of any kind: which one meets the fault first, and is tried again, is a matter of chance.
async fn errors(gateway: &Gateway) -> f64 {
    let text = gateway.get("/metrics").await.text();
    let series = text.lines().filter_map(|line| line.strip_prefix("hookgate_store_errors_total{")?.rsplit_once(' '));
    series.map(|(_, value)| value.parse::<f64>().expect("a number")).sum()
}

/// Whether nothing can be stored, not even in the reserve.
async fn is_failing(gateway: &Gateway) -> bool {
    is_unready(gateway, "the store cannot write").await
}

/// Whether the disk is full and events are stored in the room of the reserve.
async fn is_on_reserve(gateway: &Gateway) -> bool {
    is_unready(gateway, "events are stored in the room that was reserved for this").await
}

async fn is_unready(gateway: &Gateway, reason: &str) -> bool {
    let answer = gateway.get("/readyz").await;
    answer.code == 503 && answer.text().contains(reason)
}

/// Every webhook is answered 200; gives the ids.
async fn answered(sent: Vec<Sent>) -> Vec<String> {
    let mut ids = Vec::new();
    for sent in sent {
        let answer = sent.await.expect("a sender does not panic");
        assert_eq!(answer.code, 200, "{}", answer.text());
        ids.push(answer.event());
    }
    ids
}

/// After a kill and a start everything that was answered is there, and delivered.
async fn nothing_is_lost(home: Home, ids: &[String], sink: &Sink) {
    let gateway = Gateway::start_in(home).await;
    for id in ids {
        gateway.until_status(id, "delivered").await;
    }
    let arrived = sink.requests();
    for id in ids {
        assert!(arrived.iter().any(|request| request.header("webhook-id") == Some(id)), "{id} did not arrive");
    }
}

#[tokio::test]
async fn while_syncs_fail_nothing_is_answered_and_after_it_nothing_is_lost() {
    // Counted in each thread: a start makes fewer; of those of the store's writer some succeed, then all fail.
    const FAULT: &str = "inject=fsync,fdatasync:error=EIO:when=20+";
    let strace = ["-D", "-f", "-I", "1", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", FAULT];
    if !works(Command::new("strace").args(strace).arg("true")) {
        skipped::say("strace is missing, or may not trace here (apt-get install strace)");
        return;
    }
    let sink = Sink::always(Reply::status(200));
    let home = Home::new(&rules(&sink));
    let mut command = hookgate_under("strace", &strace);
    command.args(["serve", "--config"]).arg(home.rules_file());
    let gateway = Gateway::run(command, home).await;

    let mut sent = Vec::new();
    while !is_failing(&gateway).await {
        assert!(sent.len() < 1_000, "no sync fails");
        sent.push(send(&gateway, &format!("before-{}", sent.len())));
        let last = sent.last().expect("one was just sent");
        until("the answer, or the fault", || async { (last.is_finished() || is_failing(&gateway).await).then_some(()) }).await;
    }
    assert!(sent.len() > 1, "the first ones are answered");
    let held = [sent.pop().expect("the last one met the fault"), send(&gateway, "during")];
    let before = errors(&gateway).await;
    assert!(before >= 1.0);
    until("further tries", || async { (errors(&gateway).await >= before + 4.0).then_some(()) }).await;
    assert!(held.iter().all(|sent| !sent.is_finished()), "an answer whose commit failed");
    assert!(gateway.get("/readyz").await.text().contains("the store cannot write"));
    gateway.end_tracer();

    sent.extend(held);
    let mut ids = answered(sent).await;
    until_eq("readiness", 200, || async { gateway.get("/readyz").await.code }).await;
    ids.extend(answered(vec![send(&gateway, "after")]).await);
    nothing_is_lost(gateway.kill(), &ids, &sink).await;
}

/// A small disk of its own; it is gone when this is dropped.
pub struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    pub fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut mount = Command::new("mount");
        works(mount.args(["-t", "tmpfs", "-o", "size=16m", "hookgate-test"]).arg(folder.path())).then(|| Self { folder })
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    fn ballast(&self) -> PathBuf {
        self.folder.path().join("ballast")
    }

    /// Takes all that is free.
    pub fn fill(&self) {
        let mut ballast = fs::OpenOptions::new().create(true).append(true).open(self.ballast()).expect("the ballast opens");
        for size in [1 << 20, 1 << 12] {
            while ballast.write_all(&vec![0; size]).is_ok() {}
        }
    }

    pub fn free(&self) {
        fs::remove_file(self.ballast()).expect("the ballast is there");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmount = |path: &Path| works(Command::new("umount").arg("--lazy").arg(path));
        assert!(unmount(self.folder.path()), "{} stays mounted", self.folder.path().display());
    }
}

impl SmallDisk {
    /// A gateway with its data there, once its reserve is made.
    async fn gateway(&self, sink: &Sink) -> Gateway {
        let gateway = Gateway::start_in(Home::with_data(self.data(), &rules(sink))).await;
        until_reserved(&gateway).await;
        gateway
    }
}

/// An eighth of a disk of 16 MiB.
const RESERVE: f64 = (2 << 20) as f64;

async fn until_reserved(gateway: &Gateway) {
    until_eq("the reserve", RESERVE, || gateway.metric("hookgate_store_reserve_bytes")).await;
    until_eq("readiness", 200, || async { gateway.get("/readyz").await.code }).await;
}

/// Sends one event after the other, each of which is answered, until it is noticed that the disk is full; gives their ids.
async fn until_on_reserve(gateway: &Gateway, name: &str) -> Vec<String> {
    let mut ids = Vec::new();
    while !is_on_reserve(gateway).await {
        assert!(ids.len() < 1_000, "the disk does not fill");
        ids.extend(answered(vec![send(gateway, &format!("{name}-filling-{}", ids.len()))]).await);
    }
    ids
}

#[tokio::test]
async fn a_full_disk_is_met_with_the_reserve_first_and_then_events_wait_for_room() {
    let Some(disk) = SmallDisk::mount() else {
        skipped::say("a small disk cannot be mounted here; that takes root");
        return;
    };
    let disk = Arc::new(disk);
    let sink = Sink::always(Reply::status(200));
    let gateway = disk.gateway(&sink).await;
    let mut ids = answered((0..20).map(|number| send(&gateway, &format!("before-{number}"))).collect()).await;

    for round in 0..2 {
        disk.fill();
        ids.extend(until_on_reserve(&gateway, &round.to_string()).await);
        assert_eq!(gateway.metric("hookgate_store_reserve_bytes").await, 0.0);
        // Nobody waits: what is held for longer than a moment would be counted.
        for number in 0..50 {
            ids.extend(answered(vec![send(&gateway, &format!("{round}-reserve-{number}"))]).await);
            assert_eq!(gateway.metric("hookgate_held_requests").await, 0.0);
        }
        assert!(is_on_reserve(&gateway).await, "somebody is called all the while");

        let mut sent = Vec::new();
        // What the store gives back while it reopens is taken too, until nothing more fits.
        until("the reserve to be used up", || {
            disk.fill();
            let last: Option<&Sent> = sent.last();
            if last.is_none_or(Sent::is_finished) && sent.len() < 1_000 {
                sent.push(send(&gateway, &format!("{round}-{}", sent.len())));
            }
            async { is_failing(&gateway).await.then_some(()) }
        })
        .await;
        disk.fill();
        let during: Vec<_> = (0..20).map(|number| send(&gateway, &format!("{round}-during-{number}"))).collect();
        let before = errors(&gateway).await;
        // Tried again, and again in vain: the events wait.
        until("further tries", || async { (errors(&gateway).await >= before + 2.0).then_some(()) }).await;
        assert!(during.iter().all(|sent| !sent.is_finished()), "nothing is answered while nothing can be stored");
        assert!(is_failing(&gateway).await);
        disk.free();
        ids.extend(answered(sent).await);
        ids.extend(answered(during).await);
        until_reserved(&gateway).await;
    }
    let told = |message: &str| gateway.log().iter().filter(|line| line.contains(message)).count();
    until_eq("each change to be told once", (2, 2), || async { (told("the reserve is given up"), told("the reserve is back")) }).await;
    ids.extend(answered(vec![send(&gateway, "after")]).await);
    nothing_is_lost(gateway.kill(), &ids, &sink).await;
}

#[tokio::test]
async fn a_start_on_a_full_disk_uses_the_reserve_and_knows_that_it_is_used() {
    let Some(disk) = SmallDisk::mount() else {
        skipped::say("a small disk cannot be mounted here; that takes root");
        return;
    };
    let sink = Sink::always(Reply::status(200));
    let gateway = disk.gateway(&sink).await;
    let mut ids = answered(vec![send(&gateway, "before")]).await;

    // The disk fills while nobody runs.
    let home = gateway.kill();
    disk.fill();
    let gateway = Gateway::start_in(home).await;
    ids.extend(until_on_reserve(&gateway, "after the first start").await);
    ids.extend(answered(vec![send(&gateway, "on the reserve")]).await);

    // And it is started again in the middle of that.
    let gateway = Gateway::start_in(gateway.kill()).await;
    assert!(is_on_reserve(&gateway).await, "{}", gateway.get("/readyz").await.text());
    ids.extend(answered(vec![send(&gateway, "after the second start")]).await);
    disk.free();
    until_reserved(&gateway).await;
    nothing_is_lost(gateway.kill(), &ids, &sink).await;
}

#[tokio::test]
async fn a_start_on_a_full_disk_without_a_reserve_shows_what_is_stored_and_holds_what_comes_until_there_is_room() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("skipped: a small disk cannot be mounted here; that takes root");
        return;
    };
    let sink = Sink::always(Reply::status(200));
    let gateway = disk.gateway(&sink).await;
    let mut ids = answered((0..20).map(|number| send(&gateway, &format!("before-{number}"))).collect()).await;
    let mut unanswered: Vec<Sent> = Vec::new();
    until("the reserve to be used up", || {
        disk.fill();
        if unanswered.last().is_none_or(Sent::is_finished) && unanswered.len() < 1_000 {
            unanswered.push(send(&gateway, &format!("unanswered-{}", unanswered.len())));
        }
        async { is_failing(&gateway).await.then_some(()) }
    })
    .await;
    unanswered.iter().for_each(Sent::abort);
    let mut home = gateway.kill();

    for round in 0..2 {
        disk.fill();
        let gateway = Gateway::start_in(home).await;
        assert!(is_failing(&gateway).await, "{}", gateway.get("/readyz").await.text());
        for id in &ids {
            assert_eq!(gateway.get(&format!("/api/v1/events/{id}")).await.code, 200, "what is stored can be read");
        }
        let held: Vec<_> = (0..10).map(|number| send(&gateway, &format!("{round}-held-{number}"))).collect();
        until_eq("all to be held", 10.0, || gateway.metric("hookgate_held_requests")).await;
        assert!(held.iter().all(|sent| !sent.is_finished()));
        if round == 1 {
            disk.free();
            ids.extend(answered(held).await);
            until_reserved(&gateway).await;
        }
        home = gateway.kill();
    }
    nothing_is_lost(home, &ids, &sink).await;
}

#[tokio::test]
async fn a_reserve_that_cannot_be_given_up_is_told_once() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("skipped: a small disk cannot be mounted here; that takes root");
        return;
    };
    let sink = Sink::always(Reply::status(200));
    let gateway = disk.gateway(&sink).await;
    let reserve = disk.data().join("reserve");
    fs::remove_file(&reserve).and_then(|()| fs::create_dir(&reserve)).expect("somebody puts a folder in its place");
    disk.fill();
    let mut sent = Vec::new();
    until("events to wait", || {
        disk.fill();
        sent.push(send(&gateway, &format!("filling-{}", sent.len())));
        async { is_failing(&gateway).await.then_some(()) }
    })
    .await;
    let before = errors(&gateway).await;
    until("further tries", || async { (errors(&gateway).await >= before + 3.0).then_some(()) }).await;
    assert_eq!(gateway.log().iter().filter(|line| line.contains("the reserve cannot be given up")).count(), 1);
    disk.free();
    answered(sent).await;
}

#[tokio::test]
async fn on_a_small_disk_quarantine_keeps_a_part_and_the_operator_is_told_why_it_stays() {
    let Some(disk) = SmallDisk::mount() else {
        skipped::say("a small disk cannot be mounted here; that takes root");
        return;
    };
    let sink = Sink::always(Reply::status(200));
    let home = Home::with_data(disk.data(), &rules(&sink).replace("test-hmac-key", "test-hmac-key, unsigned: quarantine"));
    let gateway = Gateway::start_in(home).await;
    // A twentieth of 16 MiB has room for one of these.
    let body = |number: usize| format!(r#"{{"state":"paid","number":{number},"text":"{}"}}"#, "x".repeat(600_000));
    let (first, second) = (gateway.send(body(1).as_bytes()).await, gateway.send(body(2).as_bytes()).await);
    assert_eq!((first.code, second.code), (200, 200));
    let gateway = &gateway;
    let flags = |id: String| async move { gateway.until_status(&id, "quarantined").await["flags"].clone() };
    assert_eq!((flags(first.event()).await, flags(second.event()).await), (json!([]), json!(["truncated"])));
    assert_eq!(gateway.metric("hookgate_quarantine_truncated_total").await, 1.0);
    let (bytes, budget) = (gateway.metric("hookgate_quarantine_bytes").await, gateway.metric("hookgate_quarantine_budget_bytes").await);
    assert!(bytes > 600_000.0 && bytes <= budget && budget == (f64::from(16 << 20) / 20.0).floor(), "{bytes} of {budget}");
    let release = |id: String| async move { gateway.call("POST", &format!("/api/v1/events/{id}/release"), b"{}").await };
    let refused = release(second.event()).await;
    assert_eq!((refused.code, &refused.json()["title"]), (409, &json!("Cannot be released")));
    assert!(refused.text().contains("Only a part of the event is kept"), "{}", refused.text());
    assert_eq!(gateway.call("POST", &format!("/api/v1/events/{}/discard", first.event()), b"{}").await.code, 200);
    assert_eq!(gateway.send(body(2).as_bytes()).await.code, 200);
    assert_eq!(release(second.event()).await.code, 200, "its bytes came again when there was room");
    let arrived = sink.wait_for("the delivery", |requests| requests.len() == 1).await;
    assert_eq!(arrived[0].body, body(2).into_bytes());
}
