//! The future of a gather is thrown away.
#![deny(unused_must_use)]

fn main() {
    corrente::run(async {
        corrente::gather((async { 1 }, async { 2 }));
    });
}
