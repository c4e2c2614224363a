//! The results as one HTML page that stands alone: charts, then every figure.

use super::results::{OURS, REFERENCE, Results, Spread};
use super::rows::{BESIDE, Bar, METRICS, Row};
use super::svg::{self, Advantage, class, escape};
use super::table::{bar, number, unit};
use std::fmt::Write;

const PERCENTILES: &[(&str, &str)] = &[
    ("p50", "p50_us"),
    ("p90", "p90_us"),
    ("p99", "p99_us"),
    ("p99.9", "p999_us"),
    ("max", "max_us"),
];

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #212529; --faint: #868e96; --grid: #dee2e6; --page: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e9ecef; --faint: #adb5bd; --grid: #343a40; --page: #15181b; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page);
       max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.5rem; }
p.note { color: var(--faint); }
svg { width: 100%; height: auto; display: block; }
svg text { font-size: 11px; fill: var(--ink); }
.small { display: grid; grid-template-columns: repeat(auto-fill, minmax(19rem, 1fr)); gap: 1rem; }
.grid { stroke: var(--grid); } .axis { stroke: var(--ink); } .range { stroke: var(--ink); stroke-width: 1.2; }
.goal { stroke: var(--ink); stroke-width: 2; stroke-dasharray: 2 2; }
.curve { fill: none; stroke-width: 2; }
.c-corrente { fill: #e8590c; stroke: #e8590c; } .c-tokio { fill: #1c7ed6; stroke: #1c7ed6; }
.c-tokio-ct { fill: #9c36b5; stroke: #9c36b5; } .c-smol { fill: #2f9e44; stroke: #2f9e44; }
.c-limits { fill: #868e96; stroke: #868e96; }
svg polyline.curve { fill: none; }
.key span { display: inline-block; margin-right: 1.2rem; }
.key svg { display: inline-block; width: 12px; height: 12px; margin-right: .35rem; vertical-align: -1px; }
table { border-collapse: collapse; font-size: 13px; width: 100%; }
.scroll { overflow-x: auto; }
td, th { padding: .15rem .5rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--grid); }
td:first-child, th:first-child { text-align: left; }
td small { color: var(--faint); } .missed { color: #e03131; font-weight: 600; }
";

/// The page.
pub fn render(results: &Results, machine: &str, footnote: &str) -> String {
    let mut page = String::new();
    let mut add = |part: &str| page.push_str(part);
    add("<!doctype html>\n<html lang='en'>\n<meta charset='utf-8'>\n");
    add("<meta name='viewport' content='width=device-width, initial-scale=1'>\n");
    add(&format!("<title>corrente: bench</title>\n<style>{STYLE}</style>\n"));
    add("<h1>corrente beside tokio and smol</h1>\n");
    add(&format!("<p>{}</p>\n", escape(&results.closing_line())));
    add(&format!("<p class='note'>{}</p>\n", escape(footnote)));
    add(&key(results));
    add(&advantage_chart(results));
    add(&latency_charts(results));
    add(&memory_charts(results));
    add(&row_table("The metrics", METRICS, results));
    add(&row_table("Beside the mean", BESIDE, results));
    add(&every_figure(results));
    add(&format!("<p class='note'>{}</p>\n</html>\n", escape(machine)));
    page
}

/// Which colour is which runtime.
fn key(results: &Results) -> String {
    let entry = |runtime: &String| {
        let class = class(runtime);
        let name = escape(runtime);
        format!(
            "<span><svg viewBox='0 0 1 1'><rect class='{class}' width='1' height='1'/></svg>{name}</span>"
        )
    };
    let entries: String = results.runtimes.iter().map(entry).collect();
    format!("<p class='key'>{entries}</p>\n")
}

fn advantage_chart(results: &Results) -> String {
    let shown = |runtime: &&String| *runtime != REFERENCE && *runtime != "limits";
    let bars = |row: &Row| -> Vec<Advantage> {
        let bar = |runtime: &String| {
            let Spread { median, min, max } = results.ratio(row.source, runtime)?;
            let (a, b) = (row.advantage(min), row.advantage(max));
            let range = (a.min(b), a.max(b));
            Some(Advantage { runtime: runtime.clone(), middle: row.advantage(median), range })
        };
        results.runtimes.iter().filter(shown).filter_map(bar).collect()
    };
    let goal = |row: &Row| match row.bar {
        Bar::Ratio(ratio) => Some(row.advantage(ratio)),
        _ => None,
    };
    let rows: Vec<_> = METRICS
        .iter()
        .map(|row| (row.name.to_owned(), bars(row), goal(row)))
        .filter(|(_, bars, _)| !bars.is_empty())
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    format!(
        "<h2>How many times better than {REFERENCE}</h2>\n<p class='note'>Logarithmic; to the right of 1× is better, for \
         times and rates alike. Thin lines: range over the rounds. Dashed: what {OURS} is held to.</p>\n{}",
        svg::advantages(&rows)
    )
}

fn latency_charts(results: &Results) -> String {
    let mut charts = String::new();
    for (workload, _) in &results.workloads {
        let curve = |runtime: &String| {
            let median = |key| Some(results.value_of_key(workload, key, runtime)?.median);
            let values: Option<Vec<f64>> = PERCENTILES.iter().map(|(_, key)| median(key)).collect();
            Some((runtime.clone(), values?))
        };
        let curves: Vec<_> = results.runtimes.iter().filter_map(curve).collect();
        if !curves.is_empty() {
            let names: Vec<&str> = PERCENTILES.iter().map(|(name, _)| *name).collect();
            charts.push_str(&format!(
                "<div>{}</div>\n",
                svg::latency_curves(workload, &names, &curves)
            ));
        }
    }
    if charts.is_empty() {
        return charts;
    }
    format!(
        "<h2>Latencies</h2>\n<p class='note'>Medians over the rounds of each percentile, logarithmic; lower is better.</p>\n\
         <div class='small'>\n{charts}</div>\n"
    )
}

fn memory_charts(results: &Results) -> String {
    let group = |name: &str, workload: &str, key: &str| {
        let bar = |runtime: &String| {
            Some((runtime.clone(), results.value_of_key(workload, key, runtime)?.median))
        };
        let bars: Vec<_> = results.runtimes.iter().filter_map(bar).collect();
        (!bars.is_empty()).then(|| (name.to_owned(), bars))
    };
    let tasks: Vec<_> =
        [("an idle task", "idle_task_bytes"), ("a sleeping task", "sleeping_task_bytes")]
            .iter()
            .filter_map(|(name, workload)| group(name, workload, "bytes"))
            .collect();
    let peaks: Vec<_> = ["spawn_join", "burst", "tree", "timers", "echo_1000", "accept"]
        .iter()
        .filter_map(|workload| group(workload, workload, "peak_mib"))
        .collect();
    let mut text = String::new();
    if !tasks.is_empty() {
        text.push_str(&format!(
            "<h2>Memory of a task that waits</h2>\n{}",
            svg::plain_bars(&tasks, "bytes")
        ));
    }
    if !peaks.is_empty() {
        text.push_str(&format!(
            "<h2>Peak memory of the process</h2>\n{}",
            svg::plain_bars(&peaks, "MiB")
        ));
    }
    text
}

fn row_table(title: &str, rows: &[Row], results: &Results) -> String {
    let mut body = String::new();
    for row in rows {
        if !row.workloads().all(|workload| results.has_workload(workload)) {
            continue;
        }
        let value = results.value(row.source, OURS).map(|value| value.median);
        let ratio = results.ratio(row.source, OURS).map(|ratio| ratio.median);
        let class = if row.meets_bar(value, ratio) == Some(false) { " class='missed'" } else { "" };
        let cells: String = results
            .runtimes
            .iter()
            .map(|runtime| {
                cell(
                    results.value(row.source, runtime),
                    results.ratio(row.source, runtime),
                    runtime,
                )
            })
            .collect();
        let (name, unit, bar) = (escape(row.name), unit(row), bar(row));
        let _ =
            writeln!(body, "<tr><td>{name}</td><td>{unit}</td><td{class}>{bar}</td>{cells}</tr>");
    }
    table(title, &["unit", "bar"], &body, results)
}

fn every_figure(results: &Results) -> String {
    let mut text = String::from("<h2>Every figure</h2>\n");
    for (workload, operation) in &results.workloads {
        let mut body = String::new();
        for key in results.keys(workload) {
            let cell_of = |runtime: &String| {
                let value = results.value_of_key(workload, &key, runtime);
                cell(value, results.ratio_of_key(workload, &key, runtime), runtime)
            };
            let cells: String = results.runtimes.iter().map(cell_of).collect();
            let _ = writeln!(body, "<tr><td>{}</td>{cells}</tr>", escape(&key));
        }
        let summary = format!("{}: {}", escape(workload), escape(operation));
        let table = table("", &[], &body, results);
        let _ = writeln!(text, "<details><summary>{summary}</summary>\n{table}</details>");
    }
    text
}

fn table(title: &str, columns: &[&str], body: &str, results: &Results) -> String {
    if body.is_empty() {
        return String::new();
    }
    let title = if title.is_empty() { String::new() } else { format!("<h2>{title}</h2>\n") };
    let head = columns.iter().copied().chain(results.runtimes.iter().map(String::as_str));
    let head: String = head.map(|name| format!("<th>{}</th>", escape(name))).collect();
    format!("{title}<div class='scroll'><table>\n<tr><th></th>{head}</tr>\n{body}</table></div>\n")
}

/// Median with its range; beneath it the ratio with its own. A single round has no range.
fn cell(value: Option<Spread>, ratio: Option<Spread>, runtime: &str) -> String {
    let Some(value) = value else { return "<td>–</td>".to_owned() };
    let small = |from: String, to: String| {
        if from == to { String::new() } else { format!(" <small>{from}–{to}</small>") }
    };
    let range = small(number(value.min), number(value.max));
    let ratio = match ratio {
        Some(ratio) if runtime != REFERENCE => {
            let range = small(format!("{:.2}", ratio.min), format!("{:.2}", ratio.max));
            format!("<br>×{:.2}{range}", ratio.median)
        }
        _ => String::new(),
    };
    format!("<td>{}{range}{ratio}</td>", number(value.median))
}
