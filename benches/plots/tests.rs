//! Pictures of known figures, read back from the SVG.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use super::bars::Bars;
use super::lines::{Lines, duration};
use super::picture::Picture;
use crate::table::Table;
use std::fs;

/// A table with one sample for each figure.
fn table(columns: &[&str], rows: &[(&str, &[Option<f64>])]) -> Table {
    let mut table = Table::new("", columns.iter().copied());
    for (label, figures) in rows {
        let row = table.row(*label);
        for (column, figure) in figures.iter().enumerate() {
            if let Some(figure) = figure {
                table.add(row, column, *figure);
            }
        }
    }
    table
}

fn picture(height: u32) -> Picture<'static> {
    Picture {
        title: "title",
        subtitle: "subtitle",
        caption: vec!["machine".to_string(), "versions".to_string()],
        width: 434,
        height,
    }
}

fn painted_bars(table: &Table, across: usize) -> String {
    let bars = Bars { table, across };
    let svg = picture(bars.height()).paint(|area| bars.draw(area));
    svg.unwrap()
}

fn painted_lines(table: &Table, numbers: &[usize]) -> String {
    let names: Vec<&str> = table.columns().iter().map(String::as_str).collect();
    let lines = Lines {
        table,
        names: &names,
        numbers,
        counted: "sockets",
        early: "ends early",
    };
    picture(300).paint(|area| lines.draw(area)).unwrap()
}

/// The value of an attribute of each element of a kind.
fn attributes<'a>(svg: &'a str, element: &str, name: &str) -> Vec<&'a str> {
    let start = format!("<{element} ");
    let elements = svg.lines().filter(|line| line.starts_with(&start));
    elements.map(|line| attribute(line, name)).collect()
}

fn attribute<'a>(line: &'a str, name: &str) -> &'a str {
    let start = format!(" {name}=\"");
    let value = line.split_once(&start).unwrap().1;
    value.split('"').next().unwrap()
}

/// The length of each bar; the first rectangle is the ground.
fn bar_lengths(svg: &str) -> Vec<f64> {
    let widths = attributes(svg, "rect", "width");
    widths[1..].iter().map(|it| it.parse().unwrap()).collect()
}

/// The points of each line with more than two of them; those with two are axes.
fn line_points(svg: &str) -> Vec<Vec<(i32, i32)>> {
    let points = |text: &str| -> Vec<(i32, i32)> {
        let point = |point: &str| {
            point
                .split_once(',')
                .map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap()))
        };
        text.split_whitespace().filter_map(point).collect()
    };
    let lines = attributes(svg, "polyline", "points")
        .into_iter()
        .map(points);
    lines.filter(|line| line.len() > 2).collect()
}

/// Words, and the box that they take with wide letters: left, top, right, bottom.
fn words(svg: &str) -> Vec<(String, [f64; 4])> {
    let mut all = Vec::new();
    let mut lines = svg.lines();
    while let Some(line) = lines.next() {
        if !line.starts_with("<text ") {
            continue;
        }
        let text = lines.next().unwrap().to_string();
        let number = |name| attribute(line, name).parse::<f64>().unwrap();
        let size = number("font-size");
        let width = text.chars().count() as f64 * size * 0.6;
        let left = match attribute(line, "text-anchor") {
            "start" => number("x"),
            "middle" => number("x") - width / 2.0,
            _ => number("x") - width,
        };
        let (top, bottom) = (number("y") - size * 0.4, number("y") + size * 0.4);
        all.push((text, [left, top, left + width, bottom]));
    }
    all
}

/// Fails when words leave the picture, or meet.
fn assert_readable(name: &str, svg: &str) {
    let [width, height] =
        ["width", "height"].map(|side| attributes(svg, "svg", side)[0].parse::<f64>().unwrap());
    let words = words(svg);
    assert!(words.len() > 3, "{name}: {words:?}");
    for (at, (text, [left, top, right, bottom])) in words.iter().enumerate() {
        let is_inside = *left >= 0.0 && *top >= 0.0 && *right <= width && *bottom <= height;
        assert!(is_inside, "{name}: `{text}` leaves the picture");
        for (other, [l, t, r, b]) in &words[at + 1..] {
            let meet = left < r && l < right && top < b && t < bottom;
            assert!(!meet, "{name}: `{text}` and `{other}` meet");
        }
    }
}

#[test]
fn a_bar_is_as_long_as_its_figure_says() {
    let table = table(
        &["selio", "tokio", "monoio", "LocalPool"],
        &[
            ("one", &[Some(10.0), Some(40.0), None, Some(0.0)]),
            (
                "two",
                &[Some(2_000.0), Some(1_000.0), Some(500.0), Some(-1.0)],
            ),
        ],
    );
    let svg = painted_bars(&table, 1);
    assert_readable("bars", &svg);
    let lengths = bar_lengths(&svg);
    let [a, b, c, d, e] = lengths[..] else {
        panic!("{lengths:?}: five figures are above zero");
    };
    assert!((b / a - 4.0).abs() < 0.1, "{lengths:?}");
    assert!((c / d - 2.0).abs() < 0.1, "{lengths:?}");
    assert!((c / e - 4.0).abs() < 0.1, "{lengths:?}");
    assert!(
        b > 200.0 && c > 200.0,
        "{lengths:?}: the longest takes what there is"
    );
    for figure in ["10.0", "40.0", "-", "0.00", "2,000", "-1.00"] {
        assert!(
            words(&svg).iter().any(|(text, _)| text == figure),
            "{figure}"
        );
    }
}

#[test]
fn every_row_is_a_panel_and_every_panel_has_room() {
    let figures: &[Option<f64>] = &[Some(1.0), Some(2.0), Some(3.0)];
    let rows: Vec<_> = ["a", "b", "c", "d", "e"]
        .map(|label| (label, figures))
        .to_vec();
    let table = table(&["selio", "tokio", "smol"], &rows);
    for across in 1..=3 {
        let svg = painted_bars(&table, across);
        assert_eq!(bar_lengths(&svg).len(), 15);
        assert_readable("panels", &svg);
    }
}

#[test]
fn a_line_goes_through_its_figures_and_equal_ratios_are_equally_far() {
    let table = table(
        &["epoll", "poll"],
        &[
            ("10", &[Some(2.0), Some(1.0)]),
            ("100", &[Some(2.0), Some(10.0)]),
            ("1,000", &[Some(2.0), Some(100.0)]),
        ],
    );
    let svg = painted_lines(&table, &[10, 100, 1_000]);
    assert_readable("lines", &svg);
    let lines = line_points(&svg);
    let [flat, steep] = &lines[..] else {
        panic!("{lines:?}: there are two lines");
    };
    assert!(flat.iter().all(|point| point.1 == flat[0].1), "{flat:?}");
    for axis in [|point: &(i32, i32)| point.0, |point: &(i32, i32)| -point.1] {
        let [a, b, c] = [0, 1, 2].map(|at| axis(&steep[at]));
        assert!(a < b && b < c && (c - b - (b - a)).abs() <= 1, "{steep:?}");
    }
    assert_eq!(attributes(&svg, "circle", "cx").len(), 6);
}

#[test]
fn a_line_that_ends_early_says_so_and_claims_nothing_for_the_rest() {
    let table = table(
        &["epoll", "select"],
        &[
            ("10", &[Some(1.0), Some(2.0)]),
            ("100", &[Some(1.0), Some(20.0)]),
            ("1,000", &[Some(1.0), Some(200.0)]),
            ("9,000", &[Some(1.0), None]),
        ],
    );
    let svg = painted_lines(&table, &[10, 100, 1_000, 9_000]);
    assert_readable("early", &svg);
    let lines = line_points(&svg);
    assert_eq!(lines.iter().map(Vec::len).collect::<Vec<_>>(), [4, 3]);
    let has = |words_: &str| words(&svg).iter().any(|(text, _)| text == words_);
    assert!(has("select ends early") && has("epoll 1 µs"), "{svg}");
}

#[test]
fn lines_that_end_at_one_place_have_names_at_two() {
    let table = table(
        &["epoll", "polling", "poll"],
        &[
            ("10", &[Some(3.0), Some(3.0), Some(3.0)]),
            ("100", &[Some(3.0), Some(3.1), Some(3.0)]),
            ("1,000", &[Some(3.0), Some(3.1), Some(3.05)]),
        ],
    );
    let svg = painted_lines(&table, &[10, 100, 1_000]);
    assert_readable("names", &svg);
}

#[test]
fn durations_have_two_digits_or_so() {
    let words = [
        0.1, 1.0, 1.34, 3.96, 9.97, 25.4, 999.0, 1_000.0, 5_403.0, 1e4,
    ]
    .map(duration);
    let expected = [
        "0.1 µs", "1 µs", "1.3 µs", "4 µs", "10 µs", "25 µs", "999 µs", "1 ms", "5.4 ms", "10 ms",
    ];
    assert_eq!(words, expected);
}

#[test]
fn captions_tell_the_versions_that_are_built_in() {
    let versions = super::versions(super::RUNTIMES);
    let words: Vec<_> = versions.split(", ").collect();
    assert_eq!(words.len(), super::RUNTIMES.len(), "{versions}");
    assert!(words[0].starts_with("tokio 1."), "{versions}");
}

#[test]
fn the_pictures_of_the_repository_are_readable_and_small() {
    for (name, _) in super::ALL {
        let path = format!("{}/{name}.svg", super::PICTURES);
        let svg = fs::read_to_string(&path).unwrap();
        assert_readable(name, &svg);
        assert!(svg.len() < 40_000, "{name}: {} bytes", svg.len());
    }
}

#[test]
fn two_pictures_that_stand_beside_each_other_are_equally_high() {
    let [left, right] = ["selectors", "idle"].map(|name| {
        let svg = fs::read_to_string(format!("{}/{name}.svg", super::PICTURES)).unwrap();
        ["width", "height"].map(|side| attributes(&svg, "svg", side)[0].to_string())
    });
    assert_eq!(left, right);
}
