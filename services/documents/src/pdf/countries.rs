//! Countries by their names, for the last line of an address abroad.

use crate::language::Language;

/// German, English, French, Spanish, Italian.
const NAMES: &[(&str, [&str; 5])] = &[
    ("AT", ["Österreich", "Austria", "Autriche", "Austria", "Austria"]),
    ("BE", ["Belgien", "Belgium", "Belgique", "Bélgica", "Belgio"]),
    ("BG", ["Bulgarien", "Bulgaria", "Bulgarie", "Bulgaria", "Bulgaria"]),
    ("CA", ["Kanada", "Canada", "Canada", "Canadá", "Canada"]),
    ("CH", ["Schweiz", "Switzerland", "Suisse", "Suiza", "Svizzera"]),
    ("CY", ["Zypern", "Cyprus", "Chypre", "Chipre", "Cipro"]),
    ("CZ", ["Tschechien", "Czechia", "Tchéquie", "Chequia", "Cechia"]),
    ("DE", ["Deutschland", "Germany", "Allemagne", "Alemania", "Germania"]),
    ("DK", ["Dänemark", "Denmark", "Danemark", "Dinamarca", "Danimarca"]),
    ("EE", ["Estland", "Estonia", "Estonie", "Estonia", "Estonia"]),
    ("ES", ["Spanien", "Spain", "Espagne", "España", "Spagna"]),
    ("FI", ["Finnland", "Finland", "Finlande", "Finlandia", "Finlandia"]),
    ("FR", ["Frankreich", "France", "France", "Francia", "Francia"]),
    ("GB", ["Vereinigtes Königreich", "United Kingdom", "Royaume-Uni", "Reino Unido", "Regno Unito"]),
    ("GR", ["Griechenland", "Greece", "Grèce", "Grecia", "Grecia"]),
    ("HR", ["Kroatien", "Croatia", "Croatie", "Croacia", "Croazia"]),
    ("HU", ["Ungarn", "Hungary", "Hongrie", "Hungría", "Ungheria"]),
    ("IE", ["Irland", "Ireland", "Irlande", "Irlanda", "Irlanda"]),
    ("IT", ["Italien", "Italy", "Italie", "Italia", "Italia"]),
    ("LI", ["Liechtenstein", "Liechtenstein", "Liechtenstein", "Liechtenstein", "Liechtenstein"]),
    ("LT", ["Litauen", "Lithuania", "Lituanie", "Lituania", "Lituania"]),
    ("LU", ["Luxemburg", "Luxembourg", "Luxembourg", "Luxemburgo", "Lussemburgo"]),
    ("LV", ["Lettland", "Latvia", "Lettonie", "Letonia", "Lettonia"]),
    ("MT", ["Malta", "Malta", "Malte", "Malta", "Malta"]),
    ("NL", ["Niederlande", "Netherlands", "Pays-Bas", "Países Bajos", "Paesi Bassi"]),
    ("NO", ["Norwegen", "Norway", "Norvège", "Noruega", "Norvegia"]),
    ("PL", ["Polen", "Poland", "Pologne", "Polonia", "Polonia"]),
    ("PT", ["Portugal", "Portugal", "Portugal", "Portugal", "Portogallo"]),
    ("RO", ["Rumänien", "Romania", "Roumanie", "Rumanía", "Romania"]),
    ("SE", ["Schweden", "Sweden", "Suède", "Suecia", "Svezia"]),
    ("SI", ["Slowenien", "Slovenia", "Slovénie", "Eslovenia", "Slovenia"]),
    ("SK", ["Slowakei", "Slovakia", "Slovaquie", "Eslovaquia", "Slovacchia"]),
    ("TR", ["Türkei", "Türkiye", "Turquie", "Turquía", "Turchia"]),
    ("UA", ["Ukraine", "Ukraine", "Ukraine", "Ucrania", "Ucraina"]),
    ("US", ["Vereinigte Staaten", "United States", "États-Unis", "Estados Unidos", "Stati Uniti"]),
];

/// The name of a country; its code where it has no name here.
pub fn country(code: &str, language: Language) -> &str {
    let found = NAMES.iter().find(|(c, _)| *c == code);
    found.and_then(|(_, names)| names.get(language as usize)).copied().unwrap_or(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order_and_codes_are_countries() {
        assert!(NAMES.is_sorted_by(|a, b| a.0 < b.0));
        assert!(NAMES.iter().all(|(code, _)| crate::codes::is_country(code)));
        assert_eq!((country("FR", Language::Spanish), country("JP", Language::German)), ("Francia", "JP"));
    }
}
