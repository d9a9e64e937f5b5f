//! A panel for each row of a table, a bar for each peer: bars begin at zero, and a panel has its scale.
//!
//! The peers stand in the same order in each panel, so that a place means a peer, and each bar says
//! its name and its figure: nothing has to be looked up in a legend or along an axis.

use super::picture::{Area, Drawn, FAINT, INK, LINE, TEXT, colour, style, text, width_of};
use crate::table::{Table, figure};
use plotters::prelude::*;

/// From the top of a panel to the top of its first bar.
const HEADING: u32 = 24;
/// From the top of a bar to the top of the next one.
const STEP: u32 = 19;
const THICKNESS: i32 = 12;
/// Between two panels, and between a bar and words.
const GUTTER: u32 = 20;
const GAP: i32 = 7;

/// A table, and how many panels stand beside each other.
#[derive(Debug)]
pub struct Bars<'a> {
    pub table: &'a Table,
    pub across: usize,
}

impl Bars<'_> {
    /// How high the panels are together.
    pub fn height(&self) -> u32 {
        let down = self.table.medians().count().div_ceil(self.across) as u32;
        down * (self.panel_height() + GUTTER) - GUTTER
    }

    fn panel_height(&self) -> u32 {
        HEADING + STEP * self.table.columns().len() as u32
    }

    /// Draws the panels, row by row.
    pub fn draw(&self, area: &Area<'_>) -> Drawn {
        let (width, _) = area.dim_in_pixel();
        let right = (width + 2 * GUTTER) / self.across as u32;
        let down = self.panel_height() + GUTTER;
        for (at, (label, medians)) in self.table.medians().enumerate() {
            let x = (at % self.across) as u32 * right;
            let y = (at / self.across) as u32 * down;
            let place = (x as i32, y as i32);
            let peers = self.table.columns();
            panel(area, place, right - 2 * GUTTER, label, peers, &medians)?;
        }
        Ok(())
    }
}

fn panel(
    area: &Area<'_>,
    (left, top): (i32, i32),
    width: u32,
    label: &str,
    peers: &[String],
    medians: &[Option<f64>],
) -> Drawn {
    text(area, label, (left, top + 8), &style(TEXT, INK).bold())?;

    let names = peers.iter().map(|peer| width_of(peer)).max();
    let zero = left + names.unwrap_or_default() + GAP;
    let figures = medians.iter().map(|median| width_of(&figure(*median)));
    let room = left + width as i32 - zero - GAP - figures.max().unwrap_or_default();
    let longest = medians
        .iter()
        .flatten()
        .copied()
        .fold(f64::MIN_POSITIVE, f64::max);

    for (at, (peer, median)) in peers.iter().zip(medians).enumerate() {
        let y = top + (HEADING + STEP * at as u32) as i32;
        let middle = y + THICKNESS / 2;
        let ours = at == 0;
        let words = |colour| match ours {
            true => style(TEXT, colour).bold(),
            false => style(TEXT, colour),
        };
        let name = words(if median.is_some() { INK } else { FAINT }).ending();
        text(area, peer, (zero - GAP, middle), &name)?;

        let end =
            zero + (median.unwrap_or_default().max(0.0) / longest * f64::from(room)).round() as i32;
        if end > zero {
            let bar = [(zero, y), (end, y + THICKNESS)];
            area.draw(&Rectangle::new(bar, colour(peer).filled()))?;
        }
        let value = words(if median.is_some() { INK } else { FAINT });
        text(area, &figure(*median), (end + GAP, middle), &value)?;
    }
    let bottom = top + (HEADING + STEP * (peers.len() - 1) as u32) as i32 + THICKNESS;
    let axis = vec![(zero, top + HEADING as i32 - 3), (zero, bottom + 3)];
    area.draw(&PathElement::new(axis, LINE))
}
