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
/// Below a panel, and on its sides.
const GUTTER: u32 = 20;
/// Between a bar and words.
const GAP: i32 = 7;

/// A table, and how many panels stand beside each other.
#[derive(Debug)]
pub struct Bars<'a> {
    pub table: &'a Table,
    pub across: usize,
}

/// How high panels on top of each other are, with a bar for each peer.
pub fn height(panels: usize, peers: usize) -> u32 {
    (panels as u32 * (panel_height(peers) + GUTTER)).saturating_sub(GUTTER)
}

fn panel_height(peers: usize) -> u32 {
    HEADING + STEP * peers as u32
}

impl Bars<'_> {
    /// How high all of it is.
    pub fn height(&self) -> u32 {
        let panels = self.table.medians().count();
        height(panels.div_ceil(self.across), self.table.columns().len())
    }

    /// Draws the panels, row by row.
    pub fn draw(&self, area: &Area<'_>) -> Drawn {
        let (width, _) = area.dim_in_pixel();
        let right = (width + 2 * GUTTER) / self.across as u32;
        let peers = self.table.columns();
        let down = panel_height(peers.len()) + GUTTER;
        for (at, (label, medians)) in self.table.medians().enumerate() {
            let x = (at % self.across) as u32 * right;
            let y = (at / self.across) as u32 * down;
            let place = (x as i32, y as i32);
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

    let tops = (top + HEADING as i32..).step_by(STEP as usize);
    for ((peer, median), y) in peers.iter().zip(medians).zip(tops) {
        let words = style(TEXT, if median.is_some() { INK } else { FAINT });
        let words = if peer == "selio" { words.bold() } else { words };
        let share = median.unwrap_or_default().max(0.0) / longest;
        let end = zero + (share * f64::from(room)).round() as i32;
        let middle = y + THICKNESS / 2;
        if end > zero {
            let bar = [(zero, y), (end, y + THICKNESS)];
            area.draw(&Rectangle::new(bar, colour(peer).filled()))?;
        }
        text(area, &figure(*median), (end + GAP, middle), &words)?;
        text(area, peer, (zero - GAP, middle), &words.ending())?;
    }
    let axis = [HEADING as i32 - 3, panel_height(peers.len()) as i32 - 4];
    let axis = axis.map(|y| (zero, top + y));
    area.draw(&PathElement::new(axis, LINE))
}
