//! `#[corrente::main]` and `#[corrente::test]`.

use std::time::Duration;

#[corrente::test]
async fn a_test_runs_in_a_runtime() {
    assert!(corrente::get_running_loop().is_ok());
}

#[corrente::test(workers = 1)]
async fn options_are_taken() -> Result<(), corrente::Error> {
    assert_eq!(corrente::get_running_loop()?.metrics().workers.len(), 1);
    Ok(())
}

#[corrente::test(fifo, virtual_time)]
async fn an_hour_takes_no_time() -> Result<(), std::num::ParseIntError> {
    corrente::sleep(Duration::from_secs(3600)).await;
    assert_eq!(corrente::get_running_loop().map(|l| l.time().as_secs()), Ok("3600".parse()?));
    Ok(())
}

mod program {
    #[corrente::main(workers = 2)]
    pub(super) async fn main() -> u32 {
        42
    }
}

#[test]
fn main_returns_what_the_function_returns() {
    assert_eq!(program::main(), 42);
}
