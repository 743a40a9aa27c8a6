//! What waiting adds to the time that the destination takes itself.

use super::*;

const TAKES: Duration = Duration::from_millis(5);

/// How long the answers to ten requests take, one after the other.
async fn answers(to: SocketAddr, state: &str, turn: usize) -> Vec<Duration> {
    let clock = Clock::system();
    let mut connection = Connection::open(to).await;
    let mut took = Vec::new();
    for number in 0..10 {
        let body = signed(&payment(state, &format!("{state}-{turn}-{number}")));
        let began = clock.instant();
        connection.send(&request("POST", "/webhooks/ottu", &[], &body)).await;
        assert_eq!(connection.answer().await.expect("an answer").code, 200);
        took.push(clock.instant().duration_since(began));
    }
    took
}

fn median(mut took: Vec<Duration>) -> Duration {
    took.sort();
    took[took.len() / 2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_adds_little_to_the_time_that_the_destination_takes() {
    let sink = Sink::always(Reply::status(200).after(TAKES));
    let gateway = Gateway::start(&rules(&sink, "", WITHIN)).await;
    let destination: SocketAddr = ([127, 0, 0, 1], sink.port()).into();
    // Asked by itself it takes a little more: timers are no finer than a millisecond.
    // In turns, so that whatever else the machine does slows all three alike.
    let [mut alone, mut at_once, mut waited] = [const { Vec::new() }; 3];
    for turn in 0..20 {
        alone.extend(answers(destination, "paid", turn).await);
        at_once.extend(answers(gateway.public, "failed", turn).await);
        waited.extend(answers(gateway.public, "paid", turn).await);
    }
    let [alone, at_once, waited] = [alone, at_once, waited].map(median);
    let added = waited.saturating_sub(at_once + alone);
    println!("medians: answered at once {at_once:?}, the destination alone {alone:?}, answered after it {waited:?}; added {added:?}");
    assert!(alone >= TAKES && waited >= alone, "it did wait");
    // A busy machine makes everything slower; on an idle one it is a small part of this.
    assert!(added < (at_once * 8).max(Duration::from_millis(10)), "{added:?}");
}
