//! The countries of ISO 3166-1 and what their seat means for tax numbers and
//! data protection.

/// All assigned alpha-2 codes, in order.
const CODES: &str = "\
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT \
BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH \
ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT \
HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS \
LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI \
NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG \
SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG \
UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

/// The member states of the European Union (2020 on).
const EU: &str = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK";

/// The European Economic Area beyond the Union.
const EEA_BEYOND: &str = "IS LI NO";

/// Whether a code is assigned.
pub fn is_country(code: &str) -> bool {
    holds(CODES, code)
}

/// Whether a country is a member of the European Union.
pub fn in_eu(code: &str) -> bool {
    holds(EU, code)
}

/// Whether personal data may go there without a transfer basis (Art. 44 GDPR
/// speaks of third countries; the EEA is none).
pub fn in_eea(code: &str) -> bool {
    in_eu(code) || holds(EEA_BEYOND, code)
}

/// Whether a company seated there has a VAT id that can be verified by its form.
pub fn has_vat_id(code: &str) -> bool {
    in_eu(code) || holds("GB CH NO", code)
}

fn holds(list: &str, code: &str) -> bool {
    code.len() == 2 && list.split_ascii_whitespace().any(|c| c == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_249_countries_and_27_in_the_union() {
        assert_eq!(CODES.split_ascii_whitespace().count(), 249);
        assert_eq!(EU.split_ascii_whitespace().count(), 27);
        assert!(EU.split_ascii_whitespace().all(is_country));
        assert!(is_country("IT") && !is_country("it") && !is_country("UK") && !is_country("IT FR") && !is_country(""));
    }
}
