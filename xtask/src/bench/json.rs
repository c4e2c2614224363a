//! Every sample as JSON, for whoever wants to compute further.

use super::results::Results;
use serde_json::{Map, Value, json};

/// The run: machine, rounds, closing line, failures, and each sample with its figures.
pub fn render(results: &Results, machine: &str, closing: &str) -> String {
    let sample =
        |(runtime, workload, round, sample): (&str, &str, usize, &super::sampler::Sample)| {
            let figures: Map<String, Value> =
                sample.figures.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
            json!({
                "runtime": runtime,
                "workload": workload,
                "round": round,
                "retries": sample.retries,
                "stolen": sample.disturbance.stolen,
                "others": sample.disturbance.others,
                "figures": figures,
            })
        };
    let failure = |(runtime, workload, reason): &(String, String, String)| json!({ "runtime": runtime, "workload": workload, "reason": reason });
    let run = json!({
        "machine": machine,
        "rounds": results.rounds,
        "closing": closing,
        "failures": results.failures.iter().map(failure).collect::<Vec<_>>(),
        "samples": results.samples().map(sample).collect::<Vec<_>>(),
    });
    format!("{run:#}\n")
}
