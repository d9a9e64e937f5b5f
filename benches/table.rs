//! What was measured: samples by row and peer, printed as one aligned table of medians and ratios.
//!
//! Modes fill a table and print it; `plots` draws pictures of the same one.
//!
//! A median and not a mean, because noise on a busy machine only ever adds. A ratio and not only a
//! time, because the ratio survives a change of machine. It is taken round by round, of samples that
//! are seconds apart, so a machine that is slow for a minute does not move it. What follows `±` is
//! the honest part: if one lies within it, there is no difference to report.

/// Stands where there is nothing to say.
const NOTHING: &str = "-";

/// Every sample of every peer: `rows` of measurements, one column per peer, selio's first.
#[derive(Debug)]
pub struct Table {
    title: String,
    columns: Vec<String>,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    label: String,
    /// `samples[column]` holds one sample per round; empty where the peer has no such thing.
    samples: Vec<Vec<f64>>,
}

/// A column on the right: the first column over the one of `of` that has the least median.
#[derive(Debug)]
pub struct Ratio {
    pub title: &'static str,
    pub of: &'static [&'static str],
}

impl Table {
    /// An empty table; `title` says what the figures are.
    pub fn new<C: Into<String>>(
        title: impl Into<String>,
        columns: impl IntoIterator<Item = C>,
    ) -> Self {
        Self {
            title: title.into(),
            columns: columns.into_iter().map(Into::into).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row without samples and returns its index.
    pub fn row(&mut self, label: impl Into<String>) -> usize {
        self.rows.push(Row {
            label: label.into(),
            samples: vec![Vec::new(); self.columns.len()],
        });
        self.rows.len() - 1
    }

    /// Adds the sample of one round.
    pub fn add(&mut self, row: usize, column: usize, sample: f64) {
        self.rows[row].samples[column].push(sample);
    }

    /// Adds a row that divides row `top` by row `bottom`, round by round.
    pub fn divide(&mut self, label: &str, top: usize, bottom: usize) {
        let row = self.row(label);
        for column in 0..self.columns.len() {
            let tops = &self.rows[top].samples[column];
            let bottoms = &self.rows[bottom].samples[column];
            self.rows[row].samples[column] = tops.iter().zip(bottoms).map(|(t, b)| t / b).collect();
        }
    }

    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The label of each row and the median of each of its columns.
    pub fn medians(&self) -> impl Iterator<Item = (&str, Vec<Option<f64>>)> {
        self.rows
            .iter()
            .map(|row| (row.label.as_str(), row.medians()))
    }

    /// Prints the title, a line of column names and the rows.
    pub fn print(&self, ratios: &[Ratio]) {
        let mut lines = vec![self.header(ratios)];
        lines.extend(self.rows.iter().map(|row| self.cells(row, ratios)));
        if lines[1..]
            .iter()
            .all(|line| line.last().is_some_and(|spread| spread == NOTHING))
        {
            lines
                .iter_mut()
                .for_each(|line| line.truncate(line.len() - 1));
        }

        // The first column is text and stands left; all others are figures and stand right.
        let length = |cell: &String| cell.chars().count();
        let width = |column: usize| lines.iter().map(|line| length(&line[column])).max();
        println!("{}", self.title);
        for line in &lines {
            for (column, cell) in line.iter().enumerate() {
                let width = width(column).unwrap_or_default();
                match column {
                    0 => print!("{cell:<width$}"),
                    _ => print!("  {cell:>width$}"),
                }
            }
            println!();
        }
    }

    fn header(&self, ratios: &[Ratio]) -> Vec<String> {
        let mut line = vec![String::new()];
        line.extend(self.columns.iter().cloned());
        line.extend(ratios.iter().map(|ratio| ratio.title.to_string()));
        line.push("spread".to_string());
        line
    }

    fn cells(&self, row: &Row, ratios: &[Ratio]) -> Vec<String> {
        let medians = row.medians();
        let mut line = vec![row.label.clone()];
        line.extend(medians.iter().map(|median| figure(*median)));
        for ratio in ratios {
            let others = (0..medians.len()).filter(|&it| ratio.of.contains(&&*self.columns[it]));
            let measured = others.filter_map(|it| Some((medians[it]?, it)));
            let best = measured.min_by(|a, b| a.0.total_cmp(&b.0));
            line.push(best.map_or(NOTHING.to_string(), |(_, best)| row.ratio(best)));
        }
        let spread = row.samples.iter().filter_map(|samples| spread(samples));
        let widest = spread.max_by(f64::total_cmp);
        line.push(widest.map_or(NOTHING.to_string(), |s| format!("{:.0}%", s * 100.0)));
        line
    }
}

impl Row {
    fn medians(&self) -> Vec<Option<f64>> {
        self.samples.iter().map(|samples| median(samples)).collect()
    }

    /// The first column over this one: the median of all rounds, and how far that may be off.
    fn ratio(&self, column: usize) -> String {
        let rounds = self.samples[0].iter().zip(&self.samples[column]);
        let quotients: Vec<_> = rounds.map(|(ours, theirs)| ours / theirs).collect();
        match (median(&quotients), spread(&quotients)) {
            (None, _) => NOTHING.to_string(),
            (Some(median), None) => format!("{median:.2}"),
            (Some(median), Some(spread)) => {
                // The notch of a box plot (McGill, Tukey and Larsen, 1978): in 19 of 20 runs, the
                // median of endless rounds lies within it.
                let off = 1.57 * spread * median / (quotients.len() as f64).sqrt();
                format!("{median:.2} ±{off:.2}")
            }
        }
    }
}

/// The middle sample; `None` of none.
pub fn median(samples: &[f64]) -> Option<f64> {
    quantile(samples, 0.5)
}

/// The distance between the quartiles as a share of the median; `None` for fewer than three.
fn spread(samples: &[f64]) -> Option<f64> {
    if samples.len() < 3 {
        return None;
    }
    let (low, high) = (quantile(samples, 0.25)?, quantile(samples, 0.75)?);
    median(samples).map(|median| (high - low) / median.abs().max(f64::MIN_POSITIVE))
}

/// The sample below which a share of `at` of all samples lies; between two of them, a straight line.
fn quantile(samples: &[f64], at: f64) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = at * sorted.len().checked_sub(1)? as f64;
    let (below, above) = (
        sorted[place.floor() as usize],
        sorted[place.ceil() as usize],
    );
    Some(below + (above - below) * place.fract())
}

/// Three digits that mean something, a dash for what was not measured.
pub fn figure(value: Option<f64>) -> String {
    match value {
        None => NOTHING.to_string(),
        Some(value) if value.abs() >= 1000.0 => thousands(value),
        Some(value) if value.abs() >= 100.0 => format!("{value:.0}"),
        Some(value) if value.abs() >= 10.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.2}"),
    }
}

/// A whole number, with a comma before each three digits.
pub fn thousands(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::from(if value < 0.0 { "-" } else { "" });
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The order of `len` peers in one round: everyone once, a different one first each time.
///
/// Interleaving is what makes the ratios trustworthy: a machine that slows down for a second
/// slows all peers down, and no peer always runs first into a cold cache.
pub fn rotated(len: usize, round: usize) -> impl Iterator<Item = usize> {
    (0..len).map(move |place| (place + round) % len)
}
