//! `verify`: what is wrong with a store, whether it opens or not.

use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use envelog::{Finding, Severity, Store, VerifyLevel, VerifyReport};

use crate::args::Cli;
use crate::failure::{Failure, Outcome, in_words_of_the_tool, tell};
use crate::output::{Cell, Column, Format, Output, bytes_for_people, grouped};

pub(crate) const EXAMPLES: &str = "Examples:
  envelog verify
  envelog verify --level quick
  envelog verify --level deep --format ndjson";

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// How much to look at.
    #[arg(long, value_enum, value_name = "LEVEL", default_value_t = LevelChoice::Full)]
    level: LevelChoice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LevelChoice {
    /// Names, lengths and headers, and the part of the log that is not sealed.
    Quick,
    /// Every byte.
    Full,
    /// Also whether indexes and profiles are the ones that the log makes.
    Deep,
}

const TABLE: &[Column] = &[
    Column { name: "severity", title: "severity" },
    Column { name: "file", title: "file" },
    Column { name: "offset", title: "offset" },
    Column { name: "seqs", title: "seqs" },
    Column { name: "what", title: "what, and what to do" },
];

const COLUMNS: &[Column] = &[
    Column { name: "severity", title: "severity" },
    Column { name: "file", title: "file" },
    Column { name: "offset", title: "offset" },
    Column { name: "firstSeq", title: "first seq" },
    Column { name: "lastSeq", title: "last seq" },
    Column { name: "what", title: "what" },
    Column { name: "advice", title: "what to do" },
];

/// Checks the store and lists what was found.
pub(crate) fn run(cli: &Cli, arguments: &VerifyArgs) -> Outcome {
    cli.without_project("the whole store is checked")?;
    let level = match arguments.level {
        LevelChoice::Quick => VerifyLevel::Quick,
        LevelChoice::Full => VerifyLevel::Full,
        LevelChoice::Deep => VerifyLevel::Deep,
    };
    let start = Instant::now();
    let report = Store::verify(cli.store()?, level)?;
    let elapsed = start.elapsed();
    let mut output = Output::new(Format::of(cli.format));
    let is_table = output.format() == Format::Table;
    let mut list = output.list(if is_table { TABLE } else { COLUMNS });
    for finding in &report.findings {
        let severity = finding.severity.to_string();
        if is_table {
            list.row(&table_cells(finding, &severity, &seqs(finding), &sentence(finding)))?;
        } else {
            list.row(&cells(finding, &severity, &in_words_of_the_tool(finding.advice)))?;
        }
    }
    list.end()?;
    summarise(&report, elapsed);
    if report.is_damaged() { Err(Failure::Damaged) } else { Ok(()) }
}

fn cells<'f>(finding: &'f Finding, severity: &'f str, advice: &'f str) -> [Cell<'f>; 7] {
    let count = |number: Option<u64>| number.map_or(Cell::Missing, Cell::Count);
    let seqs = finding.seqs.as_ref();
    [
        Cell::Text(severity),
        Cell::Text(&finding.file),
        count(finding.offset),
        count(seqs.map(|seqs| seqs.start().get())),
        count(seqs.map(|seqs| seqs.end().get())),
        Cell::Text(&finding.what),
        Cell::Text(advice),
    ]
}

fn table_cells<'f>(
    finding: &'f Finding,
    severity: &'f str,
    seqs: &'f str,
    sentence: &'f str,
) -> [Cell<'f>; 5] {
    [
        Cell::Text(severity),
        Cell::Text(&finding.file),
        finding.offset.map_or(Cell::Missing, Cell::Count),
        Cell::Text(seqs),
        Cell::Text(sentence),
    ]
}

fn seqs(finding: &Finding) -> String {
    match &finding.seqs {
        Some(seqs) if seqs.start() == seqs.end() => seqs.start().to_string(),
        Some(seqs) => format!("{} to {}", seqs.start(), seqs.end()),
        None => String::new(),
    }
}

fn sentence(finding: &Finding) -> String {
    format!("{}; {}", finding.what, in_words_of_the_tool(finding.advice))
}

/// Says how much was looked at and what comes of it.
fn summarise(report: &VerifyReport, elapsed: Duration) {
    tell(format_args!(
        "envelog: {}, {} and {} checked, bytes checked: {}, in {:.2} s",
        counted(report.files, "file"),
        counted(report.segments, "segment"),
        counted(report.frames, "frame"),
        bytes_for_people(report.bytes),
        elapsed.as_secs_f64()
    ));
    if report.omitted > 0 {
        let omitted = counted(report.omitted, "more finding");
        tell(format_args!("envelog: {omitted} counted and not listed"));
    }
    let [damage, derived, notes] =
        [Severity::Damage, Severity::Derived, Severity::Note].map(|severity| report.count(severity));
    if derived > 0 {
        let findings = counted(derived, "finding");
        tell(format_args!("envelog: {findings} in derived files, which the store makes anew from its log"));
    }
    if notes > 0 {
        tell(format_args!("envelog: {}", counted(notes, "note")));
    }
    match damage {
        0 => tell(format_args!("envelog: no damage")),
        _ => tell(format_args!("envelog: damage was found in {}", counted(damage, "place"))),
    }
}

/// A number of things.
fn counted(count: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(i128::from(count)), if count == 1 { "" } else { "s" })
}
