//! A cancel is caught and forgotten.
#![deny(unused_must_use)]

fn main() {
    corrente::run(async {
        corrente::catch_cancel(corrente::yield_now()).await;
    });
}
