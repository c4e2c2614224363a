//! Calling an async function does not run its body: it must be awaited, or made a task.

async fn greet() {
    println!("this is never printed");
}

pub fn main() {
    corrente::run(async {
        drop(greet());
        println!("the body of greet never ran");
    });
}
