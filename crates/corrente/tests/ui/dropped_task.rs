//! A task whose result nobody will see.
#![deny(unused_must_use)]

async fn work() -> Result<u32, std::io::Error> {
    Ok(1)
}

fn main() {
    corrente::run(async {
        corrente::create_task(work());
    });
}
