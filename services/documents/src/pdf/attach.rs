//! The CII inside the PDF, and the metadata that tell of it.

use krilla::Document;
use krilla::embed::{AssociationKind, EmbeddedFile, MimeType};
use krilla::metadata::{DateTime, Metadata};

use super::PdfError;
use super::sheet::Ground;
use crate::terms::Profile;

/// The name that readers look for, and the level that is told with it.
fn file(profile: Profile) -> (&'static str, &'static str) {
    match profile {
        Profile::En16931 => ("factur-x.xml", "EN 16931"),
        Profile::XRechnung => ("xrechnung.xml", "XRECHNUNG"),
    }
}

/// Attaches the CII and finishes the file.
pub fn finish(mut document: Document, ground: &Ground<'_>) -> Result<Vec<u8>, PdfError> {
    let terms = ground.terms();
    let (name, level) = file(terms.profile);
    let issued = terms.issued;
    let part = |number: i8| u8::try_from(number).unwrap_or(1);
    // The day of issue: no clock, and the same bytes at any time.
    let date = DateTime::new(u16::try_from(issued.year()).unwrap_or(1970))
        .month(part(issued.month()))
        .day(part(issued.day()))
        .hour(0)
        .minute(0)
        .second(0)
        .utc_offset_hour(0);
    document.embed_file(EmbeddedFile {
        path: name.into(),
        mime_type: MimeType::new("text/xml"),
        description: Some("Factur-X/ZUGFeRD invoice".into()),
        association_kind: AssociationKind::Alternative,
        data: crate::cii(ground.invoice).into(),
        modification_date: Some(date),
        compress: None,
        location: None,
    });
    let title = format!("{} {}", ground.title(), terms.number);
    document.set_metadata(
        Metadata::new()
            .title(title.clone())
            .authors(vec![terms.seller.name.clone()])
            .description(format!("{title}, {}", terms.seller.name))
            .creator("Manydesk".into())
            .language(ground.language.code().into())
            .document_id(format!("{} {}", terms.seller.name, terms.number))
            .creation_date(date),
    );
    let bytes = document.finish()?;
    announce(bytes, name, level).ok_or(PdfError::Metadata)
}

/// Adds what Factur-X wants to the XMP metadata, which the library has no way for: its four properties, and the
/// schema that describes them. The metadata is a stream that is not compressed, near the end of the file; what stands
/// behind it moves, and the table of places with it.
fn announce(bytes: Vec<u8>, name: &str, level: &str) -> Option<Vec<u8>> {
    let end = find_from(&bytes, b"\nendstream", bytes.windows(9).rposition(|w| w == b"<?xpacket")?)?;
    let start = rfind_before(&bytes, b"\nstream\n", end)? + b"\nstream\n".len();
    let object = rfind_before(&bytes, b" obj\n", start)?;
    let length_at = rfind_before(&bytes, b"/Length ", start).filter(|at| object < *at)? + b"/Length ".len();
    let (length, length_end) = number(&bytes, length_at)?;
    let packet = std::str::from_utf8(bytes.get(start..end)?).ok().filter(|packet| packet.len() == length)?;
    let packet = complete(packet, name, level)?;
    let new_length = packet.len().to_string();

    let told = rfind_before(&bytes, b"startxref\n", bytes.len())?;
    let (table, _) = number(&bytes, told + b"startxref\n".len())?;
    let trailer = table + bytes.get(table..)?.windows(8).position(|w| w == b"trailer\n")?;
    let mut out = Vec::with_capacity(bytes.len() + packet.len());
    out.extend_from_slice(bytes.get(..length_at)?);
    out.extend_from_slice(new_length.as_bytes());
    out.extend_from_slice(bytes.get(length_end..start)?);
    out.extend_from_slice(packet.as_bytes());
    let moved = out.len().checked_sub(end)?;
    out.extend_from_slice(bytes.get(end..table)?);
    let mut lines = bytes.get(table..trailer).filter(|lines| lines.starts_with(b"xref\n"))?;
    while !lines.is_empty() {
        // An entry is twenty bytes: ten digits of a place, five of a generation, a letter.
        let entry = lines.get(..20).filter(|e| e[10] == b' ' && e[16] == b' ' && e[17] == b'n');
        if let Some(entry) = entry {
            let (place, _) = number(entry, 0)?;
            let place = if end < place { place + moved } else { place };
            out.extend_from_slice(format!("{place:010}").as_bytes());
            out.extend_from_slice(&entry[10..]);
            lines = lines.get(20..)?;
        } else {
            let end = lines.iter().position(|b| *b == b'\n')? + 1;
            out.extend_from_slice(lines.get(..end)?);
            lines = lines.get(end..)?;
        }
    }
    out.extend_from_slice(bytes.get(trailer..told)?);
    out.extend_from_slice(format!("startxref\n{}\n%%EOF", table + moved).as_bytes());
    Some(out)
}

/// Where a text stands at or behind a place.
fn find_from(bytes: &[u8], what: &[u8], from: usize) -> Option<usize> {
    Some(from + bytes.get(from..)?.windows(what.len()).position(|w| w == what)?)
}

/// Where a text stands last before a place.
fn rfind_before(bytes: &[u8], what: &[u8], before: usize) -> Option<usize> {
    bytes.get(..before)?.windows(what.len()).rposition(|w| w == what)
}

/// The number that starts at a place, and where it ends.
fn number(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let digits = bytes.get(at..)?.iter().take_while(|b| b.is_ascii_digit()).count();
    let text = std::str::from_utf8(bytes.get(at..at + digits)?).ok()?;
    Some((text.parse().ok()?, at + digits))
}

/// The packet with the properties, and their description among those that it has already.
fn complete(packet: &str, name: &str, level: &str) -> Option<String> {
    const NAMESPACE: &str = "urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#";
    const SCHEMAS: &str = "</rdf:Bag></pdfaExtension:schemas>";
    const END: &str = "</rdf:RDF>";
    let properties = [
        ("DocumentFileName", "The name of the embedded XML document"),
        ("DocumentType", "The type of the hybrid document in capital letters, e.g. INVOICE or ORDER"),
        ("Version", "The actual version of the standard applying to the embedded XML document"),
        ("ConformanceLevel", "The conformance level of the embedded XML document"),
    ];
    let described: String = properties
        .iter()
        .map(|(property, text)| {
            format!(
                "<rdf:li rdf:parseType=\"Resource\"><pdfaProperty:category>external</pdfaProperty:category>\
                 <pdfaProperty:description>{text}</pdfaProperty:description>\
                 <pdfaProperty:name>{property}</pdfaProperty:name>\
                 <pdfaProperty:valueType>Text</pdfaProperty:valueType></rdf:li>"
            )
        })
        .collect();
    let schema = format!(
        "<rdf:li rdf:parseType=\"Resource\"><pdfaSchema:schema>Factur-X PDFA Extension Schema</pdfaSchema:schema>\
         <pdfaSchema:namespaceURI>{NAMESPACE}</pdfaSchema:namespaceURI><pdfaSchema:prefix>fx</pdfaSchema:prefix>\
         <pdfaSchema:property><rdf:Seq>{described}</rdf:Seq></pdfaSchema:property></rdf:li>"
    );
    let values = format!(
        "<rdf:Description rdf:about=\"\" xmlns:fx=\"{NAMESPACE}\"><fx:DocumentType>INVOICE</fx:DocumentType>\
         <fx:DocumentFileName>{name}</fx:DocumentFileName><fx:Version>1.0</fx:Version>\
         <fx:ConformanceLevel>{level}</fx:ConformanceLevel></rdf:Description>"
    );
    let (before, rest) = packet.split_once(SCHEMAS)?;
    let (middle, after) = rest.split_once(END)?;
    Some(format!("{before}{schema}{SCHEMAS}{middle}{values}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_behind_the_packet_move_with_it() {
        let packet = "<?xpacket?><x><rdf:Bag></rdf:Bag></pdfaExtension:schemas></rdf:RDF></x><?xpacket end?>";
        let head = format!("%PDF\n1 0 obj\n<</Length {}>>\nstream\n{packet}\nendstream\nendobj\n", packet.len());
        let second = head.len();
        let body = format!("{head}2 0 obj\n<<>>\nendobj\n");
        let table = format!("xref\n0 3\n0000000000 65535 f\r\n{:010} 00000 n\r\n{second:010} 00000 n\r\n", 5);
        let file = format!("{body}{table}trailer\n<<>>\nstartxref\n{}\n%%EOF", body.len());
        let out = String::from_utf8(announce(file.into_bytes(), "a.xml", "X").unwrap()).unwrap();
        let place = |number: usize| {
            let entries = out.split("xref\n0 3\n").nth(1).unwrap();
            entries[number * 20..number * 20 + 10].parse::<usize>().unwrap()
        };
        assert!(out[place(1)..].starts_with("1 0 obj") && out[place(2)..].starts_with("2 0 obj"));
        let table: usize = out.split("startxref\n").nth(1).unwrap().split('\n').next().unwrap().parse().unwrap();
        assert!(out[table..].starts_with("xref\n"));
        let length: usize = out.split("/Length ").nth(1).unwrap().split('>').next().unwrap().parse().unwrap();
        assert!(out[out.find("<?xpacket?>").unwrap() + length..].starts_with("\nendstream"));
        assert!(announce(b"%PDF nothing".to_vec(), "a", "b").is_none());
    }
}
