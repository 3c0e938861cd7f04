//! Writes a problem in the format of Curtois and Qu: `generate PEOPLE DAYS SHIFTS [MINUTES]`. Its people could work so
//! much as it asks for, and wish what chance makes them wish. Shifts are of round lengths, and up to so many minutes more.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sizes: Vec<u32> = std::env::args().skip(1).map(|text| text.parse()).collect::<Result<_, _>>()?;
    let [people, days, shifts, ref more @ ..] = sizes[..] else {
        return Err("generate PEOPLE DAYS SHIFTS [MINUTES]".into());
    };
    let odd = more.first().copied().unwrap_or(0);
    let mut rng = Pcg64::seed_from_u64(7);
    let lengths = [480, 480, 600, 360, 720];
    println!("SECTION_HORIZON\n{days}\n\nSECTION_SHIFTS");
    let minutes: Vec<u32> = (0..shifts).map(|_| lengths[rng.random_range(0..lengths.len())]).collect();
    let minutes: Vec<u32> = minutes
        .into_iter()
        .map(|minutes| if odd > 0 { minutes + rng.random_range(0..=odd) } else { minutes })
        .collect();
    for (shift, minutes) in minutes.iter().enumerate() {
        // A quarter of the day each; none is followed by one of an earlier quarter.
        let quarter = shift as u32 * 4 / shifts;
        let barred: Vec<String> = (0..shifts).filter(|s| s * 4 / shifts < quarter).map(|s| format!("s{s}")).collect();
        println!("s{shift},{minutes},{}", barred.join("|"));
    }
    println!("\nSECTION_STAFF");
    for person in 0..people {
        let most: Vec<String> = (0..shifts)
            .map(|s| {
                format!(
                    "s{s}={}",
                    if rng.random_bool(0.4) {
                        0
                    } else if rng.random_bool(0.1) {
                        days / 5
                    } else {
                        days
                    }
                )
            })
            .collect();
        let (least, more) = (days * 230, days * 300);
        let weekends = days / 14;
        println!(
            "p{person},{},{more},{least},{},2,{},{weekends}",
            most.join("|"),
            rng.random_range(4..7),
            rng.random_range(2..4)
        );
    }
    println!("\nSECTION_DAYS_OFF");
    for person in 0..people {
        let off: Vec<String> = (0..days / 28 + 1).map(|_| rng.random_range(0..days).to_string()).collect();
        println!("p{person},{}", off.join(","));
    }
    for (section, share) in [("ON", 0.1), ("OFF", 0.05)] {
        println!("\nSECTION_SHIFT_{section}_REQUESTS");
        for person in 0..people {
            for day in 0..days {
                if rng.random_bool(share) {
                    println!("p{person},{day},s{},{}", rng.random_range(0..shifts), rng.random_range(1..4));
                }
            }
        }
    }
    println!("\nSECTION_COVER");
    for day in 0..days {
        for shift in 0..shifts {
            let usual = f64::from(people) * 0.55 / f64::from(shifts);
            let need = (usual * rng.random_range(0.5..1.5)).round();
            println!("{day},s{shift},{need},100,1");
        }
    }
    Ok(())
}
