//! Contact-to-cent proofs: the texts of contacts, their leaves and their root. The
//! canonical form is described in `proof.proto`; whoever has the contacts can
//! compute the root without this program.

use aws_lc_rs::digest::{Context, SHA256};
use rust_decimal::Decimal;

use super::money::{MoneyError, allocate};

/// The name of the canonical form.
pub const FORM: &str = "manydesk-line-1";

/// A SHA-256.
pub type Hash = [u8; 32];

/// The leaf of a contact: its fields, in order.
pub fn leaf(fields: &[&str]) -> Hash {
    let text: String = fields.iter().map(|f| format!("{}:{f};", f.len())).collect();
    hash(&[&[0], text.as_bytes()])
}

/// The root of leaves, by RFC 6962.
pub fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => hash(&[]),
        [one] => *one,
        more => {
            let (first, rest) = more.split_at(more.len().next_power_of_two() / 2);
            hash(&[&[1], &root(first), &root(rest)])
        }
    }
}

fn hash(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

/// Each contact's share of the line's amount, by quantity, to the minor unit; they
/// add up to it. Corrections weigh nothing; where nothing weighs, all weigh the same.
pub fn shares(amount: Decimal, quantities: &[Decimal], digits: u32) -> Result<Vec<Decimal>, MoneyError> {
    let weights: Vec<Decimal> = quantities.iter().map(|q| (*q).max(Decimal::ZERO)).collect();
    if weights.is_empty() { Ok(Vec::new()) } else { allocate(amount, &weights, digits) }
}

/// Hex, as it is shown.
pub fn hex(hash: &[u8]) -> String {
    hash.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_that_of_rfc_6962() {
        // the test vectors of Certificate Transparency's reference implementation
        let inputs: [&[u8]; 3] = [b"", b"\x00", b"\x10"];
        let leaves: Vec<Hash> = inputs.iter().map(|i| hash(&[&[0], i])).collect();
        assert_eq!(hex(&root(&[])), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(hex(&root(&leaves[..1])), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
        assert_eq!(hex(&root(&leaves[..2])), "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125");
        let all = concat!("aeb6bcfe274b70a14fb067a5e5578264", "db0fa9b51af5e0ba159158f3", "29e06e77");
        assert_eq!(hex(&root(&leaves)), all);
    }

    #[test]
    fn no_two_contents_share_a_text_and_no_cent_is_lost() {
        assert_ne!(leaf(&["a", "bc"]), leaf(&["ab", "c"]));
        assert_ne!(leaf(&["1:a;", ""]), leaf(&["", "1:a;"]));
        let d = |text: &str| text.parse::<Decimal>().unwrap();
        let got = shares(d("6.68"), &[d("1"), d("1"), d("-1"), d("1")], 2).unwrap();
        assert_eq!(got.iter().sum::<Decimal>(), d("6.68"));
        assert_eq!(got, [d("2.23"), d("2.23"), d("0.00"), d("2.22")]);
        assert!(shares(d("1"), &[], 2).unwrap().is_empty());
    }
}
