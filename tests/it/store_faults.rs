//! Disks that fail under the real binary: a sync that gives an error, a disk that is full. What is answered is durable,
//! the rest waits. A fault that cannot be made here is told on stderr, and its story is skipped.

use crate::support::{
    gateway::{Gateway, Home, hookgate, hookgate_under},
    sender::{Answer, payment, signed},
    sink::{Reply, Sink},
    until::{until, until_eq},
};
use hookgate::tasks;
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

async fn is_failing(gateway: &Gateway) -> bool {
    gateway.get("/readyz").await.code == 503
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
        eprintln!("skipped: strace is missing, or may not trace here (apt-get install strace)");
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
struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut mount = Command::new("mount");
        works(mount.args(["-t", "tmpfs", "-o", "size=16m", "hookgate-test"]).arg(folder.path())).then_some(Self { folder })
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn ballast(&self) -> PathBuf {
        self.folder.path().join("ballast")
    }

    /// Takes all that is free.
    fn fill(&self) {
        let mut ballast = fs::OpenOptions::new().create(true).append(true).open(self.ballast()).expect("the ballast opens");
        for size in [1 << 20, 1 << 12] {
            while ballast.write_all(&vec![0; size]).is_ok() {}
        }
    }

    fn free(&self) {
        fs::remove_file(self.ballast()).expect("the ballast is there");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmount = |path: &Path| works(Command::new("umount").arg("--lazy").arg(path));
        assert!(unmount(self.folder.path()), "{} stays mounted", self.folder.path().display());
    }
}

#[tokio::test]
async fn while_the_disk_is_full_events_wait_and_are_answered_when_there_is_room_again() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("skipped: a small disk cannot be mounted here; that takes root");
        return;
    };
    let disk = Arc::new(disk);
    let sink = Sink::always(Reply::status(200));
    let home = Home::with_data(disk.data(), &rules(&sink));
    let mut command = hookgate();
    command.args(["serve", "--config"]).arg(home.rules_file());
    let gateway = Gateway::run(command, home).await;
    let mut ids = answered((0..20).map(|number| send(&gateway, &format!("before-{number}"))).collect()).await;

    for round in 0..2 {
        let mut sent = Vec::new();
        // What the store gives back while it reopens is taken too, until nothing more fits.
        until("the disk to be full", || {
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
        until_eq("readiness", 200, || async { gateway.get("/readyz").await.code }).await;
    }
    ids.extend(answered(vec![send(&gateway, "after")]).await);
    nothing_is_lost(gateway.kill(), &ids, &sink).await;
}
