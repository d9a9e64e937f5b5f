//! A line for each column of a table, over a number for each row; both axes are logarithmic.
//!
//! On such axes a cost that grows with the number climbs, all the same slope however small it
//! begins, and one that does not lies flat. A line says its name and its last figure where it ends;
//! one that ends early says why.

use super::picture::{Area, Drawn, FAINT, INK, LINE, TEXT, colour, style, text};
use crate::table::{Table, thousands};
use plotters::coord::CoordTranslate;
use plotters::coord::combinators::LogCoord;
use plotters::prelude::*;
use std::ops::RangeInclusive;

/// Around the lines: for the labels of the vertical axis, for the names, for the numbers below.
const LEFT: i32 = 52;
const RIGHT: i32 = 96;
const TOP: i32 = 8;
const BOTTOM: i32 = 42;

/// The least distance of two names.
const APART: i32 = 16;

/// Which columns of a table to draw, and over what.
#[derive(Debug)]
pub struct Lines<'a> {
    pub table: &'a Table,
    /// The columns; their figures are microseconds.
    pub names: &'a [&'a str],
    /// The number of each row, rising, and what it counts.
    pub numbers: &'a [usize],
    pub counted: &'a str,
    /// What is said of a line that ends before the last number.
    pub early: &'a str,
}

/// From a number and a figure to a pixel.
type Coordinates = Cartesian2d<LogCoord<f64>, LogCoord<f64>>;

impl Lines<'_> {
    /// Draws the axes and the lines; nothing where fewer than two numbers were measured.
    pub fn draw(&self, area: &Area<'_>) -> Drawn {
        let lines: Vec<_> = self.names.iter().map(|name| self.points(name)).collect();
        let figures = lines.iter().flatten().map(|point| point.1);
        let (Some(least), Some(most), [first, .., last]) = (
            figures.clone().min_by(f64::total_cmp),
            figures.max_by(f64::total_cmp),
            self.numbers,
        ) else {
            return Ok(());
        };
        let lowest = least.log10().floor() as i32;
        let highest = (most.log10().ceil() as i32).max(lowest + 1);

        let (width, height) = area.dim_in_pixel();
        let coordinates = Coordinates::new(
            (*first as f64..*last as f64).log_scale(),
            (10f64.powi(lowest)..10f64.powi(highest)).log_scale(),
            (LEFT..width as i32 - RIGHT, height as i32 - BOTTOM..TOP),
        );
        self.axes(area, &coordinates, lowest..=highest)?;
        self.lines(area, &coordinates, &lines)
    }

    /// The figures of a column, after the numbers that they are for.
    fn points(&self, name: &str) -> Vec<(f64, f64)> {
        let Some(column) = self.table.columns().iter().position(|it| it == name) else {
            return Vec::new();
        };
        let figures = self.table.medians().map(|(_, medians)| medians[column]);
        let points = self.numbers.iter().zip(figures);
        points
            .filter_map(|(number, figure)| Some((*number as f64, figure?)))
            .collect()
    }

    fn axes(
        &self,
        area: &Area<'_>,
        coordinates: &Coordinates,
        decades: RangeInclusive<i32>,
    ) -> Drawn {
        let (width, height) = area.dim_in_pixel();
        let (right, bottom) = (width as i32 - RIGHT, height as i32 - BOTTOM);
        for decade in decades {
            let value = 10f64.powi(decade);
            let (_, y) = coordinates.translate(&(self.numbers[0] as f64, value));
            area.draw(&PathElement::new(vec![(LEFT, y), (right, y)], LINE))?;
            let label = style(TEXT, FAINT).ending();
            text(area, &duration(value), (LEFT - 10, y), &label)?;
        }
        let centred = style(TEXT, FAINT).centred();
        for number in self.numbers {
            let (x, _) = coordinates.translate(&(*number as f64, 1.0));
            area.draw(&PathElement::new(vec![(x, bottom), (x, bottom + 4)], LINE))?;
            // Between two powers of ten there is no room for a third label.
            if *number == 10usize.pow(number.ilog10()) || Some(number) == self.numbers.last() {
                text(area, &thousands(*number as f64), (x, bottom + 14), &centred)?;
            }
        }
        let below = ((LEFT + right) / 2, bottom + 34);
        text(area, self.counted, below, &centred)
    }

    fn lines(
        &self,
        area: &Area<'_>,
        coordinates: &Coordinates,
        lines: &[Vec<(f64, f64)>],
    ) -> Drawn {
        let mut names = Vec::new();
        for (at, (name, points)) in self.names.iter().zip(lines).enumerate() {
            let Some((_, last)) = points.last() else {
                continue;
            };
            let places: Vec<_> = points.iter().map(|it| coordinates.translate(it)).collect();
            let (x, y) = places[places.len() - 1];
            let colour = colour(name);
            area.draw(&PathElement::new(places.clone(), colour.stroke_width(2)))?;
            for place in places {
                area.draw(&Circle::new(place, 3, colour.filled()))?;
            }

            let look = match at {
                0 => style(TEXT, INK).bold(),
                _ => style(TEXT, INK),
            };
            if points.len() < self.numbers.len() {
                let words = format!("{name} {}", self.early);
                text(area, &words, (x + 10, y + 14), &look)?;
            } else {
                let words = format!("{name} {}", duration(*last));
                names.push(((x + 10, y), words, look));
            }
        }

        // From the top down, each below the one before.
        names.sort_by_key(|((_, y), ..)| *y);
        let mut free = i32::MIN;
        for ((x, y), words, look) in names {
            text(area, &words, (x, y.max(free)), &look)?;
            free = y.max(free) + APART;
        }
        Ok(())
    }
}

/// Microseconds in two digits or so: `1.3 µs`, `4 µs`, `25 µs`, `5.4 ms`.
pub fn duration(microseconds: f64) -> String {
    let (value, unit) = match microseconds < 1_000.0 {
        true => (microseconds, "µs"),
        false => (microseconds / 1_000.0, "ms"),
    };
    let tenths = (value * 10.0).round();
    let digits = usize::from(tenths < 100.0 && tenths % 10.0 != 0.0);
    format!("{value:.digits$} {unit}")
}
