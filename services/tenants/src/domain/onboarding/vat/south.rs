//! France, Switzerland, Hungary, Slovakia and the countries around the
//! Mediterranean and the Black Sea.

use super::Verdict::{self, Form};
use super::{digits, luhn, mod_11_10, number, weighted};

pub(super) fn bulgaria(body: &str) -> Verdict {
    if let Some(d) = digits::<9>(body) {
        let first = weighted(&d[..8], &[1, 2, 3, 4, 5, 6, 7, 8]) % 11;
        let check = if first == 10 { weighted(&d[..8], &[3, 4, 5, 6, 7, 8, 9, 10]) % 11 % 10 } else { first };
        return (check == d[8]).into();
    }
    let Some(d) = digits::<10>(body) else { return Form };
    // People, foreigners, others.
    let person = weighted(&d[..9], &[2, 4, 8, 5, 10, 9, 7, 3, 6]) % 11 % 10;
    let foreigner = weighted(&d[..9], &[21, 19, 17, 13, 11, 9, 7, 3, 1]) % 10;
    let other = (11 - weighted(&d[..9], &[4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11) % 11;
    [person, foreigner, other].contains(&d[9]).into()
}

pub(super) fn cyprus(body: &str) -> Verdict {
    const ODD: [u32; 10] = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21];
    let Some(d) = body.get(..8).and_then(digits::<8>) else { return Form };
    let [letter] = &body.as_bytes()[8..] else { return Form };
    if !letter.is_ascii_uppercase() || d[..2] == [1, 2] {
        return Form;
    }
    let sum: u32 = d.iter().enumerate().map(|(i, n)| if i % 2 == 0 { ODD[*n as usize] } else { *n }).sum();
    (u32::from(letter - b'A') == sum % 26).into()
}

pub(super) fn greece(body: &str) -> Verdict {
    let padded = format!("{body:0>9}");
    let Some(d) = digits::<9>(&padded).filter(|_| body.len() >= 8) else { return Form };
    let sum = d[..8].iter().fold(0, |sum, n| sum * 2 + n);
    (sum * 2 % 11 % 10 == d[8]).into()
}

pub(super) fn spain(body: &str) -> Verdict {
    const PERSON: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";
    const COMPANY: &[u8; 10] = b"JABCDEFGHI";
    let bytes = body.as_bytes();
    let [first, .., last] = bytes else { return Form };
    if bytes.len() != 9 {
        return Form;
    }
    let middle = digits::<7>(&body[1..8]);
    let person = |lead: u32, rest: &[u32]| {
        let n = rest.iter().fold(u64::from(lead), |n, d| n * 10 + u64::from(*d));
        Verdict::from(PERSON[(n % 23) as usize] == *last)
    };
    match (first, middle) {
        (b'0'..=b'9', Some(d)) if last.is_ascii_uppercase() => person(u32::from(first - b'0'), &d),
        (b'X'..=b'Z', Some(d)) if last.is_ascii_uppercase() => person(u32::from(first - b'X'), &d),
        (b'K' | b'L' | b'M', Some(d)) if last.is_ascii_uppercase() => person(0, &d),
        (b'A'..=b'H' | b'J' | b'N' | b'P'..=b'S' | b'U' | b'V' | b'W', Some(d)) => {
            let sum: u32 =
                d.iter().enumerate().map(|(i, n)| if i % 2 == 1 { *n } else { 2 * n / 10 + 2 * n % 10 }).sum();
            let check = (10 - sum % 10) % 10;
            // Which form a company has depends on its kind; registers are not consistent.
            (*last == COMPANY[check as usize] || u32::from(*last) == u32::from(b'0') + check).into()
        }
        _ => Form,
    }
}

pub(super) fn france(body: &str) -> Verdict {
    const KEY: &str = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ";
    let Some(siren) = body.get(2..).and_then(digits::<9>) else { return Form };
    let place = |b: u8| KEY.find(char::from(b)).and_then(|i| i64::try_from(i).ok());
    let (Some(a), Some(b)) = (place(body.as_bytes()[0]), place(body.as_bytes()[1])) else { return Form };
    // Monaco's numbers begin with 000 and do not follow Luhn.
    if siren[..3] != [0, 0, 0] && !luhn(&siren) {
        return Verdict::Check;
    }
    let n = i64::try_from(number(&siren)).unwrap_or(0);
    if a < 10 && b < 10 {
        return ((n * 100 + 12) % 97 == a * 10 + b).into();
    }
    let check = if a < 10 { a * 24 + b - 10 } else { a * 34 + b - 100 };
    ((n + 1 + check.div_euclid(11)).rem_euclid(11) == check.rem_euclid(11)).into()
}

pub(super) fn croatia(body: &str) -> Verdict {
    let Some(d) = digits::<11>(body) else { return Form };
    mod_11_10(&d).into()
}

pub(super) fn hungary(body: &str) -> Verdict {
    let Some(d) = digits::<8>(body) else { return Form };
    weighted(&d, &[9, 7, 3, 1, 9, 7, 3, 1]).is_multiple_of(10).into()
}

pub(super) fn italy(body: &str) -> Verdict {
    let Some(d) = digits::<11>(body) else { return Form };
    // The office: a province, or 120, 121, 888, 999.
    let office = number(&d[7..10]);
    let known = (1..=100).contains(&office) || matches!(office, 120 | 121 | 888 | 999);
    (number(&d[..7]) > 0 && known && luhn(&d)).into()
}

pub(super) fn malta(body: &str) -> Verdict {
    let Some(d) = digits::<8>(body).filter(|d| d[0] != 0) else { return Form };
    weighted(&d, &[3, 4, 6, 7, 8, 9, 10, 1]).is_multiple_of(37).into()
}

pub(super) fn portugal(body: &str) -> Verdict {
    let Some(d) = digits::<9>(body).filter(|d| d[0] != 0) else { return Form };
    let sum = weighted(&d[..8], &[9, 8, 7, 6, 5, 4, 3, 2]);
    ((11 - sum % 11) % 11 % 10 == d[8]).into()
}

pub(super) fn romania(body: &str) -> Verdict {
    if !(2..=10).contains(&body.len()) || body.starts_with('0') {
        return Form;
    }
    let padded = format!("{body:0>10}");
    let Some(d) = digits::<10>(&padded) else { return Form };
    (10 * weighted(&d[..9], &[7, 5, 3, 2, 1, 7, 5, 3, 2]) % 11 % 10 == d[9]).into()
}

pub(super) fn slovenia(body: &str) -> Verdict {
    let Some(d) = digits::<8>(body).filter(|d| d[0] != 0) else { return Form };
    let rest = 11 - weighted(&d[..7], &[8, 7, 6, 5, 4, 3, 2]) % 11;
    (rest != 11 && rest % 10 == d[7]).into()
}

pub(super) fn slovakia(body: &str) -> Verdict {
    let fits = |d: &[u32; 10]| d[0] != 0 && matches!(d[2], 2..=4 | 7..=9);
    let Some(d) = digits::<10>(body).filter(fits) else { return Form };
    number(&d).is_multiple_of(11).into()
}

pub(super) fn switzerland(body: &str) -> Verdict {
    let suffix = ["MWST", "TVA", "IVA", "TPV"].iter().find_map(|s| body.strip_suffix(s));
    let Some(d) = suffix.and_then(digits::<9>) else { return Form };
    let check = (11 - weighted(&d[..8], &[5, 4, 3, 2, 7, 6, 5, 4]) % 11) % 11;
    (check == d[8]).into()
}
