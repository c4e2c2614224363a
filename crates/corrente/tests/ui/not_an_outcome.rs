//! A child of a group returns a type that is not known to be a value or an error.

struct Mine;

fn main() {
    corrente::run(async {
        let _ = corrente::TaskGroup::run(async |group| {
            group.create_task(async { Mine });
        })
        .await;
    });
}
