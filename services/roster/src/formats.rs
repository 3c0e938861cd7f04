//! Problems read from files, rosters written to them.

pub mod curtois;
pub mod multi;
mod text;

pub use text::Wrong;

/// Which format a text is in, by the sections it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Shifts of fixed kinds, after Curtois and Qu.
    Shifts,
    /// Shifts built freely on quarter hours, with activities.
    Activities,
}

pub fn detect(text: &str) -> Result<Format, Wrong> {
    for line in text.lines().map(|line| text::unpadded(text::bare(line))) {
        match line {
            "SECTION_SHIFTS" => return Ok(Format::Shifts),
            "SECTION_TASKS" => return Ok(Format::Activities),
            _ => {}
        }
    }
    Err(Wrong::new(
        1,
        "neither SECTION_SHIFTS nor SECTION_TASKS stands in it: this is no roster problem that can be read",
    ))
}
