//! `npm run herd` writes the tables of docs/herd.md and the plot docs/herd.svg. With a number of
//! clients it only prints the tables.

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use herd::plot::svg;
use herd::report::{AWAY_MS, cases_table, compare, comparison_table, deploy_table, small_table};
use herd::scenario::Scenario;

const CLIENTS: u32 = 100_000;
/// Clients of the cases with wrong hints. Fewer are enough, because only the ratio to the rate
/// matters.
const CASE_CLIENTS: u32 = 20_000;
/// The time in which the hub admits all clients, s.
const SECONDS: u64 = 50;

fn main() -> ExitCode {
    let result = match std::env::args().nth(1).map(|arg| arg.parse()) {
        None => scenarios(CLIENTS, CASE_CLIENTS).and_then(|(tables, plot)| write(&tables, &plot)),
        Some(Ok(clients)) if clients >= 1_000 => scenarios(clients, clients).map(|(tables, _)| {
            for (name, table) in tables {
                println!("{name}\n\n{table}");
            }
        }),
        Some(_) => Err("usage: herd [CLIENTS], at least 1000".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("herd: {error}");
            ExitCode::FAILURE
        }
    }
}

type Tables = Vec<(String, String)>;

fn scenarios(clients: u32, case_clients: u32) -> Result<(Tables, String), Box<dyn Error>> {
    let mut tables = Vec::new();
    let mut scenarios = Vec::new();
    for away_ms in AWAY_MS {
        let scenario = Scenario::new(clients, u64::from(clients) / SECONDS, away_ms);
        eprintln!("  {clients} clients, hub away for {} s", away_ms / 1_000);
        let rows = compare(&scenario);
        tables.push((
            format!("away-{}", away_ms / 1_000),
            comparison_table(&scenario, &rows),
        ));
        scenarios.push((scenario, rows));
    }
    eprintln!("  wrong hints, a deploy, a small hub");
    tables.push((
        "cases".to_owned(),
        cases_table(case_clients, u64::from(case_clients) / SECONDS),
    ));
    tables.push(("deploy".to_owned(), deploy_table()));
    tables.push(("small".to_owned(), small_table()));
    Ok((tables, svg(&scenarios)))
}

/// Writes each table between its markers.
fn write(tables: &Tables, plot: &str) -> Result<(), Box<dyn Error>> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let page = docs.join("herd.md");
    let mut text = std::fs::read_to_string(&page)?;
    for (name, table) in tables {
        let (begin, end) = (
            format!("<!-- {name}:begin -->\n"),
            format!("<!-- {name}:end -->"),
        );
        let missing = || format!("{} has no {begin}", page.display());
        let (before, rest) = text.split_once(&begin).ok_or_else(missing)?;
        let (_, after) = rest.split_once(&end).ok_or_else(missing)?;
        text = format!("{before}{begin}{table}{end}{after}");
    }
    std::fs::write(&page, text)?;
    std::fs::write(docs.join("herd.svg"), plot)?;
    println!("docs/herd.md, docs/herd.svg");
    Ok(())
}
