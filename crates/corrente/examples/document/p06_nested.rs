//! A future may be awaited through a task, or directly.
use corrente::create_task;

async fn nested() -> u32 {
    42
}

pub fn main() {
    corrente::run(async {
        let task = create_task(nested());
        println!("{}", task.await);
        println!("{}", nested().await);
    });
}
