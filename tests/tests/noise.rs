//! The mail intake against everything that a mail can be: the seeds of the fuzz target, and what chance makes of
//! them. `make fuzz` goes on where this ends, with the same function.

use std::path::Path;
use std::time::{Duration, Instant};

use proptest::prelude::*;

#[path = "../fuzz/take.rs"]
mod take;

/// So long may the longest of these mails take, on a machine that does much else; the usual is some milliseconds.
const LONGEST: Duration = Duration::from_secs(20);
/// Mails grow to this size at most, in bytes.
const LARGEST: usize = 256 * 1024;

fn seeds() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    let mut seeds: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
        .expect("the seeds")
        .map(|entry| entry.expect("a seed").path())
        .map(|path| (path.display().to_string(), std::fs::read(&path).expect("a mail")))
        .collect();
    seeds.sort();
    seeds
}

fn timed(raw: &[u8]) {
    let begun = Instant::now();
    take::take(raw);
    assert!(begun.elapsed() < LONGEST, "a mail of {} bytes took {:?}", raw.len(), begun.elapsed());
}

#[test]
fn every_seed_is_taken_in_or_set_aside() {
    let seeds = seeds();
    assert!(25 < seeds.len(), "{} seeds", seeds.len());
    for (name, raw) in &seeds {
        println!("{name}");
        timed(raw);
        // What a server would make of them: without a head, without an end, twice, with other ends of lines.
        for cut in [1, raw.len() / 3, raw.len() / 2] {
            timed(&raw[cut.min(raw.len())..]);
            timed(&raw[..raw.len() - cut.min(raw.len())]);
        }
        timed(&raw.repeat(2));
        timed(&String::from_utf8_lossy(raw).replace("\r\n", "\n").into_bytes());
        timed(&String::from_utf8_lossy(raw).replace("\r\n", "\r").into_bytes());
    }
}

#[test]
fn what_the_file_of_a_crash_holds_is_taken_in_or_set_aside() {
    // `FUZZ_MAIL=tests/fuzz/artifacts/intake/crash-… cargo test -p tests noise::` tells what was wrong.
    if let Some(path) = std::env::var_os("FUZZ_MAIL") {
        timed(&std::fs::read(path).expect("a mail"));
    }
}

/// A change of some bytes.
#[derive(Debug, Clone)]
enum Spoil {
    Cut(usize, usize),
    Put(usize, Vec<u8>),
    Repeat(usize, usize, usize),
    Flip(usize, u8),
    Splice(usize, usize),
}

fn spoils(seeds: usize) -> impl Strategy<Value = Vec<Spoil>> {
    let words = prop::sample::select(vec![
        "\r\n\r\n".as_bytes(),
        b"\r\n",
        b"--b\r\n",
        b"--b--",
        b"Content-Type: multipart/mixed; boundary=b\r\n",
        b"Content-Type: text/html\r\n\r\n",
        b"Content-Transfer-Encoding: quoted-printable\r\n",
        b"=?utf-8?Q?=0D=0ABcc:_x@y.z?=",
        b"<script>",
        b"</script",
        b"<svg><style>",
        b"<!--",
        b"charset=utf-16",
        b"filename*=utf-8''..%2Fx.exe",
        b"From: \"a\" <b@c.d>\r\n",
        b"References: <m1@x> <m1@x>\r\n",
        b"\x00\xff\xfe",
        b"028-1111111-2222222",
        b"MAS-7",
        b"\xe2\x80\xae",
    ]);
    let spoil = prop_oneof![
        (any::<usize>(), 0..300_usize).prop_map(|(at, length)| Spoil::Cut(at, length)),
        (any::<usize>(), prop::collection::vec(any::<u8>(), 0..60)).prop_map(|(at, bytes)| Spoil::Put(at, bytes)),
        (any::<usize>(), words).prop_map(|(at, word)| Spoil::Put(at, word.to_vec())),
        (any::<usize>(), 0..200_usize, 1..80_usize).prop_map(|(at, length, times)| Spoil::Repeat(at, length, times)),
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Spoil::Flip(at, byte)),
        (any::<usize>(), 0..seeds).prop_map(|(at, seed)| Spoil::Splice(at, seed)),
    ];
    prop::collection::vec(spoil, 0..10)
}

fn spoilt(seeds: &[(String, Vec<u8>)], seed: usize, spoils: &[Spoil]) -> Vec<u8> {
    let mut raw = seeds[seed % seeds.len()].1.clone();
    for spoil in spoils {
        let from = match spoil {
            Spoil::Cut(at, _)
            | Spoil::Put(at, _)
            | Spoil::Repeat(at, _, _)
            | Spoil::Flip(at, _)
            | Spoil::Splice(at, _) => at % (raw.len() + 1),
        };
        match spoil {
            Spoil::Cut(_, length) => {
                raw.drain(from..(from + length).min(raw.len()));
            }
            Spoil::Put(_, bytes) => {
                raw.splice(from..from, bytes.iter().copied());
            }
            Spoil::Repeat(_, length, times) => {
                let piece = raw[from..(from + length).min(raw.len())].repeat(*times);
                raw.splice(from..from, piece);
            }
            Spoil::Flip(_, byte) => {
                if let Some(found) = raw.get_mut(from) {
                    *found = *byte;
                }
            }
            Spoil::Splice(_, other) => {
                raw.splice(from..from, seeds[*other].1.iter().copied());
            }
        }
        raw.truncate(LARGEST);
    }
    raw
}

// PROPTEST_CASES asks for more of them.
proptest! {
    #[test]
    fn whatever_chance_makes_of_a_mail_is_taken_in_or_set_aside(seed in any::<prop::sample::Index>(), spoils in spoils(28)) {
        let seeds = seeds();
        timed(&spoilt(&seeds, seed.index(seeds.len()), &spoils));
    }
}
