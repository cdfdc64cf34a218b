//! docs/herd.svg: attempts per second, and the share of clients that is back, over time.

use std::fmt::Write;

use crate::report::Row;
use crate::scenario::Scenario;

const PANEL: (f64, f64) = (330.0, 190.0);
const LEFT: f64 = 62.0;
const TOP: f64 = 58.0;
const GAP: (f64, f64) = (28.0, 52.0);

/// Colours, and the beginning of the names of the rows that get them.
const LINES: [(&str, &str); 5] = [
    ("#9aa0a6", "Socket.IO"),
    ("#c58b2a", "centrifuge-js"),
    ("#8e5bb5", "full jitter"),
    ("#3f8f5f", "Action Cable"),
    ("#d43f3a", "**Longhaul**"),
];

/// Whether a column shows the labels of its axes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Labels {
    Shown,
    Hidden,
}

/// One column for each scenario, with its rows.
#[must_use]
pub fn svg(scenarios: &[(Scenario, Vec<Row>)]) -> String {
    let columns = u32::try_from(scenarios.len()).map_or(1.0, f64::from);
    let width = LEFT + columns * (PANEL.0 + GAP.0);
    let height = TOP + 2.0 * (PANEL.1 + GAP.1);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"system-ui, sans-serif\" \
         font-size=\"11\" fill=\"#333\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    let mut x = LEFT;
    for (colour, name) in LINES.iter().rev() {
        let name = name.trim_matches('*');
        let _ = writeln!(
            out,
            "<path d=\"M{x:.0} 20h22\" stroke=\"{colour}\" stroke-width=\"2.5\"/><text x=\"{:.0}\" y=\"24\">{name}</text>",
            x + 28.0
        );
        x += 130.0;
    }
    let _ = writeln!(
        out,
        "<path d=\"M{x:.0} 20h22\" stroke=\"#333\" stroke-dasharray=\"4 3\"/><text x=\"{:.0}\" y=\"24\">ideal: what the hub admits</text>",
        x + 28.0
    );
    let mut left = LEFT;
    for (index, (scenario, rows)) in scenarios.iter().enumerate() {
        let labels = if index == 0 {
            Labels::Shown
        } else {
            Labels::Hidden
        };
        column(&mut out, left, labels, scenario, rows);
        left += PANEL.0 + GAP.0;
    }
    out.push_str("</svg>\n");
    out
}

fn column(out: &mut String, left: f64, labels: Labels, scenario: &Scenario, rows: &[Row]) {
    let up_ms = scenario.up_ms();
    let end = usize::try_from(scenario.ideal_ms(100) / 1_000).unwrap_or(0) + 35;
    let scale = PANEL.0 / number(end);
    let second = |s: usize| left + number(s) * scale;
    let bottoms = [TOP + PANEL.1, TOP + 2.0 * PANEL.1 + GAP.1];
    let titles = ["attempts per second", "share of the clients that is back"];
    for (bottom, title) in bottoms.into_iter().zip(titles) {
        let top = bottom - PANEL.1;
        let up = second(usize::try_from(up_ms / 1_000).unwrap_or(0));
        let _ = writeln!(
            out,
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"#f1f1f1\"/>\
             <path d=\"M{left:.1} {top:.1}V{bottom:.1}h{:.1}\" fill=\"none\" stroke=\"#333\"/>\
             <text x=\"{left:.1}\" y=\"{:.1}\" font-weight=\"600\">{title}, hub away for {} s</text>",
            up - left,
            PANEL.1,
            PANEL.0,
            top - 6.0,
            up_ms / 1_000
        );
        for s in (0..=end).step_by(if end > 120 { 50 } else { 20 }) {
            let _ = writeln!(
                out,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{s} s</text>",
                second(s),
                bottom + 15.0
            );
        }
    }
    // Three decades, up to all clients in one second.
    let [attempts_bottom, share_bottom] = bottoms;
    let clients = f64::from(scenario.clients);
    let attempts_y = |per_s: f64| {
        let decades = (per_s.max(1.0) / clients * 1_000.0).log10().clamp(0.0, 3.2);
        attempts_bottom - decades / 3.2 * PANEL.1
    };
    let share_y = |share: f64| share_bottom - share * (PANEL.1 - 8.0);
    if labels == Labels::Shown {
        for parts in [1_000.0, 100.0, 10.0, 1.0] {
            let y = attempts_y(clients / parts);
            let _ = writeln!(
                out,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{:.0}</text>",
                left - 6.0,
                y + 4.0,
                clients / parts
            );
        }
        for percent in [0, 50, 100] {
            let y = share_y(f64::from(percent) / 100.0);
            let _ = writeln!(
                out,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{percent} %</text>",
                left - 6.0,
                y + 4.0
            );
        }
    }
    let rate = u32::try_from(scenario.per_s).map_or(0.0, f64::from);
    let (up, full) = (
        number(usize::try_from(up_ms / 1_000).unwrap_or(0)),
        clients / rate,
    );
    let _ = writeln!(
        out,
        "<path d=\"M{left:.1} {y:.1}h{:.1}\" stroke=\"#333\" stroke-dasharray=\"4 3\"/>\
         <path d=\"M{:.1} {:.1}L{:.1} {:.1}\" stroke=\"#333\" stroke-dasharray=\"4 3\"/>",
        PANEL.0,
        left + up * scale,
        share_y(0.0),
        left + (up + full) * scale,
        share_y(1.0),
        y = attempts_y(rate),
    );
    for (colour, name) in LINES {
        let Some(row) = rows.iter().find(|row| row.name.starts_with(name)) else {
            continue;
        };
        let mut attempts = row.outcome.attempts_per_s();
        attempts.resize(end, 0);
        let attempts = attempts.into_iter().map(|count| attempts_y(count.into()));
        let shares = row.outcome.back_per_s(end).into_iter().map(share_y);
        path(
            out,
            colour,
            attempts.enumerate().map(|(s, y)| (second(s), y)),
        );
        path(
            out,
            colour,
            shares.enumerate().map(|(s, y)| (second(s + 1), y)),
        );
    }
}

fn path(out: &mut String, colour: &str, points: impl Iterator<Item = (f64, f64)>) {
    let _ = write!(
        out,
        "<path fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\" stroke-linejoin=\"round\" d=\""
    );
    for (index, (x, y)) in points.enumerate() {
        let _ = write!(out, "{}{x:.1} {y:.1}", if index == 0 { 'M' } else { 'L' });
    }
    out.push_str("\"/>\n");
}

fn number(seconds: usize) -> f64 {
    u32::try_from(seconds).map_or(0.0, f64::from)
}
