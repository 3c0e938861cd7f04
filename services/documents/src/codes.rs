//! Code lists, and identifiers that carry their own check digits.

/// ISO 3166-1 alpha-2, with `XI` (Northern Ireland) and `1A` (Kosovo) as EN 16931 has them.
const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR \
BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI \
FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS \
IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO \
MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA \
RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT \
TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW 1A XI";

/// Whether it is a country's code (BR-CL-14).
pub fn is_country(code: &str) -> bool {
    code.len() == 2 && COUNTRIES.split(' ').any(|c| c == code)
}

/// Decimal places of a currency's smallest unit; none if there is no such currency (BR-CL-04).
pub fn minor_digits(currency: &str) -> Option<u32> {
    iso_currency::Currency::from_code(currency)?.exponent().map(u32::from)
}

/// Whether a code looks like one of UN/ECE recommendation 20 or 21 (BR-CL-23).
pub fn is_unit(code: &str) -> bool {
    (1..=3).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

/// Whether a code looks like one of ISO 6523 (BR-CL-10, BR-CL-11).
pub fn is_registry(scheme: &str) -> bool {
    scheme.len() == 4 && scheme.bytes().all(|b| b.is_ascii_digit())
}

/// Whether a code looks like one of an electronic address (BR-CL-25).
pub fn is_address_scheme(scheme: &str) -> bool {
    is_registry(scheme) || matches!(scheme, "EM" | "AN" | "AQ" | "AS" | "AU")
}

/// Whether a code looks like one of the list VATEX (BR-CL-22).
pub fn is_exemption(code: &str) -> bool {
    let mut parts = code.split('-');
    parts.next() == Some("VATEX")
        && parts.next().is_some_and(|country| country == "EU" || is_country(country))
        && parts.clone().count() > 0
        && parts.all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()))
}

/// Whether an IBAN has the right length and check digits (ISO 13616).
pub fn is_iban(iban: &str) -> bool {
    let bytes = iban.as_bytes();
    (15..=34).contains(&bytes.len())
        && bytes[..2].iter().all(u8::is_ascii_uppercase)
        && bytes[2..4].iter().all(u8::is_ascii_digit)
        && remainder_97(&[&bytes[4..], &bytes[..4]]) == Some(1)
}

/// Whether a SEPA creditor identifier has the right check digits (EPC AT-02): its business code counts not.
pub fn is_creditor(id: &str) -> bool {
    let bytes = id.as_bytes();
    (8..=35).contains(&bytes.len())
        && bytes[..2].iter().all(u8::is_ascii_uppercase)
        && bytes[2..4].iter().all(u8::is_ascii_digit)
        && remainder_97(&[&bytes[7..], &bytes[..4]]) == Some(1)
}

/// Whether a Leitweg-ID has the right check digits; other buyer references have other shapes.
pub fn is_leitweg(id: &str) -> bool {
    let Some((rest, check)) = id.rsplit_once('-') else { return false };
    check.len() == 2
        && check.bytes().all(|b| b.is_ascii_digit())
        && rest.len() <= 43
        && rest.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase() || b == b'-')
        && remainder_97(&[rest.replace('-', "").as_bytes(), check.as_bytes()]) == Some(1)
}

/// ISO 7064 MOD 97-10 over digits and capital letters.
fn remainder_97(parts: &[&[u8]]) -> Option<u32> {
    parts.iter().copied().flatten().try_fold(0, |rest: u32, byte| match byte {
        b'0'..=b'9' => Some((rest * 10 + u32::from(byte - b'0')) % 97),
        b'A'..=b'Z' => Some((rest * 100 + u32::from(byte - b'A') + 10) % 97),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits_are_checked() {
        assert!(is_iban("DE89370400440532013000") && is_iban("FR1420041010050500013M02606"));
        assert!(!is_iban("DE88370400440532013000") && !is_iban("DE89 3704") && !is_iban("") && !is_iban("é"));
        assert!(is_creditor("DE98ZZZ09999999999") && !is_creditor("DE99ZZZ09999999999"));
        assert!(is_leitweg("04011000-12345-03") && !is_leitweg("04011000-12345-35") && !is_leitweg("x"));
    }

    #[test]
    fn codes_are_known_by_their_shape() {
        assert!(is_country("DE") && !is_country("de") && !is_country("ZZ") && !is_country("D "));
        assert_eq!((minor_digits("EUR"), minor_digits("JPY"), minor_digits("XAU")), (Some(2), Some(0), None));
        assert!(is_exemption("VATEX-EU-AE") && is_exemption("VATEX-EU-132-1A") && is_exemption("VATEX-FR-FRANCHISE"));
        assert!(!is_exemption("VATEX-EU") && !is_exemption("VATEX-ZZ-A") && !is_exemption("reverse"));
    }
}
