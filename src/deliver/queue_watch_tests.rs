//! What somebody waits for, in a lane's queue.

use super::*;

fn order(queue: &mut Queue) -> Vec<i64> {
    let now = start();
    assert!(queue.hire(now));
    std::iter::from_fn(|| queue.take(now).map(|(lease, _)| lease.event.seq.0)).collect()
}

#[test]
fn what_is_waited_for_goes_ahead_and_keeps_its_order_among_itself() {
    let (now, mut queue) = (start(), queue(1));
    let until = now + Duration::from_secs(8);
    for seq in [1, 2, 3, 4] {
        queue.push(lease(seq), start());
    }
    // 7 and 6 are on their way, 3 is there already.
    let waits = [7, 3, 6].map(|seq| queue.watch(Seq(seq), None, until, now).unwrap());
    for seq in [5, 6, 7] {
        queue.push(lease(seq), start());
    }
    // Whoever comes later does not overtake, and comes to the head once.
    drop(queue.watch(Seq(3), None, until, now).unwrap());
    drop(waits);
    assert_eq!(order(&mut queue), [3, 6, 7, 1, 2, 4, 5]);
}

#[test]
fn nobody_waits_for_what_cannot_start_in_time_unless_it_has_started() {
    let began = start();
    let until = began + Duration::from_secs(8);
    let second = Duration::from_secs(1);
    let breaker = Some(breaker::Settings { open_after: 1, probe_every: 30 * second });
    let probed = || Queue::new(&Policy { breaker, ..policy(3) }, began);
    let failed = |hold| {
        let mut queue = probed();
        queue.push(lease(1), start());
        assert!(queue.hire(began));
        let (_, pass) = queue.take(began).unwrap();
        queue.ended(&pass, Heard::Fails, hold, began);
        queue.give_back(Seq(1));
        queue
    };
    let refused = |queue: &mut Queue, now| queue.watch(Seq(9), None, now + 8 * second, now).map(drop);

    let mut paused = Queue::new(&Policy { paused: true, ..policy(3) }, began);
    assert_eq!(refused(&mut paused, began), Err(NotNow::Paused));
    let mut open = failed(Duration::ZERO);
    assert_eq!(refused(&mut open, began), Err(NotNow::BreakerOpen));
    assert_eq!(refused(&mut open, began + 30 * second), Ok(()), "it may be the probe that is due");
    let mut held = failed(9 * second);
    assert_eq!(refused(&mut held, began), Err(NotNow::Held));
    let mut busy = Queue::new(&Policy { breaker: None, ..policy(3) }, began);
    let pass = busy.gate_mut().start(began);
    busy.gate_mut().ended(&pass, Heard::Busy, 7 * second, 3, began);
    assert_eq!(refused(&mut busy, began), Ok(()), "the hold ends in time");
    let mut draining = queue(3);
    draining.drain(began);
    assert_eq!(refused(&mut draining, began), Err(NotNow::NotServed));

    let mut queue = queue(3);
    queue.push(lease(1), start());
    queue.push(lease(2), start());
    assert!(queue.hire(began) && queue.take(began).is_some());
    let mut waits = [1, 2].map(|seq| queue.watch(Seq(seq), None, until, began).unwrap().1);
    queue.gate_mut().pause();
    queue.refuse(began);
    assert!(waits[0].try_recv().is_err(), "its attempt goes on");
    assert_eq!(waits[1].try_recv(), Ok(Waited::NotNow(NotNow::Paused)));
    assert!(queue.watch(Seq(1), None, until, began).is_ok());
    queue.tell(Seq(1), Waited::Confirmed);
    assert_eq!(waits[0].try_recv(), Ok(Waited::Confirmed));
}

#[test]
fn of_many_who_wait_at_an_open_breaker_the_first_is_the_probe_and_the_others_are_told_at_once() {
    let began = start();
    let breaker = Some(breaker::Settings { open_after: 1, ..breaker::Settings::STANDARD });
    let mut queue = Queue::new(&Policy { breaker, ..policy(3) }, began);
    queue.push(lease(1), start());
    assert!(queue.hire(began));
    let (_, pass) = queue.take(began).unwrap();
    queue.ended(&pass, Heard::Fails, Duration::ZERO, began);
    queue.give_back(Seq(1));
    let due = began + Duration::from_secs(30);
    let mut waits = [8, 9].map(|seq| queue.watch(Seq(seq), None, due + Duration::from_secs(8), due).unwrap().1);
    assert!(queue.take(due).is_none(), "the worker leaves");
    for seq in [7, 8, 9] {
        queue.push(lease(seq), start());
    }
    assert!(queue.hire(due));
    let (probe, pass) = queue.take(due).unwrap();
    assert!(pass.is_probe());
    assert_eq!(probe.event.seq, Seq(8));
    assert!(waits[0].try_recv().is_err());
    assert_eq!(waits[1].try_recv(), Ok(Waited::NotNow(NotNow::BreakerOpen)));
}

#[test]
fn what_was_waited_for_beyond_the_window_goes_back_to_the_store_and_what_is_waited_for_stays() {
    let (now, mut queue) = (start(), queue(1));
    let until = now + Duration::from_secs(8);
    queue.leased(leases(WINDOW));
    let first = WINDOW as i64;
    let waits: Vec<_> = (first..first + WINDOW as i64 + 2)
        .map(|seq| {
            let (number, told) = queue.watch(Seq(seq), None, until, now).unwrap();
            assert!(queue.push(lease(seq), start()).is_none());
            (Seq(seq), number, told)
        })
        .collect();
    assert_eq!(queue.waiting(), MOST + 2);
    assert!(queue.push(lease(99_999), start()).is_some(), "nobody waits for it");
    let back: Vec<_> = waits.iter().take(5).filter_map(|(seq, number, _)| queue.unwatch(*seq, *number)).collect();
    assert_eq!(back.iter().map(|lease| lease.event.seq.0).collect::<Vec<_>>(), [first, first + 1], "until there are not too many");
    assert!(queue.hire(now));
    assert_eq!(queue.take(now).unwrap().0.event.seq.0, first + 2, "the rest stays where it is");
    drop(waits);
}
