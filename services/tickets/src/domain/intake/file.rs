//! Files that come with messages: what they are called, what they say they are, and what they are. Only
//! their first bytes are looked at; nothing is ever unpacked or opened.

use aws_lc_rs::digest;

/// Largest file kept, in bytes.
pub const FILE_LIMIT: usize = 10 * 1024 * 1024;
/// Files of one message.
pub const FILES_LIMIT: usize = 50;
/// Longest name, in characters.
const NAME_LIMIT: usize = 200;

/// A file of a message.
#[derive(Clone, PartialEq, Eq)]
pub struct File {
    /// As the sender called it, without folders; may be empty.
    pub name: String,
    /// As the sender declared it, such as `image/png`, in lower case.
    pub declared: String,
    /// By its first bytes; `application/octet-stream` where they do not tell.
    pub detected: &'static str,
    pub sha256: Vec<u8>,
    pub bytes: Vec<u8>,
}

// What people sent stays out of logs.
impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("File")
            .field("detected", &self.detected)
            .field("size", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

impl File {
    pub fn new(name: &str, declared: &str, bytes: Vec<u8>) -> File {
        let sha256 = digest::digest(&digest::SHA256, &bytes).as_ref().to_vec();
        File { name: plain_name(name), declared: plain_type(declared), detected: detect(&bytes), sha256, bytes }
    }

    /// Whether opening it would run something.
    pub fn is_dangerous(&self) -> bool {
        EXECUTABLE.contains(&self.detected) || has_dangerous_name(&self.name)
    }
}

/// What runs when it is opened, by content.
const EXECUTABLE: [&str; 6] = [
    "application/vnd.microsoft.portable-executable",
    "application/x-executable",
    "application/x-mach-binary",
    "application/java-vm",
    "application/x-ms-shortcut",
    "text/x-script",
];

/// What runs when it is opened, by the end of its name: scripts have no sign of their own.
const ENDINGS: [&str; 40] = [
    "ade", "adp", "apk", "app", "appx", "bat", "chm", "cmd", "com", "cpl", "dll", "exe", "hta", "inf", "ins", "isp",
    "jar", "js", "jse", "lnk", "mde", "msc", "msi", "msp", "mst", "pif", "ps1", "psm1", "reg", "scf", "scr", "sct",
    "sh", "sys", "vb", "vbe", "vbs", "wsc", "wsf", "wsh",
];

fn has_dangerous_name(name: &str) -> bool {
    let name = name.trim_end_matches(|c: char| c == '.' || c.is_whitespace()).to_lowercase();
    name.rsplit_once('.').is_some_and(|(_, ending)| ENDINGS.contains(&ending.trim()))
}

/// The type by the first bytes.
pub fn detect(bytes: &[u8]) -> &'static str {
    const SIGNS: [(usize, &[u8], &str); 36] = [
        (0, b"\x89PNG\r\n\x1a\n", "image/png"),
        (0, b"\xff\xd8\xff", "image/jpeg"),
        (0, b"GIF87a", "image/gif"),
        (0, b"GIF89a", "image/gif"),
        (8, b"WEBP", "image/webp"),
        (4, b"ftypheic", "image/heic"),
        (4, b"ftypheix", "image/heic"),
        (4, b"ftypmif1", "image/heic"),
        (4, b"ftypavif", "image/avif"),
        (4, b"ftypqt", "video/quicktime"),
        (4, b"ftyp", "video/mp4"),
        (0, b"II*\0", "image/tiff"),
        (0, b"MM\0*", "image/tiff"),
        (0, b"%PDF-", "application/pdf"),
        (0, b"%!PS", "application/postscript"),
        (0, b"{\\rtf", "application/rtf"),
        (0, b"PK\x03\x04", "application/zip"),
        (0, b"PK\x05\x06", "application/zip"),
        (0, b"Rar!\x1a\x07", "application/vnd.rar"),
        (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
        (0, b"\x1f\x8b", "application/gzip"),
        (0, b"BZh", "application/x-bzip2"),
        (0, b"\xfd7zXZ\0", "application/x-xz"),
        (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
        (0, b"OggS", "audio/ogg"),
        (0, b"ID3", "audio/mpeg"),
        (0, b"fLaC", "audio/flac"),
        (0, b"\x1aE\xdf\xa3", "video/x-matroska"),
        (0, b"\x78\x9f\x3e\x22", "application/ms-tnef"),
        (0, b"\x7fELF", "application/x-executable"),
        (0, b"\xfe\xed\xfa\xce", "application/x-mach-binary"),
        (0, b"\xfe\xed\xfa\xcf", "application/x-mach-binary"),
        (0, b"\xcf\xfa\xed\xfe", "application/x-mach-binary"),
        (0, b"\xce\xfa\xed\xfe", "application/x-mach-binary"),
        (0, b"\xca\xfe\xba\xbe", "application/java-vm"),
        (0, b"L\0\0\0\x01\x14\x02\0", "application/x-ms-shortcut"),
    ];
    let at = |offset: usize, sign: &[u8]| bytes.get(offset..).is_some_and(|rest| rest.starts_with(sign));
    if let Some((_, _, kind)) = SIGNS.iter().find(|(offset, sign, _)| at(*offset, sign)) {
        return kind;
    }
    let head = &bytes[..bytes.len().min(1024)];
    let is_text = !head.contains(&0);
    if at(0, b"MZ") && !is_text {
        return "application/vnd.microsoft.portable-executable";
    }
    if at(0, b"#!/") || at(0, b"#! /") {
        return "text/x-script";
    }
    // The end of the head may lie within a letter.
    let whole = std::str::from_utf8(head).map_or_else(|bad| bad.error_len().is_none(), |_| true);
    let odd = |byte: &u8| byte.is_ascii_control() && !matches!(byte, b'\r' | b'\n' | b'\t' | 0x0c);
    if head.is_empty() || !whole || head.iter().any(odd) {
        return "application/octet-stream";
    }
    let words = String::from_utf8_lossy(head).trim_start_matches('\u{feff}').trim_start().to_ascii_lowercase();
    match &words {
        text if text.starts_with("<!doctype html") || text.starts_with("<html") => "text/html",
        text if text.starts_with("<svg") => "image/svg+xml",
        text if text.starts_with("<?xml") => "text/xml",
        text if text.starts_with("begin:vcard") => "text/vcard",
        text if text.starts_with("begin:vcalendar") => "text/calendar",
        _ => "text/plain",
    }
}

/// A name without folders and without what could make it look like another.
fn plain_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let hidden = |c: &char| {
        !c.is_control()
            && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let name: String = last.chars().filter(hidden).collect();
    let name = name.trim();
    let length = name.chars().count();
    // The ending says most; it stays.
    if length <= NAME_LIMIT { name.to_owned() } else { name.chars().skip(length - NAME_LIMIT).collect() }
}

fn plain_type(declared: &str) -> String {
    let allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '+' | '.' | '_');
    declared.to_ascii_lowercase().chars().filter(allowed).take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_what_a_file_is() {
        let pe = [b"MZ\x90\0\x03\0\0\0".as_slice(), &[0; 64]].concat();
        for (bytes, kind) in [
            (b"\x89PNG\r\n\x1a\n....".as_slice(), "image/png"),
            (b"RIFF1234WEBP", "image/webp"),
            (b"%PDF-1.7", "application/pdf"),
            (b"PK\x03\x04....", "application/zip"),
            (&pe, "application/vnd.microsoft.portable-executable"),
            (b"MZ is the beginning of a sentence", "text/plain"),
            (b"\x7fELF\x02", "application/x-executable"),
            (b"#!/bin/sh\nrm", "text/x-script"),
            (b"  <!DOCTYPE html><p>", "text/html"),
            ("Grüße".as_bytes(), "text/plain"),
            (b"\xff\xfe\x00\x01", "application/octet-stream"),
            (b"", "application/octet-stream"),
        ] {
            assert_eq!(detect(bytes), kind);
        }
        let long = "é".repeat(1_000);
        assert_eq!(detect(&long.as_bytes()[..1_023]), "text/plain", "cut within a letter");
    }

    #[test]
    fn what_runs_when_opened_is_dangerous_by_content_and_by_name() {
        let file = |name: &str, bytes: &[u8]| File::new(name, "application/pdf", bytes.to_vec()).is_dangerous();
        assert!(file("invoice.pdf", b"\x7fELF\x02"));
        for name in ["a.exe", "a.pdf.SCR", "a.js", "a.bat. ", "..\\x\\a.Lnk", "fdp.\u{202e}exe", "a.vbs\u{200b}"] {
            assert!(file(name, b"x"), "{name}");
        }
        for name in ["a.pdf", "exe", "a.docx", "a.json", "", "photo.com.jpg", "a.zip"] {
            assert!(!file(name, b"x"), "{name}");
        }
    }

    #[test]
    fn names_are_plain() {
        let name = |name: &str| File::new(name, "", vec![]).name;
        assert_eq!(name("../../etc/passwd"), "passwd");
        assert_eq!(name("C:\\Users\\a\\b\r\n.pdf"), "b.pdf");
        assert_eq!(name(&format!("{}.pdf", "x".repeat(500))).len(), 200);
        assert!(name(&format!("{}.pdf", "x".repeat(500))).ends_with(".pdf"));
        assert_eq!(File::new("a", "Image/PNG; x=\"y\"\r\n", vec![]).declared, "image/pngxy");
    }
}
