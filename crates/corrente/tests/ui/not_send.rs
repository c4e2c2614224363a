//! A task holds something over an await that may not leave its thread.

use std::rc::Rc;

fn main() {
    corrente::run(async {
        let task = corrente::create_task(async {
            let local = Rc::new(1);
            corrente::yield_now().await;
            *local
        });
        task.await
    });
}
