//! Every rule of the schedule, and what holds for all schedules.

use super::*;
use crate::domain::status_set::StatusSet;
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::from_millis(1_795_386_473_000);
const SECOND: Duration = Duration::from_secs(1);

fn policy(retry: Retry) -> Policy {
    Policy {
        concurrency: 1,
        retry,
        give_up_on: StatusSet::gone(),
        breaker: None,
        order_wait: Duration::ZERO,
        rate_limit: None,
        paused: false,
    }
}

/// Delays of 2, 6, 18, 54, 60, 60 … seconds.
fn even() -> Retry {
    Retry {
        initial_interval: 2 * SECOND,
        multiplier: 3.0,
        max_interval: 60 * SECOND,
        jitter: Jitter::None,
        max_attempts: 15,
        max_elapsed: 3600 * SECOND,
    }
}

fn answered(status: u16, retry_after: Option<&str>) -> SendError {
    SendError::Status { status, response: "".into(), retry_after: retry_after.map(Into::into) }
}

fn first(policy: &Policy, error: &SendError) -> (Next, Run) {
    failed(policy, error, Run::default(), Duration::ZERO)
}

fn failed(policy: &Policy, error: &SendError, run: Run, took: Duration) -> (Next, Run) {
    after(policy, &Failure { error, took, counts: Counts::All, order: None }, run, NOW, 0.5)
}

fn in_seconds(seconds: u64) -> Next {
    Next::RetryAt(NOW.plus(Duration::from_secs(seconds)))
}

#[test]
fn presets_are_those_of_the_contract() {
    let row = |retry: Retry| {
        let secs = |duration: Duration| duration.as_secs();
        (secs(retry.initial_interval), retry.multiplier, secs(retry.max_interval), retry.max_attempts, secs(retry.max_elapsed))
    };
    assert_eq!(row(Retry::FAST), (1, 2.0, 60, 10, 900));
    assert_eq!(row(Retry::STANDARD), (5, 3.0, 3600, 30, 259_200));
    assert_eq!(row(Retry::PATIENT), (30, 2.0, 21_600, 50, 604_800));
    assert_eq!(row(Retry::NONE).3, 1);
    assert!([Retry::FAST, Retry::STANDARD, Retry::PATIENT, Retry::NONE].iter().all(|retry| retry.jitter == Jitter::Full));
}

#[test]
fn where_others_wait_behind_it_an_answer_that_refuses_the_event_is_believed_the_third_time() {
    let order = OrderKey::of("session");
    for (status, order, run, wanted) in [
        (400, order, 2, Some(3)),
        (404, order, 2, Some(3)),
        (409, order, 2, Some(3)),
        (422, order, 2, Some(3)),
        (422, order, 1, None),
        (422, None, 2, None),
        (403, order, 2, None),
        (500, order, 2, None),
    ] {
        let error = &answered(status, None);
        let failure = Failure { error, took: SECOND, counts: Counts::All, order };
        let (next, run) = after(&policy(even()), &failure, Run { attempts: run, elapsed: SECOND }, NOW, 0.5);
        assert_eq!((next == Next::Dead).then_some(run.attempts), wanted, "{status} {order:?}");
    }
    let error = &answered(422, None);
    let failure = Failure { error, took: SECOND, counts: Counts::All, order };
    let once = policy(Retry { max_attempts: 2, ..even() });
    assert_eq!(
        after(&once, &failure, Run { attempts: 1, elapsed: SECOND }, NOW, 0.5).0,
        Next::Dead,
        "a schedule of fewer attempts is kept"
    );
}

#[test]
fn delays_grow_by_the_multiplier_up_to_the_longest() {
    let delays: Vec<_> = (1..=6).map(|failed| even().delay(failed, 0.0).as_secs()).collect();
    assert_eq!(delays, [2, 6, 18, 54, 60, 60]);
}

#[test]
fn jitter_spreads_over_the_whole_the_upper_half_or_not_at_all() {
    let delay = |jitter, random| Retry { jitter, ..even() }.delay(3, random).as_secs_f64();
    for (jitter, low, middle, high) in [(Jitter::Full, 0.0, 9.0, 18.0), (Jitter::Equal, 9.0, 13.5, 18.0), (Jitter::None, 18.0, 18.0, 18.0)]
    {
        assert_eq!([delay(jitter, 0.0), delay(jitter, 0.5), delay(jitter, 1.0)], [low, middle, high], "{jitter:?}");
    }
}

#[test]
fn any_failure_but_those_to_give_up_on_is_tried_again() {
    let policy = policy(even());
    let failures = [
        answered(500, None),
        answered(404, None),
        answered(301, None),
        answered(204, None),
        SendError::Timeout(SECOND),
        SendError::Dns { host: "x".into(), cause: "y".into() },
        SendError::Connect("x".into()),
        SendError::Tls("x".into()),
        SendError::Protocol("x".into()),
    ];
    for failure in failures {
        assert_eq!(first(&policy, &failure).0, in_seconds(2), "{failure}");
    }
    assert_eq!(first(&policy, &answered(410, None)).0, Next::Dead);
    assert_eq!(first(&policy, &answered(410, Some("5"))).0, Next::Dead);
}

#[test]
fn a_run_ends_with_its_last_attempt() {
    let policy = policy(Retry { max_attempts: 3, ..even() });
    let mut run = Run::default();
    let mut nexts = Vec::new();
    for _ in 0..3 {
        let next;
        (next, run) = failed(&policy, &answered(500, None), run, Duration::ZERO);
        nexts.push(next);
    }
    assert_eq!(nexts, [in_seconds(2), in_seconds(6), Next::Dead]);
    assert_eq!(run, Run { attempts: 3, elapsed: 8 * SECOND });
}

#[test]
fn attempts_and_delays_add_up_to_what_has_elapsed() {
    let policy = policy(even());
    let (_, run) = failed(&policy, &answered(500, None), Run { attempts: 1, elapsed: 10 * SECOND }, 3 * SECOND);
    assert_eq!(run, Run { attempts: 2, elapsed: 19 * SECOND });
}

#[test]
fn a_run_that_has_lasted_its_time_ends_with_its_next_failure() {
    let policy = policy(Retry { max_elapsed: 20 * SECOND, ..even() });
    let next = |elapsed| failed(&policy, &answered(500, None), Run { attempts: 1, elapsed }, SECOND).0;
    assert_eq!(next(18 * SECOND), in_seconds(6));
    assert_eq!(next(19 * SECOND), Next::Dead);
}

#[test]
fn even_without_any_time_there_is_one_attempt_and_no_second() {
    let policy = policy(Retry { max_elapsed: Duration::ZERO, ..even() });
    assert_eq!(first(&policy, &answered(500, None)).0, Next::Dead);
}

#[test]
fn the_longer_of_schedule_and_retry_after_counts_up_to_an_hour() {
    let policy = policy(even());
    for (text, wanted) in [
        ("0", 2),
        ("1", 2),
        ("2", 2),
        ("7", 7),
        (" 7 ", 7),
        ("3600", 3600),
        ("3601", 3600),
        ("99999999999999999999999", 3600),
        ("-7", 2),
        ("7.5", 2),
        ("soon", 2),
        ("", 2),
        ("Sun, 22 Nov 2026 22:28:23 GMT", 30),
        ("Sunday, 22-Nov-26 22:28:23 GMT", 30),
        ("Sun Nov 22 22:28:23 2026", 30),
        ("Sun, 22 Nov 2026 22:27:54 GMT", 2),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 2),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600),
        ("Sun, 99 Nov 2026 22:28:23 GMT", 2),
    ] {
        for status in [503, 429, 404, 301, 204] {
            assert_eq!(first(&policy, &answered(status, Some(text))).0, in_seconds(wanted), "{status} {text:?}");
        }
    }
    for (status, elapsed) in [(503, 0), (429, 0), (404, 7)] {
        let (_, run) = first(&policy, &answered(status, Some("7")));
        assert_eq!(run.elapsed, elapsed * SECOND, "{status}: the time in which the lane is held is not the delivery's");
    }
    assert_eq!(first(&policy, &answered(503, Some("1"))).1.elapsed, SECOND);
}

#[test]
fn only_429_and_503_hold_a_lane() {
    for (status, seconds) in [(429, 7), (503, 7), (404, 0), (500, 0), (301, 0)] {
        assert_eq!(hold(&answered(status, Some("7")), NOW), seconds * SECOND, "{status}");
    }
    assert_eq!(hold(&answered(429, None), NOW), Duration::ZERO);
    assert_eq!(hold(&answered(429, Some("99999")), NOW), 3600 * SECOND);
    assert_eq!(hold(&SendError::Timeout(SECOND), NOW), Duration::ZERO);
}

#[test]
fn behind_an_open_breaker_the_delay_does_not_count_and_a_probe_does_not_at_all() {
    let policy = policy(Retry { max_attempts: 3, ..even() });
    let run = Run { attempts: 1, elapsed: 10 * SECOND };
    let of = |counts, run| after(&policy, &Failure { error: &answered(500, None), took: 4 * SECOND, counts, order: None }, run, NOW, 0.5);
    assert_eq!(of(Counts::Attempt, run), (in_seconds(6), Run { attempts: 2, elapsed: 14 * SECOND }));
    assert_eq!(of(Counts::Nothing, run), (in_seconds(6), run));
    let last = Run { attempts: 2, elapsed: 99_999 * SECOND };
    assert_eq!(of(Counts::Nothing, last), (in_seconds(18), last), "a probe ends no run");
    assert_eq!(of(Counts::Attempt, last).0, Next::Dead);
    let gone = Failure { error: &answered(410, None), took: SECOND, counts: Counts::Nothing, order: None };
    assert_eq!(after(&policy, &gone, run, NOW, 0.5).0, Next::Dead, "an answer to give up on counts in a probe too");
    let once = self::policy(Retry { max_attempts: 1, ..even() });
    let probe = Failure { error: &answered(500, None), took: SECOND, counts: Counts::Nothing, order: None };
    assert_eq!(after(&once, &probe, Run::default(), NOW, 0.5).0, Next::Dead, "who wants one attempt gets no second");
}

#[test]
fn the_end_of_time_is_not_passed() {
    let policy = policy(Retry { max_interval: Duration::MAX, initial_interval: Duration::MAX, max_elapsed: Duration::MAX, ..even() });
    let end = Timestamp::from_millis(i64::MAX);
    let run = Run { attempts: 5, elapsed: Duration::MAX - SECOND };
    let failure = Failure { error: &answered(500, None), took: Duration::ZERO, counts: Counts::All, order: None };
    assert_eq!(after(&policy, &failure, run, end, 1.0).0, Next::RetryAt(end));
}

fn any_retry() -> impl Strategy<Value = Retry> {
    let millis = || prop_oneof![0..10_000u64, Just(u64::MAX), any::<u64>()].prop_map(Duration::from_millis);
    let jitter = prop_oneof![Just(Jitter::Full), Just(Jitter::Equal), Just(Jitter::None)];
    let multiplier = prop_oneof![1.0..10.0f64, Just(1e300), Just(f64::INFINITY)];
    (millis(), multiplier, millis(), jitter, any::<u32>(), millis()).prop_map(
        |(initial_interval, multiplier, max_interval, jitter, max_attempts, max_elapsed)| Retry {
            initial_interval,
            multiplier,
            max_interval,
            jitter,
            max_attempts,
            max_elapsed,
        },
    )
}

proptest! {
    #[test]
    fn a_delay_is_within_its_bounds(retry in any_retry(), failed: u32, random in 0.0..=1.0f64) {
        let delay = retry.delay(failed, random);
        let full = Retry { jitter: Jitter::None, ..retry }.delay(failed, 0.0);
        prop_assert!(delay <= full && full <= retry.max_interval);
        if retry.jitter == Jitter::Equal {
            prop_assert!(delay.as_secs_f64() >= full.as_secs_f64() * 0.499);
        }
    }

    #[test]
    fn without_jitter_no_delay_is_shorter_than_the_one_before(retry in any_retry(), failed in 1..u32::MAX) {
        let even = Retry { jitter: Jitter::None, ..retry };
        prop_assert!(even.delay(failed, 0.0) <= even.delay(failed + 1, 0.0));
    }

    #[test]
    fn there_is_no_retry_beyond_the_limits(
        retry in any_retry(), attempts: u32, elapsed: u64, took: u64, millis: i64, random in 0.0..=1.0f64, status in 100..600u16,
    ) {
        let policy = policy(retry);
        let before = Run { attempts, elapsed: Duration::from_millis(elapsed) };
        let took = Duration::from_millis(took);
        let now = Timestamp::from_millis(millis);
        let failure = Failure { error: &answered(status, Some("30")), took, counts: Counts::All, order: None };
        let (next, run) = after(&policy, &failure, before, now, random);
        prop_assert_eq!(run.attempts, attempts.saturating_add(1));
        prop_assert!(run.elapsed >= before.elapsed.saturating_add(took));
        let over = run.attempts >= retry.max_attempts || before.elapsed.saturating_add(took) >= retry.max_elapsed || status == 410;
        match next {
            Next::Dead => prop_assert!(over),
            Next::RetryAt(at) => prop_assert!(!over && at >= now),
            Next::Delivered => prop_assert!(false, "a failure delivers nothing"),
        }
    }
}
