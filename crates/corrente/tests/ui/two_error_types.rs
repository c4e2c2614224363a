//! try_gather of futures with different errors.

async fn io() -> Result<u32, std::io::Error> {
    Ok(1)
}

async fn parse() -> Result<u32, std::num::ParseIntError> {
    "1".parse()
}

fn main() {
    corrente::run(async {
        let _ = corrente::try_gather((io(), parse())).await;
    });
}
