//! The table in `state.rs` is what the code does.

#[test]
fn the_documented_table_is_the_code() {
    let source = include_str!("../src/state.rs");
    let documented: Vec<String> = source
        .lines()
        .skip_while(|line| !line.starts_with("//! state "))
        .skip(1)
        .take_while(|line| !line.starts_with("//! ```"))
        .map(|line| squeeze(line.trim_start_matches("//!")))
        .collect();
    let printed: Vec<String> =
        corrente_task::table::lines().iter().map(|line| squeeze(line)).collect();
    assert_eq!(
        documented,
        printed,
        "the code prints:\n{}",
        corrente_task::table::lines().join("\n")
    );
}

fn squeeze(line: &str) -> String {
    line.split('|').map(str::trim).collect::<Vec<_>>().join(" | ")
}
