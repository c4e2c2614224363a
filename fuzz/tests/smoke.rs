//! Each target for a moment, with a seed that is always the same; and whether a mistake would be found at all.

use corrente_fuzz::{TARGETS, Target, from_hex, hex, hunt, try_out};
use std::process::Command;

#[test]
fn no_target_disagrees_for_a_moment() {
    let fuzz = Command::new(env!("CARGO_BIN_EXE_corrente-fuzz"))
        .args(["--inputs", "6000", "--seed", "7"])
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&fuzz.stdout);
    assert!(fuzz.status.success(), "{printed}");
    let targets = TARGETS.len();
    let closing = format!("fuzz: {targets} targets, {} inputs, no disagreement", targets * 6000);
    assert_eq!(printed.lines().last(), Some(&*closing));
}

#[test]
fn a_failing_input_is_found_made_small_and_fails_again() {
    let run =
        |input: &[u8]| assert!(!input.windows(2).any(|two| two[0] > 200 && two[1] < 9), "two");
    let target = Target { name: "two", what: "a large byte before a small one", run };
    let failure = hunt(&target, 1, |number, _| number < 100_000).unwrap_err();
    assert_eq!((failure.input.len(), failure.input[1]), (2, 0), "{failure:?}");
    let again = from_hex(&hex(&failure.input)).unwrap();
    assert_eq!(try_out(&target, &again), Err("two".to_owned()));
    assert_eq!(hunt(&target, 1, |_, _| true), Err(failure), "a seed says it all");
}

#[test]
fn what_is_no_input_is_refused() {
    for text in ["f", "fg", "é0"] {
        assert_eq!(from_hex(text), None, "{text}");
    }
    assert_eq!(from_hex("00ff"), Some(vec![0, 255]));
}
