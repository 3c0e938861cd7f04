//! Austria, the Benelux, Germany, Poland, Czechia, the Baltic and Nordic
//! countries, Ireland and Great Britain.

use super::Verdict::{self, Form};
use super::{digits, luhn, mod_11_10, number, weighted};

pub(super) fn austria(body: &str) -> Verdict {
    let Some(d) = body.strip_prefix('U').and_then(digits::<8>) else { return Form };
    let sum: u32 = d[..7].iter().enumerate().map(|(i, n)| if i % 2 == 0 { *n } else { 2 * n / 10 + 2 * n % 10 }).sum();
    ((10 - (sum + 4) % 10) % 10 == d[7]).into()
}

pub(super) fn belgium(body: &str) -> Verdict {
    let padded = format!("{body:0>10}");
    let Some(d) = digits::<10>(&padded).filter(|d| d[0] < 2 && body.len() >= 9) else { return Form };
    (number(&d[..8]) > 0 && 97 - number(&d[..8]) % 97 == number(&d[8..])).into()
}

pub(super) fn czechia(body: &str) -> Verdict {
    if let Some(d) = digits::<8>(body) {
        // Companies; 9 is reserved.
        let rest = (11 - weighted(&d[..7], &[8, 7, 6, 5, 4, 3, 2]) % 11) % 11;
        let check = if rest == 0 { 1 } else { rest % 10 };
        return (d[0] != 9 && check == d[7]).into();
    }
    if let Some(d) = digits::<9>(body) {
        if d[0] == 6 {
            // People without a birth number.
            let rest = weighted(&d[1..8], &[8, 7, 6, 5, 4, 3, 2]) % 11;
            return (8 - (21 - i64::from(rest)) % 11 == i64::from(d[8])).into();
        }
        // Birth numbers before 1954 carry no check digit.
        return (plausible_birth(&d) && number(&d[..2]) < 54).into();
    }
    let Some(d) = digits::<10>(body) else { return Form };
    let rest = number(&d[..9]) % 11 % 10;
    (plausible_birth(&d) && rest == u64::from(d[9])).into()
}

fn plausible_birth(d: &[u32]) -> bool {
    let month = number(&d[2..4]) % 50;
    let day = number(&d[4..6]);
    (1..=12).contains(&(month % 20)) && (1..=31).contains(&day)
}

pub(super) fn germany(body: &str) -> Verdict {
    let Some(d) = digits::<9>(body).filter(|d| d[0] != 0) else { return Form };
    mod_11_10(&d).into()
}

pub(super) fn denmark(body: &str) -> Verdict {
    let Some(d) = digits::<8>(body).filter(|d| d[0] != 0) else { return Form };
    weighted(&d, &[2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11).into()
}

pub(super) fn estonia(body: &str) -> Verdict {
    let Some(d) = digits::<9>(body) else { return Form };
    weighted(&d, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10).into()
}

pub(super) fn finland(body: &str) -> Verdict {
    let Some(d) = digits::<8>(body) else { return Form };
    weighted(&d, &[7, 9, 10, 5, 8, 4, 2, 1]).is_multiple_of(11).into()
}

pub(super) fn ireland(body: &str) -> Verdict {
    const LETTERS: &[u8; 23] = b"WABCDEFGHIJKLMNOPQRSTUV";
    let bytes = body.as_bytes();
    let letter = |b: u8| u32::from(b - b'A' + 1);
    // The old form has a letter, + or * in the second place; the digits move up.
    if let [first, second, .., last] = bytes
        && bytes.len() == 8
        && !second.is_ascii_digit()
    {
        let fits = second.is_ascii_uppercase() || matches!(second, b'+' | b'*');
        let Some(d) = digits::<5>(&body[2..7]).filter(|_| fits && first.is_ascii_digit() && last.is_ascii_uppercase())
        else {
            return Form;
        };
        let sum = weighted(&d, &[7, 6, 5, 4, 3]) + 2 * u32::from(first - b'0');
        return (LETTERS[sum as usize % 23] == *last).into();
    }
    let Some(d) = body.get(..7).and_then(digits::<7>) else { return Form };
    let extra = match &bytes[7..] {
        [check] if check.is_ascii_uppercase() => 0,
        [check, second] if check.is_ascii_uppercase() && matches!(second, b'A'..=b'I') => 9 * letter(*second),
        [check, b'W'] if check.is_ascii_uppercase() => 0,
        _ => return Form,
    };
    let sum = weighted(&d, &[8, 7, 6, 5, 4, 3, 2]) + extra;
    (LETTERS[sum as usize % 23] == bytes[7]).into()
}

pub(super) fn lithuania(body: &str) -> Verdict {
    let right = |d: &[u32]| {
        let Some((check, rest)) = d.split_last() else { return false };
        let sum = |shift: usize| -> u32 {
            rest.iter().enumerate().map(|(i, n)| n * u32::try_from((i + shift) % 9 + 1).unwrap_or(0)).sum()
        };
        let first = sum(0) % 11;
        let wanted = if first == 10 { sum(2) % 11 % 10 } else { first };
        wanted == *check
    };
    match (digits::<9>(body), digits::<12>(body)) {
        (Some(d), _) if d[7] == 1 => right(&d).into(),
        (_, Some(d)) if d[10] == 1 => right(&d).into(),
        _ => Form,
    }
}

pub(super) fn luxembourg(body: &str) -> Verdict {
    let Some(d) = digits::<8>(body) else { return Form };
    (number(&d[..6]) % 89 == number(&d[6..])).into()
}

pub(super) fn latvia(body: &str) -> Verdict {
    let Some(d) = digits::<11>(body) else { return Form };
    if d[0] > 3 {
        // Companies.
        return (weighted(&d, &[9, 1, 4, 8, 3, 10, 2, 5, 7, 6, 1]) % 11 == 3).into();
    }
    // People: personal codes since 2017 begin with 32 and hold no date.
    let sum = 1 + weighted(&d[..10], &[10, 5, 8, 4, 2, 1, 6, 3, 7, 9]);
    let dated = (1..=31).contains(&number(&d[..2])) && (1..=12).contains(&number(&d[2..4]));
    ((dated || d[..2] == [3, 2]) && sum % 11 % 10 == d[10]).into()
}

pub(super) fn netherlands(body: &str) -> Verdict {
    let bytes = body.as_bytes();
    let (Some(d), Some(suffix)) = (body.get(..9).and_then(digits::<9>), body.get(10..).and_then(digits::<2>)) else {
        return Form;
    };
    if bytes.get(9) != Some(&b'B') || number(&suffix) == 0 || number(&d) == 0 {
        return Form;
    }
    // Companies: the eleven test; sole traders since 2020: MOD 97-10 over all.
    let eleven = (weighted(&d[..8], &[9, 8, 7, 6, 5, 4, 3, 2]) + 10 * d[8]).is_multiple_of(11);
    let remainder = "NL".bytes().chain(body.bytes()).fold(0u64, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u64::from(byte - b'0')) % 97,
        _ => (rest * 100 + u64::from(byte - b'A') + 10) % 97,
    });
    (eleven || remainder == 1).into()
}

pub(super) fn poland(body: &str) -> Verdict {
    let Some(d) = digits::<10>(body) else { return Form };
    (weighted(&d[..9], &[6, 5, 7, 2, 3, 4, 5, 6, 7]) % 11 == d[9]).into()
}

pub(super) fn sweden(body: &str) -> Verdict {
    let Some(d) = digits::<12>(body).filter(|d| d[10..] == [0, 1]) else { return Form };
    luhn(&d[..10]).into()
}

pub(super) fn britain(body: &str) -> Verdict {
    if let Some(d) = body.strip_prefix("GD").and_then(digits::<3>) {
        return (number(&d) < 500).into();
    }
    if let Some(d) = body.strip_prefix("HA").and_then(digits::<3>) {
        return (number(&d) >= 500).into();
    }
    let nine = if body.len() == 12 && digits::<12>(body).is_some() { &body[..9] } else { body };
    let Some(d) = digits::<9>(nine) else { return Form };
    let rest = weighted(&d, &[8, 7, 6, 5, 4, 3, 2, 10, 1]) % 97;
    // Since 2010 numbers from 100 on may be offset by 55 (hence 42 as well).
    (rest == 0 || number(&d[..3]) >= 100 && matches!(rest, 42 | 55)).into()
}

pub(super) fn norway(body: &str) -> Verdict {
    let Some(d) = body.strip_suffix("MVA").and_then(digits::<9>) else { return Form };
    let check = (11 - weighted(&d[..8], &[3, 2, 7, 6, 5, 4, 3, 2]) % 11) % 11;
    (check == d[8]).into()
}
