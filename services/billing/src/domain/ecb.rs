//! The reference rates of the European Central Bank as it publishes them: XML
//! (`eurofxref-daily.xml`, `-hist-90d.xml`) and CSV (`eurofxref.csv`, `-hist.csv`).

use jiff::civil::Date;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::exchange::Rate;
use super::money::{Currency, parse_decimal};
use super::period::parse_date;

/// Rates of one file at most.
pub const MOST_RATES: usize = 50_000;
/// Who published them.
const SOURCE: &str = "ECB";

/// What a file told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Read {
    pub rates: Vec<Rate>,
    /// Rates that are not there (`N/A`) or of currencies that are none any more.
    pub skipped: usize,
}

/// Why a file cannot be read; the number is of its line or record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EcbError {
    #[error("is no file of reference rates")]
    NotRates,
    #[error("holds a date that is none in record {0}")]
    Date(usize),
    #[error("holds a rate that is none in record {0}")]
    NotARate(usize),
    #[error("holds more than {MOST_RATES} rates")]
    TooMany,
}

/// Reads XML.
pub fn xml(text: &str) -> Result<Read, EcbError> {
    let mut reader = Reader::from_str(text);
    let (mut read, mut date, mut record) = (Read::default(), None, 0);
    loop {
        let cube = match reader.read_event().map_err(|_| EcbError::NotRates)? {
            Event::Eof => break,
            Event::Start(element) | Event::Empty(element) if element.local_name().as_ref() == b"Cube" => element,
            _ => continue,
        };
        record += 1;
        if let Some(time) = attribute(&cube, b"time")? {
            date = Some(parse_date(&time).map_err(|_| EcbError::Date(record))?);
        }
        if let (Some(currency), Some(rate)) = (attribute(&cube, b"currency")?, attribute(&cube, b"rate")?) {
            let on = date.ok_or(EcbError::Date(record))?;
            take(&mut read, &currency, on, &rate, record)?;
        }
    }
    if read.rates.is_empty() { Err(EcbError::NotRates) } else { Ok(read) }
}

fn attribute(element: &BytesStart<'_>, name: &[u8]) -> Result<Option<String>, EcbError> {
    let found = element.try_get_attribute(name).map_err(|_| EcbError::NotRates)?;
    // Codes, dates and numbers hold nothing that is escaped.
    found.map(|a| String::from_utf8(a.value.into_owned()).map_err(|_| EcbError::NotRates)).transpose()
}

/// Reads CSV: a head with the currencies, then a row for each date.
pub fn csv(text: &str) -> Result<Read, EcbError> {
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let mut records = reader.records();
    let head = records.next().and_then(Result::ok).ok_or(EcbError::NotRates)?;
    if head.get(0).map(|first| first.trim_start_matches('\u{feff}')) != Some("Date") {
        return Err(EcbError::NotRates);
    }
    let mut read = Read::default();
    for (index, record) in records.enumerate() {
        let number = index + 2;
        let record = record.map_err(|_| EcbError::NotRates)?;
        let on = record.get(0).and_then(date_of).ok_or(EcbError::Date(number))?;
        for (currency, rate) in head.iter().zip(record.iter()).skip(1).filter(|(currency, _)| !currency.is_empty()) {
            take(&mut read, currency, on, rate, number)?;
        }
    }
    if read.rates.is_empty() { Err(EcbError::NotRates) } else { Ok(read) }
}

/// `2026-11-20`, or `20 November 2026` as in the file of a day.
fn date_of(text: &str) -> Option<Date> {
    parse_date(text).ok().or_else(|| Date::strptime("%d %B %Y", text).ok())
}

fn take(read: &mut Read, currency: &str, date: Date, rate: &str, record: usize) -> Result<(), EcbError> {
    let known = Currency::parse(currency).ok().filter(|c| c.code() != "EUR");
    let (Some(quote), Ok(base), false) = (known, Currency::parse("EUR"), rate.is_empty() || rate == "N/A") else {
        read.skipped += 1;
        return Ok(());
    };
    let rate = parse_decimal(rate, 12).ok().filter(|rate| *rate > 0.into()).ok_or(EcbError::NotARate(record))?;
    if read.rates.len() == MOST_RATES {
        return Err(EcbError::TooMany);
    }
    read.rates.push(Rate { base, quote, date, rate, source: SOURCE.into() });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAILY: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01" xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">
	<gesmes:subject>Reference rates</gesmes:subject>
	<gesmes:Sender><gesmes:name>European Central Bank</gesmes:name></gesmes:Sender>
	<Cube>
		<Cube time='2026-11-20'>
			<Cube currency='USD' rate='1.0833'/>
			<Cube currency='JPY' rate='161.33'/>
			<Cube currency='ZZZ' rate='7'/>
		</Cube>
		<Cube time="2026-11-19"><Cube currency="USD" rate="1.08"/></Cube>
	</Cube>
</gesmes:Envelope>"#;

    #[test]
    fn xml_and_csv_say_the_same() {
        let from_xml = xml(DAILY).unwrap();
        let told: Vec<_> =
            from_xml.rates.iter().map(|r| (r.quote.code(), r.date.to_string(), r.rate.to_string())).collect();
        let wanted = [("USD", "2026-11-20", "1.0833"), ("JPY", "2026-11-20", "161.33"), ("USD", "2026-11-19", "1.08")];
        assert_eq!(told, wanted.map(|(c, d, r)| (c, d.to_owned(), r.to_owned())));
        assert_eq!(from_xml.skipped, 1);
        let history = "Date,USD,JPY,CYP,\n2026-11-20,1.0833,161.33,N/A,\n2026-11-19,1.08,N/A,0.5,\n";
        let from_csv = csv(history).unwrap();
        assert_eq!((&from_csv.rates, from_csv.skipped), (&from_xml.rates, 3));
        let daily = "Date, USD, JPY, \n20 November 2026, 1.0833, 161.33, \n";
        assert_eq!(csv(daily).unwrap().rates, from_xml.rates[..2]);
    }

    #[test]
    fn what_is_no_file_of_rates_is_refused() {
        for bad in ["", "<a/>", "<Cube", "Date,USD\n", "<Cube time='2026-11-20'/>"] {
            assert_eq!(xml(bad), Err(EcbError::NotRates), "{bad}");
        }
        assert_eq!(xml("<Cube time='yesterday'/>"), Err(EcbError::Date(1)));
        assert_eq!(xml("<Cube currency='USD' rate='1'/>"), Err(EcbError::Date(1)));
        assert_eq!(xml("<Cube time='2026-11-20'><Cube currency='USD' rate='1e3'/></Cube>"), Err(EcbError::NotARate(2)));
        assert_eq!(xml("<Cube time='2026-11-20'><Cube currency='USD' rate='0'/></Cube>"), Err(EcbError::NotARate(2)));
        for bad in ["", "USD,JPY\n1,2\n", "Date,USD\n"] {
            assert_eq!(csv(bad), Err(EcbError::NotRates), "{bad}");
        }
        assert_eq!(csv("Date,USD\nyesterday,1\n"), Err(EcbError::Date(2)));
        assert_eq!(csv("Date,USD\n2026-11-20,-1\n"), Err(EcbError::NotARate(2)));
    }
}
