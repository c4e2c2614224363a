//! A task with a value is detached, and the value would be lost.

fn main() {
    corrente::run(async {
        corrente::create_task(async { 42 }).detach();
    });
}
