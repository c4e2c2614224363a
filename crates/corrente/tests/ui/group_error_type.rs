//! A child whose error cannot become the group's.

struct NoError;

fn main() {
    corrente::run(async {
        let _ = corrente::TaskGroup::run(async |group| {
            group.create_task(async { Err::<(), NoError>(NoError) });
        })
        .await;
    });
}
