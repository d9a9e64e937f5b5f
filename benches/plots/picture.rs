//! One picture as SVG: a title above, a caption below, and between them room for a chart.
//!
//! Pictures stand on pages that are light by day and dark by night, and an SVG can tell which. Its
//! quiet colours are therefore few and named here, so that a style sheet at its head can exchange
//! them; where style sheets are ignored it is a light card. The peers' colours do for both.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::io;

pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub type Drawn = Result<(), DrawingAreaErrorKind<io::Error>>;

const GROUND: RGBColor = RGBColor(0xFB, 0xFB, 0xF8);
pub const INK: RGBColor = RGBColor(0x1D, 0x1D, 0x1B);
pub const FAINT: RGBColor = RGBColor(0x76, 0x72, 0x66);
pub const LINE: RGBColor = RGBColor(0xDE, 0xDA, 0xCD);

/// Rounds the corners of the card and of the bars, and turns the colours above into those of the night.
const STYLE: &str = "<style>rect{rx:2px}svg>rect:first-of-type{rx:8px}\
    @media(prefers-color-scheme:dark){\
    [fill=\"#FBFBF8\"]{fill:#1A1C1E}\
    [fill=\"#1D1D1B\"]{fill:#E8E6E1}\
    [fill=\"#767266\"]{fill:#9A9FA4}\
    [stroke=\"#DEDACD\"]{stroke:#3A3F43}\
    }</style>\n";

/// The sizes of letters, in pixels.
pub const TEXT: u32 = 12;
const TITLE: u32 = 16;
const SMALL: u32 = 11;

const MARGIN: u32 = 22;
const HEADER: u32 = 68;
const CAPTION_LINE: u32 = 15;

/// What a picture says around its chart.
#[derive(Debug)]
pub struct Picture<'a> {
    pub title: &'a str,
    pub subtitle: &'a str,
    pub caption: Vec<String>,
    pub width: u32,
    /// The height of the chart itself.
    pub height: u32,
}

impl Picture<'_> {
    /// The SVG, with what `chart` draws in the middle.
    pub fn paint(&self, chart: impl FnOnce(&Area<'_>) -> Drawn) -> io::Result<String> {
        let mut svg = String::new();
        let footer = MARGIN + CAPTION_LINE * self.caption.len() as u32;
        let height = HEADER + self.height + footer;
        {
            let backend = SVGBackend::with_string(&mut svg, (self.width, height));
            let area = backend.into_drawing_area();
            let drawn = self.around(&area, height).and_then(|()| {
                let room = area.margin(HEADER, footer, MARGIN, MARGIN);
                chart(&room)?;
                area.present()
            });
            drawn.map_err(io::Error::other)?;
        }
        let head = svg.find('\n').map_or(0, |end| end + 1);
        svg.insert_str(head, &format!("<title>{}</title>\n{STYLE}", self.title));
        Ok(svg)
    }

    fn around(&self, area: &Area<'_>, height: u32) -> Drawn {
        area.fill(&GROUND)?;
        let left = MARGIN as i32;
        text(area, self.title, (left, 26), &style(TITLE, INK).bold())?;
        text(area, self.subtitle, (left, 46), &style(TEXT, FAINT))?;
        for (line, words) in self.caption.iter().rev().enumerate() {
            let y = height - 18 - CAPTION_LINE * line as u32;
            text(area, words, (left, y as i32), &style(SMALL, FAINT))?;
        }
        Ok(())
    }
}

/// How words look, and which of their points is put at a place.
pub struct Style {
    size: u32,
    colour: RGBColor,
    weight: FontStyle,
    at: HPos,
}

/// Words that begin at their place.
pub fn style(size: u32, colour: RGBColor) -> Style {
    Style {
        size,
        colour,
        weight: FontStyle::Normal,
        at: HPos::Left,
    }
}

impl Style {
    pub fn bold(self) -> Self {
        Self {
            weight: FontStyle::Bold,
            ..self
        }
    }

    /// Words that end at their place.
    pub fn ending(self) -> Self {
        Self {
            at: HPos::Right,
            ..self
        }
    }

    /// Words around their place.
    pub fn centred(self) -> Self {
        Self {
            at: HPos::Center,
            ..self
        }
    }
}

/// Writes words, the middle of their height at `place`.
pub fn text(area: &Area<'_>, words: &str, place: (i32, i32), style: &Style) -> Drawn {
    // The backend takes a font's size for that of its line, which is 1.24 times as high.
    let font = ("system-ui, sans-serif", f64::from(style.size) * 1.24).into_font();
    let style = TextStyle::from(font.style(style.weight))
        .color(&style.colour)
        .pos(Pos::new(style.at, VPos::Center));
    area.draw_text(words, &style, place)
}

/// The room that words take, for whatever letters the reader's machine has.
pub fn width_of(words: &str) -> i32 {
    words.chars().count() as i32 * 7
}

/// The colour of a peer or of a backend, the same in every picture: strong for selio, and for the
/// backend that it prefers, and quiet for all others.
pub fn colour(name: &str) -> RGBColor {
    match name {
        "selio" | "epoll" => RGBColor(0xCF, 0x55, 0x1E),
        "selio streams" | "selio server" | "polling" => RGBColor(0xE3, 0x9A, 0x74),
        "tokio" | "poll" => RGBColor(0x6F, 0x92, 0xCC),
        "smol" | "select" => RGBColor(0x9C, 0x85, 0xC2),
        "monoio" => RGBColor(0x63, 0xA8, 0x9C),
        "asyncio" => RGBColor(0xD0, 0xAE, 0x4E),
        "asyncio streams" => RGBColor(0xDD, 0xC7, 0x8A),
        "uvloop" => RGBColor(0x9F, 0xB0, 0x5C),
        _ => RGBColor(0xA8, 0xA3, 0x98),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_quiet_colour_has_one_for_the_night() {
        for RGBColor(red, green, blue) in [GROUND, INK, FAINT, LINE] {
            let selector = format!("=\"#{red:02X}{green:02X}{blue:02X}\"]");
            assert_eq!(STYLE.matches(&selector).count(), 1, "{selector}");
        }
    }
}
