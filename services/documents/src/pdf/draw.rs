//! From marks to a PDF.

use krilla::color::rgb;
use krilla::configure::{Archival, ConfigurationBuilder};
use krilla::geom::{PathBuilder, Point, Rect, Size, Transform};
use krilla::image::Image;
use krilla::page::PageSettings;
use krilla::paint::Fill;
use krilla::surface::Surface;
use krilla::{Document, SerializeSettings};
use krilla_svg::{SurfaceExt as _, SvgSettings};
use quick_xml::events::Event;

use super::sheet::{Ground, HEIGHT, Ink, Mark, Page, RIGHT, Style, WIDTH};
use super::text::Fonts;
use super::{Logo, PdfError};

const MAX_PNG: usize = 2 << 20;
const MAX_PIXELS: u64 = 16_000_000;
const MAX_SVG: usize = 512 << 10;

/// A logo that was read.
pub enum Picture {
    Pixels(Image, f32, f32),
    Shapes(Box<usvg::Tree>),
}

impl Picture {
    pub fn read(logo: &Logo) -> Result<Self, PdfError> {
        match logo {
            Logo::Png(data) => {
                let size = |at: usize| data.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_be_bytes);
                let (Some(width), Some(height), true) = (size(16), size(20), data.starts_with(b"\x89PNG\r\n\x1a\n"))
                else {
                    return Err(PdfError::Logo("is no PNG"));
                };
                let pixels = u64::from(width) * u64::from(height);
                if MAX_PNG < data.len() || MAX_PIXELS < pixels || pixels == 0 {
                    return Err(PdfError::Logo("is too large"));
                }
                let image = Image::from_png(data.clone().into(), false).map_err(|_| PdfError::Logo("is no PNG"))?;
                Ok(Picture::Pixels(image, width as f32, height as f32))
            }
            Logo::Svg(data) => {
                if MAX_SVG < data.len() {
                    return Err(PdfError::Logo("is too large"));
                }
                let text = std::str::from_utf8(data).map_err(|_| PdfError::Logo("is no SVG in UTF-8"))?;
                check(text)?;
                let image_href_resolver = usvg::ImageHrefResolver {
                    resolve_data: Box::new(|_, _, _| None),
                    resolve_string: Box::new(|_, _| None),
                };
                let options = usvg::Options { image_href_resolver, ..usvg::Options::default() };
                let tree = usvg::Tree::from_str(text, &options).map_err(|_| PdfError::Logo("is no SVG"))?;
                Ok(Picture::Shapes(Box::new(tree)))
            }
        }
    }

    /// As large as fits.
    pub fn fit(&self, width: f32, height: f32) -> (f32, f32) {
        let (own_width, own_height) = match self {
            Picture::Pixels(_, width, height) => (*width, *height),
            Picture::Shapes(tree) => (tree.size().width(), tree.size().height()),
        };
        let scale = (width / own_width).min(height / own_height);
        (own_width * scale, own_height * scale)
    }

    fn draw(&self, surface: &mut Surface<'_>, x: f32, y: f32, size: Size) {
        surface.push_transform(&Transform::from_translate(x, y));
        match self {
            Picture::Pixels(image, ..) => surface.draw_image(image.clone(), size),
            Picture::Shapes(tree) => {
                surface.draw_svg(tree, size, SvgSettings::default());
            }
        }
        surface.pop();
    }
}

/// Elements that would need fonts, other files, or as many pixels or copies as they like.
const REFUSED: [&[u8]; 12] = [
    b"text",
    b"image",
    b"filter",
    b"foreignObject",
    b"use",
    b"symbol",
    b"pattern",
    b"mask",
    b"marker",
    b"switch",
    b"script",
    b"a",
];
const MAX_ELEMENTS: usize = 10_000;
/// Both shapes in shapes and clips of clips are followed by functions that call themselves.
const MAX_DEPTH: usize = 20;
const MAX_CLIPS: usize = 16;

/// Only shapes, and few enough of them for any stack.
fn check(text: &str) -> Result<(), PdfError> {
    let mut reader = quick_xml::Reader::from_str(text);
    let (mut depth, mut elements, mut clips) = (0_usize, 0, 0);
    loop {
        let event = reader.read_event().map_err(|_| PdfError::Logo("is no SVG"))?;
        let element = match &event {
            Event::Eof => return Ok(()),
            // Its declarations could be entities, and entities of entities.
            Event::DocType(kind) if kind.contains(&b'[') => return Err(PdfError::Logo("has a document type")),
            Event::Start(element) => {
                depth += 1;
                element
            }
            Event::Empty(element) => element,
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                continue;
            }
            _ => continue,
        };
        let name = element.local_name();
        elements += 1;
        clips += usize::from(name.as_ref() == b"clipPath");
        if REFUSED.contains(&name.as_ref()) {
            return Err(PdfError::Logo("has more than shapes"));
        }
        if MAX_ELEMENTS < elements || MAX_DEPTH < depth || MAX_CLIPS < clips {
            return Err(PdfError::Logo("is too large"));
        }
    }
}

/// The pages as a document that is not finished yet.
pub fn document(ground: &Ground<'_>, pages: &[Page], fonts: &mut Fonts<'_>) -> Result<Document, PdfError> {
    let configuration =
        ConfigurationBuilder::new().with_archival_validator(Archival::A3_B).finish().map_err(|_| PdfError::Metadata)?;
    let mut document = Document::new_with(SerializeSettings { configuration, ..SerializeSettings::default() });
    let words = ground.words;
    let settings = PageSettings::from_wh(WIDTH, HEIGHT).ok_or(PdfError::Metadata)?;
    for (index, page) in pages.iter().enumerate() {
        let mut sheet = document.start_page_with(settings.clone());
        let mut surface = sheet.surface();
        for mark in &page.marks {
            draw(ground, &mut surface, mark, fonts);
        }
        let number = format!("{} {} {} {}", words.page, index + 1, words.of, pages.len());
        let style = Style::new(7.0).ink(Ink::Grey);
        text(ground, &mut surface, fonts, (RIGHT, HEIGHT - 24.0), &number, style, true);
        surface.finish();
        sheet.finish();
    }
    Ok(document)
}

fn draw(ground: &Ground<'_>, surface: &mut Surface<'_>, mark: &Mark, fonts: &mut Fonts<'_>) {
    match mark {
        Mark::Text { x, y, text: words, style, right } => text(ground, surface, fonts, (*x, *y), words, *style, *right),
        Mark::Block { x, y, width, height, ink } => {
            let Some(rectangle) = Rect::from_xywh(*x, *y, *width, *height) else { return };
            let mut path = PathBuilder::new();
            path.push_rect(rectangle);
            if let Some(path) = path.finish() {
                surface.set_fill(Some(fill(ground, *ink)));
                surface.draw_path(&path);
            }
        }
        Mark::Code { x, y, width, squares } => {
            let unit = width / squares.side as f32;
            let mut path = PathBuilder::new();
            for (row, line) in squares.dark.chunks(squares.side).enumerate() {
                // What is dark side by side is one bar: no seams where viewers smooth edges.
                let mut column = 0;
                for bar in line.chunk_by(|a, b| a == b) {
                    let (left, top) = (x + column as f32 * unit, y + row as f32 * unit);
                    let place = Rect::from_xywh(left, top, bar.len() as f32 * unit, unit);
                    if let Some(place) = place.filter(|_| bar[0]) {
                        path.push_rect(place);
                    }
                    column += bar.len();
                }
            }
            if let Some(path) = path.finish() {
                surface.set_fill(Some(fill(ground, Ink::Black)));
                surface.draw_path(&path);
            }
        }
        Mark::Logo { x, y, width, height } => {
            if let Some((logo, size)) = ground.logo.zip(Size::from_wh(*width, *height)) {
                logo.draw(surface, *x, *y, size);
            }
        }
    }
}

fn text(
    ground: &Ground<'_>,
    surface: &mut Surface<'_>,
    fonts: &mut Fonts<'_>,
    (mut x, y): (f32, f32),
    words: &str,
    style: Style,
    right: bool,
) {
    let runs = fonts.shape(words, style.weight);
    if right {
        x -= runs.iter().map(|run| run.width).sum::<f32>() * style.size;
    }
    surface.set_fill(Some(fill(ground, style.ink)));
    for run in runs {
        surface.draw_glyphs(Point::from_xy(x, y), &run.glyphs, run.font.clone(), &run.text, style.size, false);
        x += run.width * style.size;
    }
}

fn fill(ground: &Ground<'_>, ink: Ink) -> Fill {
    let [r, g, b] = ground.brand.color;
    // Perceived lightness, in thousandths of 255.
    let light = 299 * u32::from(r) + 587 * u32::from(g) + 114 * u32::from(b);
    let color = match ink {
        Ink::Black => rgb::Color::new(20, 20, 20),
        Ink::Grey => rgb::Color::new(95, 95, 95),
        Ink::Light => rgb::Color::new(205, 205, 205),
        Ink::Brand => rgb::Color::new(r, g, b),
        Ink::OnBrand if 150_000 < light => rgb::Color::new(20, 20, 20),
        Ink::OnBrand => rgb::Color::new(255, 255, 255),
    };
    Fill { paint: color.into(), ..Fill::default() }
}
