//! Charts as inline SVG: bars around 1×, curves over percentiles, plain bars. No scripts, no outside files.

use std::fmt::Write;

/// One series' colour, as a class of the page's style sheet.
pub fn class(runtime: &str) -> &'static str {
    match runtime {
        "corrente" => "c-corrente",
        "tokio" => "c-tokio",
        "tokio_ct" => "c-tokio-ct",
        "smol" => "c-smol",
        _ => "c-limits",
    }
}

/// Text made safe for HTML and SVG.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// An SVG being drawn.
struct Drawing {
    body: String,
    width: f64,
}

impl Drawing {
    fn new(width: f64) -> Self {
        Drawing { body: String::new(), width }
    }

    fn add(&mut self, element: std::fmt::Arguments<'_>) {
        self.body.write_fmt(element).expect("a String takes all");
        self.body.push('\n');
    }

    fn text(&mut self, x: f64, y: f64, anchor: &str, text: &str) {
        let text = escape(text);
        self.add(format_args!("<text x='{x:.1}' y='{y:.1}' text-anchor='{anchor}'>{text}</text>"));
    }

    fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.add(format_args!(
            "<line class='{class}' x1='{x1:.1}' y1='{y1:.1}' x2='{x2:.1}' y2='{y2:.1}'/>"
        ));
    }

    /// A bar with a hint that shows when the pointer rests on it.
    fn bar(&mut self, class: &str, from: (f64, f64), size: (f64, f64), hint: &str) {
        let ((x, y), (width, height)) = (from, size);
        let hint = escape(hint);
        self.add(format_args!(
            "<rect class='{class}' x='{x:.1}' y='{y:.1}' width='{width:.1}' height='{height:.1}'>\
             <title>{hint}</title></rect>"
        ));
    }

    fn finish(self, height: f64, label: &str) -> String {
        let (width, body, label) = (self.width, self.body, escape(label));
        format!(
            "<svg role='img' aria-label='{label}' viewBox='0 0 {width:.0} {height:.0}' \
             style='max-width:{width:.0}px'>\n{body}</svg>\n"
        )
    }
}

/// A bar of [`advantages`]: how many times better than the reference, with its range.
pub struct Advantage {
    /// Whose.
    pub runtime: String,
    /// The middle.
    pub middle: f64,
    /// The worst and the best round.
    pub range: (f64, f64),
}

/// Bars that grow to the right of 1× where a runtime is better than the reference, to the left where it is worse, on a
/// logarithmic scale. A row is a name, its bars, and the place of its goal.
pub fn advantages(rows: &[(String, Vec<Advantage>, Option<f64>)]) -> String {
    const LEFT: f64 = 190.0;
    const WIDTH: f64 = 620.0;
    const BAR: f64 = 9.0;
    let (least, greatest) = (1.0 / 8.0f64, 64.0f64);
    let place = |advantage: f64| {
        let share = (advantage.clamp(least, greatest) / least).ln() / (greatest / least).ln();
        LEFT + share * WIDTH
    };
    let mut drawing = Drawing::new(LEFT + WIDTH + 60.0);
    let height = |bars: usize| bars as f64 * BAR + 8.0;
    let bottom = 24.0 + rows.iter().map(|(_, bars, _)| height(bars.len())).sum::<f64>();
    for power in -3..=6 {
        let advantage = 2f64.powi(power);
        let x = place(advantage);
        let class = if power == 0 { "axis" } else { "grid" };
        drawing.line(class, (x, 18.0), (x, bottom));
        let label = if power < 0 {
            format!("1/{:.0}×", 1.0 / advantage)
        } else {
            format!("{advantage:.0}×")
        };
        drawing.text(x, 12.0, "middle", &label);
    }
    let mut y = 24.0;
    for (name, bars, goal) in rows {
        let row = height(bars.len());
        drawing.text(LEFT - 10.0, y + row / 2.0, "end", name);
        for (index, bar) in bars.iter().enumerate() {
            let top = y + index as f64 * BAR;
            let (from, to) = (place(1.0).min(place(bar.middle)), place(1.0).max(place(bar.middle)));
            let (worst, best) = bar.range;
            let hint =
                format!("{name}, {}: {:.2}× ({worst:.2}–{best:.2})", bar.runtime, bar.middle);
            let size = ((to - from).max(1.0), BAR - 2.0);
            drawing.bar(class(&bar.runtime), (from, top), size, &hint);
            let middle = top + (BAR - 2.0) / 2.0;
            drawing.line("range", (place(worst), middle), (place(best), middle));
        }
        if let Some(goal) = goal {
            drawing.line("goal", (place(*goal), y - 2.0), (place(*goal), y + row - 6.0));
        }
        y += row;
    }
    drawing.finish(bottom + 6.0, "how many times better than the reference")
}

/// Latencies over percentiles, a curve per runtime, on a logarithmic scale. Microseconds.
pub fn latency_curves(title: &str, percentiles: &[&str], curves: &[(String, Vec<f64>)]) -> String {
    const LEFT: f64 = 62.0;
    const TOP: f64 = 30.0;
    const WIDTH: f64 = 270.0;
    const HEIGHT: f64 = 170.0;
    let values = || {
        curves.iter().flat_map(|(_, values)| values.iter().copied()).filter(|value| *value > 0.0)
    };
    let least = 10f64.powf(values().fold(f64::MAX, f64::min).log10().floor());
    let greatest = 10f64.powf(values().fold(1.0, f64::max).log10().ceil()).max(least * 10.0);
    let x = |index: usize| LEFT + WIDTH * index as f64 / (percentiles.len() - 1) as f64;
    let y = |value: f64| {
        let share = (value.max(least) / least).ln() / (greatest / least).ln();
        TOP + HEIGHT * (1.0 - share)
    };
    let mut drawing = Drawing::new(LEFT + WIDTH + 24.0);
    drawing.text(LEFT, 14.0, "start", title);
    let decades = (greatest / least).log10().round() as i32;
    for decade in 0..=decades {
        let value = least * 10f64.powi(decade);
        drawing.line("grid", (LEFT, y(value)), (LEFT + WIDTH, y(value)));
        drawing.text(LEFT - 6.0, y(value) + 4.0, "end", &time(value));
    }
    for (index, percentile) in percentiles.iter().enumerate() {
        drawing.text(x(index), TOP + HEIGHT + 16.0, "middle", percentile);
    }
    for (runtime, values) in curves {
        let points: Vec<String> = values
            .iter()
            .enumerate()
            .map(|(index, value)| format!("{:.1},{:.1}", x(index), y(*value)))
            .collect();
        let shown: Vec<String> = percentiles
            .iter()
            .zip(values)
            .map(|(name, value)| format!("{name} {}", time(*value)))
            .collect();
        drawing.add(format_args!(
            "<polyline class='curve {}' points='{}'><title>{}: {}</title></polyline>",
            class(runtime),
            points.join(" "),
            escape(runtime),
            escape(&shown.join(", ")),
        ));
    }
    drawing.finish(TOP + HEIGHT + 26.0, title)
}

/// Microseconds in a unit that suits them.
fn time(us: f64) -> String {
    match us {
        us if us >= 1e6 => format!("{:.3} s", us / 1e6).replace(".000", ""),
        us if us >= 1e3 => format!("{:.1} ms", us / 1e3).replace(".0 ", " "),
        us => format!("{us:.1} µs").replace(".0 ", " "),
    }
}

/// Bars from zero, grouped: a title, then a bar per runtime.
pub fn plain_bars(groups: &[(String, Vec<(String, f64)>)], unit: &str) -> String {
    const LEFT: f64 = 190.0;
    const WIDTH: f64 = 520.0;
    const BAR: f64 = 14.0;
    let mut drawing = Drawing::new(LEFT + WIDTH + 130.0);
    let mut y = 8.0;
    for (name, bars) in groups {
        let greatest = bars.iter().map(|(_, value)| *value).fold(f64::MIN_POSITIVE, f64::max);
        drawing.text(LEFT - 10.0, y + bars.len() as f64 * BAR / 2.0 + 4.0, "end", name);
        for (runtime, value) in bars {
            let width = value / greatest * WIDTH;
            let hint = format!("{name}, {runtime}: {value:.1} {unit}");
            drawing.bar(class(runtime), (LEFT, y), (width, BAR - 3.0), &hint);
            drawing.text(LEFT + width + 6.0, y + BAR - 4.0, "start", &format!("{value:.0} {unit}"));
            y += BAR;
        }
        y += 10.0;
    }
    drawing.finish(y, "bars")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_is_escaped() {
        let chart = plain_bars(&[("<a&b>".to_owned(), vec![("tokio".to_owned(), 1.0)])], "B");
        assert!(chart.contains("&lt;a&amp;b&gt;") && !chart.contains("<a&b>"));
    }

    #[test]
    fn a_better_runtime_grows_to_the_right() {
        let bar = |middle| {
            let bar = Advantage { runtime: "smol".to_owned(), middle, range: (middle, middle) };
            advantages(&[("row".to_owned(), vec![bar], None)])
        };
        let start = |chart: &str| -> f64 {
            let rest = &chart[chart.find("c-smol' x='").expect("a bar is drawn") + 11..];
            rest[..rest.find('\'').expect("it has a place")].parse().expect("a number")
        };
        assert!(start(&bar(2.0)) > start(&bar(0.5)));
    }

    #[test]
    fn times_have_a_unit_that_suits_them() {
        assert_eq!([0.1, 12.0, 1500.0, 2e6].map(time), ["0.1 µs", "12 µs", "1.5 ms", "2 s"]);
    }
}
