//! Who is told what, step by step.

use super::*;
use crate::domain::clock::Clock;
use std::time::Duration;

#[test]
fn everyone_who_waits_for_a_delivery_is_told_once_and_nobody_else() {
    let (mut watchers, until) = (Watchers::default(), Clock::system().instant());
    let (_, mut first) = watchers.add(Seq(1), None, until);
    let (_, mut second) = watchers.add(Seq(1), None, until);
    let (_, mut other) = watchers.add(Seq(2), None, until);
    watchers.tell(Seq(1), Waited::Confirmed);
    watchers.tell(Seq(1), Waited::Failed);
    assert_eq!((first.try_recv(), second.try_recv()), (Ok(Waited::Confirmed), Ok(Waited::Confirmed)));
    assert!(other.try_recv().is_err() && watchers.has(Seq(2)) && !watchers.has(Seq(1)));
}

#[test]
fn who_goes_away_leaves_the_others_waiting_and_the_last_one_leaves_nothing() {
    let (mut watchers, until) = (Watchers::default(), Clock::system().instant());
    let ((one, _gone), (two, mut stays)) = (watchers.add(Seq(1), None, until), watchers.add(Seq(1), None, until));
    watchers.remove(Seq(1), one);
    assert!(watchers.has(Seq(1)));
    watchers.refuse(|_, _| None);
    assert!(stays.try_recv().is_err());
    watchers.remove(Seq(1), two);
    watchers.remove(Seq(1), two);
    assert!(!watchers.has(Seq(1)) && watchers.of.is_empty());
}

#[test]
fn of_those_who_wait_for_one_delivery_only_those_are_refused_who_cannot_wait_so_long() {
    let (mut watchers, now) = (Watchers::default(), Clock::system().instant());
    let second = Duration::from_secs(1);
    let ((_, mut hasty), (_, mut patient)) = (watchers.add(Seq(1), None, now + second), watchers.add(Seq(1), None, now + 3 * second));
    watchers.refuse(|_, until| (until < now + 2 * second).then_some(NotNow::Held));
    assert_eq!(hasty.try_recv(), Ok(Waited::NotNow(NotNow::Held)));
    assert!(patient.try_recv().is_err());
    watchers.refuse(|_, _| Some(NotNow::Paused));
    assert_eq!(patient.try_recv(), Ok(Waited::NotNow(NotNow::Paused)));
    assert!(watchers.of.is_empty());
}
