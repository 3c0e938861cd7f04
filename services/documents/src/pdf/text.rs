//! Text: which font has a character, how wide a text is, where a line ends, in which order right-to-left parts stand.

use std::collections::HashMap;

use krilla::text::{Font, GlyphId, KrillaGlyph};
use rustybuzz::UnicodeBuffer;
use unicode_bidi::{BidiInfo, Direction, Level};

static REGULAR: &[u8] = include_bytes!("../../fonts/LiberationSans-Regular.ttf");
static BOLD: &[u8] = include_bytes!("../../fonts/LiberationSans-Bold.ttf");
/// Has what the others lack: Arabic, Armenian, Georgian, symbols.
static WIDE: &[u8] = include_bytes!("../../fonts/DejaVuSans.ttf");

/// What stands for a character that no font has.
const MISSING: char = '\u{fffd}';

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    Regular,
    Bold,
}

struct Face<'a> {
    font: Font,
    shaper: rustybuzz::Face<'a>,
    units: f32,
}

/// The fonts of a document; each weight has its own order of them.
pub struct Fonts<'a> {
    faces: Vec<Face<'a>>,
    regular: Vec<usize>,
    bold: Vec<usize>,
    /// Characters that were looked up; none if nothing stands for one.
    known: [HashMap<char, Option<Known>>; 2],
}

/// A character by itself.
#[derive(Clone, Copy)]
struct Known {
    face: usize,
    glyph: GlyphId,
    /// In ems.
    width: f32,
    /// Itself, or what stands for it.
    shown: char,
}

/// Glyphs of one font, left to right.
pub struct Run {
    pub font: Font,
    pub text: String,
    pub glyphs: Vec<KrillaGlyph>,
    /// In ems.
    pub width: f32,
}

impl<'a> Fonts<'a> {
    /// The fonts of the crate, and others for what they lack; none if one of them cannot be read.
    pub fn new(others: &'a [Vec<u8>]) -> Option<Self> {
        let mut faces = vec![face(REGULAR)?, face(BOLD)?, face(WIDE)?];
        for data in others {
            let font = Font::new(data.clone().into(), 0)?;
            let shaper = rustybuzz::Face::from_slice(data, 0)?;
            faces.push(Face { units: font.units_per_em(), font, shaper });
        }
        let rest = 2..faces.len();
        let regular = [0].into_iter().chain(rest.clone()).collect();
        let bold = [1].into_iter().chain(rest).collect();
        Some(Self { faces, regular, bold, known: Default::default() })
    }

    /// In ems.
    pub fn width(&mut self, text: &str, weight: Weight) -> f32 {
        if text.chars().all(is_simple) {
            return text.chars().filter_map(|c| self.known(c, weight)).map(|known| known.width).sum();
        }
        self.shape(text, weight).iter().map(|run| run.width).sum()
    }

    /// One line as glyphs, in the order they stand from left to right.
    pub fn shape(&mut self, text: &str, weight: Weight) -> Vec<Run> {
        if text.chars().all(is_simple) {
            return self.shape_simple(text, weight);
        }
        // The first letter with a direction gives that of the line, also where no font has it.
        let level = match unicode_bidi::get_base_direction(text) {
            Direction::Rtl => Level::rtl(),
            Direction::Ltr | Direction::Mixed => Level::ltr(),
        };
        let text: String = text.chars().filter_map(|c| Some(self.known(c, weight)?.shown)).collect();
        let bidi = BidiInfo::new(&text, Some(level));
        let mut runs = Vec::new();
        for paragraph in &bidi.paragraphs {
            let (levels, parts) = bidi.visual_runs(paragraph, paragraph.range.clone());
            for part in parts {
                let backward = levels.get(part.start).is_some_and(|level| level.is_rtl());
                let mut pieces = self.pieces(text.get(part).unwrap_or_default(), weight);
                if backward {
                    pieces.reverse();
                }
                runs.extend(pieces.into_iter().map(|(face, piece)| self.shape_piece(face, piece, backward)));
            }
        }
        runs
    }

    /// Breaks a text into lines that fit. A word that is too long for a line is broken where the line ends.
    pub fn wrap(&mut self, text: &str, weight: Weight, size: f32, width: f32) -> Vec<String> {
        let room = width / size;
        let mut lines = Vec::new();
        for paragraph in text.split('\n') {
            let mut line = String::new();
            let mut used = 0.0;
            for word in paragraph.split([' ', '\t', '\r']).filter(|word| !word.is_empty()) {
                let mut word = word;
                let mut long = self.width(word, weight);
                let space = if line.is_empty() { 0.0 } else { self.width(" ", weight) };
                if room < used + space + long && !line.is_empty() {
                    lines.push(std::mem::take(&mut line));
                    used = 0.0;
                } else if !line.is_empty() {
                    line.push(' ');
                    used += space;
                }
                if room < long {
                    let mut parts = self.parts(word, weight, room);
                    word = parts.pop().unwrap_or_default();
                    lines.extend(parts.into_iter().map(str::to_owned));
                    long = self.width(word, weight);
                }
                line.push_str(word);
                used += long;
            }
            lines.push(line);
        }
        while 1 < lines.len() && lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines
    }

    /// At most so many lines; the last one shows where more was cut off.
    pub fn some_lines(&mut self, text: &str, style: (Weight, f32), width: f32, most: usize) -> Vec<String> {
        let mut lines = self.wrap(text, style.0, style.1, width);
        if most < lines.len() {
            lines.truncate(most);
            if let Some(last) = lines.last_mut() {
                while width < (self.width(last, style.0) + self.width("…", style.0)) * style.1 && last.pop().is_some()
                {
                }
                last.push('…');
            }
        }
        lines
    }

    /// A word in parts that fit: each of at least one character, never cut between a letter and its mark.
    fn parts<'t>(&mut self, word: &'t str, weight: Weight, room: f32) -> Vec<&'t str> {
        let mut parts = Vec::new();
        let (mut start, mut used) = (0, 0.0);
        for (at, c) in word.char_indices() {
            let width = self.known(c, weight).map_or(0.0, |known| known.width);
            if room < used + width && start < at && !is_mark(c) {
                parts.extend(word.get(start..at));
                (start, used) = (at, 0.0);
            }
            used += width;
        }
        parts.extend(word.get(start..));
        parts
    }

    fn order(&self, weight: Weight) -> &[usize] {
        match weight {
            Weight::Regular => &self.regular,
            Weight::Bold => &self.bold,
        }
    }

    /// The character by itself, or what stands for it; nothing for one that is not seen anyway.
    fn known(&mut self, c: char, weight: Weight) -> Option<Known> {
        if let Some(known) = self.known[weight as usize].get(&c) {
            return *known;
        }
        let drawn = drawn(c);
        let found = drawn.and_then(|c| self.look_up(c, weight)).or_else(|| {
            let unseen = drawn.is_none() || is_mark(c) || is_format(c);
            if unseen { None } else { self.look_up(MISSING, weight) }
        });
        self.known[weight as usize].insert(c, found);
        found
    }

    /// In the first font that has the character.
    fn look_up(&self, c: char, weight: Weight) -> Option<Known> {
        self.order(weight).iter().find_map(|index| {
            let face = self.faces.get(*index)?;
            let glyph = face.shaper.glyph_index(c)?;
            let width = f32::from(face.shaper.glyph_hor_advance(glyph).unwrap_or(0)) / face.units;
            Some(Known { face: *index, glyph: GlyphId::new(u32::from(glyph.0)), width, shown: c })
        })
    }

    fn shape_simple(&mut self, text: &str, weight: Weight) -> Vec<Run> {
        let mut runs: Vec<(usize, Run)> = Vec::new();
        for c in text.chars() {
            let Some(known) = self.known(c, weight) else { continue };
            if runs.last().is_none_or(|(face, _)| *face != known.face) {
                let Some(face) = self.faces.get(known.face) else { continue };
                let font = face.font.clone();
                runs.push((known.face, Run { font, text: String::new(), glyphs: Vec::new(), width: 0.0 }));
            }
            let Some((_, run)) = runs.last_mut() else { continue };
            let start = run.text.len();
            run.text.push(c);
            run.glyphs.push(KrillaGlyph::new(known.glyph, known.width, 0.0, 0.0, 0.0, start..run.text.len(), None));
            run.width += known.width;
        }
        runs.into_iter().map(|(_, run)| run).collect()
    }

    /// Cuts a text where the font or the way of shaping changes.
    fn pieces<'t>(&mut self, text: &'t str, weight: Weight) -> Vec<(usize, &'t str)> {
        let mut pieces: Vec<(usize, bool, std::ops::Range<usize>)> = Vec::new();
        for (at, c) in text.char_indices() {
            let end = at + c.len_utf8();
            let face = self.known(c, weight).map_or(0, |known| known.face);
            let joined = is_arabic(c);
            if let Some((last, arabic, range)) = pieces.last_mut() {
                let same = *last == face && *arabic == joined;
                let neutral = !same && (c == ' ' || is_mark(c));
                let covers = || self.faces.get(*last).is_some_and(|f| f.shaper.glyph_index(c).is_some());
                if same || (neutral && covers()) {
                    range.end = end;
                    continue;
                }
            }
            pieces.push((face, joined, at..end));
        }
        pieces.into_iter().filter_map(|(face, _, range)| Some((face, text.get(range)?))).collect()
    }

    fn shape_piece(&self, face: usize, text: &str, backward: bool) -> Run {
        let face = &self.faces[face];
        let mut buffer = UnicodeBuffer::new();
        buffer.push_str(text);
        buffer.guess_segment_properties();
        buffer.set_direction(if backward {
            rustybuzz::Direction::RightToLeft
        } else {
            rustybuzz::Direction::LeftToRight
        });
        let shaped = rustybuzz::shape(&face.shaper, &[], buffer);
        let mut clusters: Vec<usize> = shaped.glyph_infos().iter().map(|i| i.cluster as usize).collect();
        clusters.sort_unstable();
        clusters.dedup();
        let mut width = 0.0;
        let glyphs = shaped.glyph_infos().iter().zip(shaped.glyph_positions()).map(|(info, position)| {
            let start = info.cluster as usize;
            let next = clusters.partition_point(|c| *c <= start);
            let end = clusters.get(next).copied().unwrap_or(text.len());
            let em = |units: i32| units as f32 / face.units;
            width += em(position.x_advance);
            KrillaGlyph::new(
                GlyphId::new(info.glyph_id),
                em(position.x_advance),
                em(position.x_offset),
                em(position.y_offset),
                em(position.y_advance),
                start..end,
                None,
            )
        });
        let glyphs = glyphs.collect();
        Run { font: face.font.clone(), text: text.to_owned(), glyphs, width }
    }
}

fn face(data: &'static [u8]) -> Option<Face<'static>> {
    let font = Font::new(data.into(), 0)?;
    Some(Face { units: font.units_per_em(), font, shaper: rustybuzz::Face::from_slice(data, 0)? })
}

/// Scripts whose letters stand side by side, left to right, each for itself.
fn is_simple(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a0}'..='\u{24f}' | '\u{370}'..='\u{3ff}' | '\u{400}'..='\u{45f}' | '\u{2010}'..='\u{2027}' | '\u{20a0}'..='\u{20bf}' | '\u{2116}' | '\u{2122}' | '\u{2212}')
        && c != '\u{ad}'
}

/// What is drawn for a character: a space for any white one, nothing for the mark of an order of bytes.
fn drawn(c: char) -> Option<char> {
    match c {
        '\u{feff}' => None, // PDF/A lets no glyph mean this
        '\u{a0}' => Some(c),
        c if c.is_whitespace() => Some(' '),
        c => Some(c),
    }
}

/// Characters that say how others are joined or broken, and are not seen themselves.
fn is_format(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}')
}

fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{591}'..='\u{5bd}' | '\u{5bf}'..='\u{5c7}' | '\u{610}'..='\u{61a}' | '\u{64b}'..='\u{65f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe00}'..='\u{fe0f}' | '\u{fe20}'..='\u{fe2f}')
}

fn is_arabic(c: char) -> bool {
    matches!(c, '\u{600}'..='\u{6ff}' | '\u{750}'..='\u{77f}' | '\u{8a0}'..='\u{8ff}' | '\u{fb50}'..='\u{fdff}' | '\u{fe70}'..='\u{fefe}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_and_lose_no_word() {
        let mut fonts = Fonts::new(&[]).unwrap();
        let text =
            "Kontakte per E-Mail und Telefon\n\nDonaudampfschifffahrtsgesellschaftskapitän 東京東京東京東京東京東京";
        let lines = fonts.wrap(text, Weight::Regular, 9.0, 60.0);
        for line in &lines {
            assert!(fonts.width(line, Weight::Regular) * 9.0 <= 60.0, "{line}");
        }
        let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        assert_eq!(letters(&lines.concat()), letters(text));
    }

    #[test]
    fn what_is_cut_off_is_seen_to_be() {
        let mut fonts = Fonts::new(&[]).unwrap();
        let lines = fonts.some_lines("one two three four five six", (Weight::Bold, 10.0), 50.0, 2);
        assert_eq!(lines.len(), 2);
        assert!(lines[1].ends_with('…') && fonts.width(&lines[1], Weight::Bold) * 10.0 <= 50.0, "{lines:?}");
        assert_eq!(fonts.some_lines("one", (Weight::Bold, 10.0), 50.0, 2), ["one"]);
    }

    #[test]
    fn right_to_left_stands_right_to_left() {
        let mut fonts = Fonts::new(&[]).unwrap();
        let runs = fonts.shape("abc שלום", Weight::Regular);
        assert_eq!(runs.len(), 2);
        let hebrew = &runs[1];
        let starts: Vec<_> = hebrew.glyphs.iter().map(|g| g.text_range.start).collect();
        assert!(starts.is_sorted_by(|a, b| a > b), "{starts:?}");
        // Letters of Arabic are joined: other glyphs than those of each letter by itself.
        let joined = &fonts.shape("خدمة", Weight::Regular)[0];
        let alone: Vec<_> =
            "خدمة".chars().map(|c| fonts.shape(&c.to_string(), Weight::Regular)[0].glyphs[0].glyph_id).collect();
        assert!(joined.glyphs.iter().any(|g| !alone.contains(&g.glyph_id)));
    }

    #[test]
    fn what_no_font_has_is_seen_to_be_missing() {
        let mut fonts = Fonts::new(&[]).unwrap();
        for text in ["東", "😀"] {
            let run = &fonts.shape(text, Weight::Bold)[0];
            assert_ne!(run.glyphs[0].glyph_id.to_u32(), 0);
        }
        assert!(fonts.shape("\u{ad}\u{200b}", Weight::Regular).iter().all(|r| r.text.chars().all(|c| c != MISSING)));
    }
}
