//! A task borrows a local of its creator, which it may outlive.

fn main() {
    corrente::run(async {
        let text = String::from("text");
        let task = corrente::create_task(async { text.len() });
        task.await
    });
}
