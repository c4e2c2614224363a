//! An iterator is gathered as it is.

fn main() {
    corrente::run(async {
        let _ = corrente::gather((0..3).map(|n| async move { n })).await;
    });
}
