//! Scenarios that have no port, each with its reason. The table in the book's page on conformance says the
//! same; the runner compares the two.

/// Id and reason.
pub const LEFT_OUT: &[(&str, &str)] = &[
    (
        "cancel/self-cancel-then-raise",
        "to `create_task` an `Err` is a value like any other, so returning one after a self-cancel is \
         `cancel/self-cancel-then-return`",
    ),
    (
        "taskgroup/not-entered-and-reentered",
        "a group exists only inside of `TaskGroup::run`: it cannot be used before it is entered, nor be entered twice",
    ),
    (
        "timeouts/single-use",
        "a deadline exists only inside of `timeout_scope`: it cannot be moved before it is entered, nor be entered twice",
    ),
    (
        "timeouts/wait-for-zero",
        "`wait_for` takes every future alike and cannot tell one that is done from one that never began, so with a \
         limit of zero it polls none",
    ),
];

/// The rows of the book's table: the id and the reason between the bars of each line that begins with an id.
pub fn rows_of(page: &str) -> Vec<(String, String)> {
    page.lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.strip_suffix(" |"))
        .filter_map(|line| line.split_once("` | "))
        .filter(|(id, _)| id.contains('/') && !id.contains(' '))
        .map(|(id, reason)| (id.to_owned(), reason.to_owned()))
        .collect()
}
