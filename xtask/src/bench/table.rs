//! The results as tables for a terminal.

use super::results::{OURS, REFERENCE, Results};
use super::rows::{BESIDE, Bar, Better, METRICS, Row, Source};

/// Both tables: the metrics, and what is reported beside them. Rows that were not sampled are left out.
pub fn render(results: &Results) -> String {
    let mut text = section("metrics", METRICS, results, true);
    text.push_str(&section("beside the mean", BESIDE, results, false));
    text
}

fn section(title: &str, rows: &[Row], results: &Results, with_cpu: bool) -> String {
    let sampled = |row: &&Row| row.workloads().all(|workload| results.has_workload(workload));
    let rows: Vec<&Row> = rows.iter().filter(sampled).collect();
    if rows.is_empty() {
        return String::new();
    }
    let ours = results.runtimes.iter().any(|name| name == OURS);
    let mut header = vec![title.to_owned(), "unit".to_owned()];
    header.extend(results.runtimes.iter().cloned());
    if ours {
        header.extend(with_cpu.then(|| "cpu".to_owned()));
        header.extend(["bar".to_owned(), String::new()]);
    }
    let mut table = vec![header];
    for row in rows {
        let mut cells = vec![row.name.to_owned(), unit(row)];
        cells.extend(results.runtimes.iter().map(|runtime| cell(row, runtime, results)));
        if ours {
            cells.extend(with_cpu.then(|| cpu_ratio(row, results)));
            cells.push(bar(row));
            cells.push(verdict(row, results));
        }
        table.push(cells);
    }
    align(&table)
}

/// The unit, with an arrow where more is better.
pub fn unit(row: &Row) -> String {
    match row.better {
        Better::Lower => row.unit.to_owned(),
        Better::Higher => format!("{} ↑", row.unit),
    }
}

/// `median` for the reference, `median ×ratio (least–greatest ratio)` for the others.
fn cell(row: &Row, runtime: &str, results: &Results) -> String {
    let Some(value) = results.value(row.source, runtime) else { return "–".to_owned() };
    let value = number(value.median);
    match results.ratio(row.source, runtime) {
        Some(ratio) if runtime != REFERENCE => format!("{value} {}", ratio),
        _ => value,
    }
}

/// Our ratio of CPU time per operation: a win that was bought with the other core shows here.
fn cpu_ratio(row: &Row, results: &Results) -> String {
    let Source::Figure(workload, key) = row.source else { return String::new() };
    if key.starts_with("cpu") {
        return String::new();
    }
    let cpu = ["cpu_ns", "cpu_ms"].iter().find_map(|key| results.ratio_of_key(workload, key, OURS));
    cpu.map_or(String::new(), |ratio| format!("×{:.2}", ratio.median))
}

/// What must be reached.
pub fn bar(row: &Row) -> String {
    let sign = match row.better {
        Better::Lower => '≤',
        Better::Higher => '≥',
    };
    match row.bar {
        Bar::Ratio(ratio) => format!("{sign} ×{ratio:.2}"),
        Bar::Value(value) => format!("{sign} {} {}", number(value), row.unit),
        Bar::None => String::new(),
    }
}

fn verdict(row: &Row, results: &Results) -> String {
    let value = results.value(row.source, OURS).map(|value| value.median);
    let ratio = results.ratio(row.source, OURS).map(|ratio| ratio.median);
    match row.meets_bar(value, ratio) {
        Some(true) => "met".to_owned(),
        Some(false) => "MISSED".to_owned(),
        None => String::new(),
    }
}

/// Three significant digits, or all digits before the point.
pub fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100_000.0 => format!("{:.0}k", value / 1000.0),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Columns as wide as their widest cell: the first to the left, the others to the right.
pub fn align(table: &[Vec<String>]) -> String {
    let columns = table.first().map_or(0, Vec::len);
    let width =
        |column: usize| table.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in table {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let gap = width - cell.chars().count();
            let left = column == 0 || column == 1;
            let (before, after) = if left { (0, gap) } else { (gap, 0) };
            line.push_str(&" ".repeat(before));
            line.push_str(cell);
            line.push_str(&" ".repeat(after + 2));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_digits() {
        let shown: Vec<String> =
            [0.123, 9.996, 12.34, 123.4, 71_156.0, 144_000.0].map(number).into();
        assert_eq!(shown, ["0.12", "10.00", "12.3", "123", "71156", "144k"]);
    }

    #[test]
    fn columns_line_up() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let text = align(&[row(["metric", "unit", "tokio"]), row(["a", "µs", "×1.00"])]);
        assert_eq!(text, "metric  unit  tokio\na       µs    ×1.00\n\n");
    }
}
