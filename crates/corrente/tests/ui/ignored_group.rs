//! The errors of a group are thrown away.
#![deny(unused_must_use)]

fn main() {
    corrente::run(async {
        corrente::TaskGroup::run(async |group| {
            group.create_task(async {});
        })
        .await;
    });
}
