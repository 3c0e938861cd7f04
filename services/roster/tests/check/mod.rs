//! The checkers: penalty and rules from an instance file and a roster file alone. They share nothing with the crate,
//! not even how a file is read.

#![allow(dead_code)]

use std::collections::HashMap;
use std::path::PathBuf;

/// Where the public instances lie, if they do.
pub fn shared(folder: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(folder);
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("SKIPPED: the public instances of {folder} are not beside the repository");
    None
}

fn sections(text: &str) -> HashMap<String, Vec<Vec<String>>> {
    let mut found: HashMap<String, Vec<Vec<String>>> = HashMap::new();
    let mut name = String::new();
    for line in text.lines().map(|line| line.trim_end_matches('\r').trim()) {
        if line.is_empty() || line.starts_with('#') {
        } else if let Some(section) = line.strip_prefix("SECTION_") {
            name = section.to_string();
        } else {
            found
                .entry(name.clone())
                .or_default()
                .push(line.split(',').map(|field| field.trim().to_string()).collect());
        }
    }
    found
}

fn int(text: &str) -> i64 {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is no number"))
}

/// The penalty of a roster of shifts, or what it breaks.
pub fn shifts(instance: &str, roster: &str) -> Result<i64, String> {
    let all = sections(instance);
    let of = |name: &str| all.get(name).cloned().unwrap_or_default();
    let days = int(&of("HORIZON")[0][0]) as usize;
    let rows: Vec<Vec<&str>> = roster.lines().map(|line| line.split(',').collect()).collect();
    let staff = of("STAFF");
    if rows.len() != staff.len() || rows.iter().any(|row| row.len() != days) {
        return Err(format!("{} rows for {} people", rows.len(), staff.len()));
    }
    let length: HashMap<String, i64> = of("SHIFTS").iter().map(|f| (f[0].clone(), int(&f[1]))).collect();
    let barred: HashMap<String, Vec<String>> =
        of("SHIFTS").iter().map(|f| (f[0].clone(), f[2].split('|').map(str::to_string).collect())).collect();
    let row_of: HashMap<String, usize> = staff.iter().enumerate().map(|(i, f)| (f[0].clone(), i)).collect();

    for (row, rules) in rows.iter().zip(&staff) {
        let who = &rules[0];
        let works = |day: usize| !row[day].is_empty();
        for day in 0..days {
            if works(day) && !length.contains_key(row[day]) {
                return Err(format!("{who} has {:?} on {day}", row[day]));
            }
            if day > 0 && works(day) && works(day - 1) && barred[row[day - 1]].iter().any(|s| s == row[day]) {
                return Err(format!("{who}: {} after {} on {day}", row[day], row[day - 1]));
            }
        }
        for part in rules[1].split('|') {
            let (shift, most) = part.split_once('=').unwrap();
            if row.iter().filter(|s| **s == shift).count() as i64 > int(most) {
                return Err(format!("{who} works too many {shift}"));
            }
        }
        let minutes: i64 = row.iter().filter(|s| !s.is_empty()).map(|s| length[*s]).sum();
        if minutes > int(&rules[2]) || minutes < int(&rules[3]) {
            return Err(format!("{who} works {minutes} minutes"));
        }
        // Blocks of work and of rest; those that touch an edge may be short.
        let mut start = 0;
        while start < days {
            let end = (start..days).find(|&day| works(day) != works(start)).unwrap_or(days);
            let (block, inner) = ((end - start) as i64, start > 0 && end < days);
            if works(start) && (block > int(&rules[4]) || (inner && block < int(&rules[5]))) {
                return Err(format!("{who} works {block} days from {start}"));
            }
            if !works(start) && inner && block < int(&rules[6]) {
                return Err(format!("{who} rests {block} days from {start}"));
            }
            start = end;
        }
        let weekends = (0..days.div_ceil(7))
            .filter(|week| [5, 6].iter().any(|d| week * 7 + d < days && works(week * 7 + d)))
            .count();
        if weekends as i64 > int(&rules[7]) {
            return Err(format!("{who} works {weekends} weekends"));
        }
    }
    for line in of("DAYS_OFF") {
        for day in &line[1..] {
            if !rows[row_of[&line[0]]][int(day) as usize].is_empty() {
                return Err(format!("{} works on the day off {day}", line[0]));
            }
        }
    }
    let mut penalty = 0;
    let has = |f: &[String]| rows[row_of[&f[0]]][int(&f[1]) as usize] == f[2];
    penalty += of("SHIFT_ON_REQUESTS").iter().filter(|f| !has(f)).map(|f| int(&f[3])).sum::<i64>();
    penalty += of("SHIFT_OFF_REQUESTS").iter().filter(|f| has(f)).map(|f| int(&f[3])).sum::<i64>();
    for f in of("COVER") {
        let there = rows.iter().filter(|row| row[int(&f[0]) as usize] == f[1]).count() as i64;
        let need = int(&f[2]);
        penalty += (need - there).max(0) * int(&f[3]) + (there - need).max(0) * int(&f[4]);
    }
    Ok(penalty)
}

/// The penalty of a roster of activities, or what it breaks.
pub fn activities(instance: &str, roster: &str) -> Result<i64, String> {
    let all = sections(instance);
    let (days, tasks) = (int(&all["HORIZON"][0][0]), int(&all["TASKS"][0][0]));
    let minute = |text: &str| {
        let (h, m) = text.split_once(':').unwrap();
        int(h) * 60 + int(m)
    };
    let staff = &all["STAFF"];
    let lines: Vec<&str> = roster.lines().collect();
    if lines.len() != staff.len() {
        return Err(format!("{} lines for {} people", lines.len(), staff.len()));
    }
    // By minute since midnight of the first day and task.
    let mut there: HashMap<(i64, i64), i64> = HashMap::new();
    for (line, rules) in lines.iter().zip(staff) {
        let who = &rules[0];
        let mut shifts: Vec<(i64, i64)> = Vec::new();
        let mut last_task = 0;
        for stretch in line.split(',').filter(|stretch| !stretch.is_empty()) {
            let parts: Vec<&str> = stretch.split([' ', '-']).collect();
            let (day, task) = (int(parts[0]), int(parts[3]));
            let from = (day - 1) * 1440 + minute(parts[1]);
            let mut to = (day - 1) * 1440 + minute(parts[2]);
            if to <= from {
                to += 1440;
            }
            if to - from < 60 || task < 1 || task > tasks || from < 360 || to > days * 1440 + 360 {
                return Err(format!("{who}: {stretch}"));
            }
            (from..to).step_by(15).for_each(|at| *there.entry((at, task)).or_default() += 1);
            match shifts.last_mut() {
                Some(shift) if shift.1 == from && last_task != task => shift.1 = to,
                Some(shift) if shift.1 >= from => return Err(format!("{who}: {stretch} overlaps or repeats")),
                _ => shifts.push((from, to)),
            }
            last_task = task;
        }
        for &(from, to) in &shifts {
            let start = from % 1440;
            let allowed = start == 0 || (360..=600).contains(&start) || (840..=1080).contains(&start) || start >= 1200;
            if !allowed || !(360..=600).contains(&(to - from)) {
                return Err(format!("{who}: a shift from {from} to {to}"));
            }
        }
        if shifts.windows(2).any(|pair| pair[1].0 - pair[0].1 < 14 * 60 || pair[1].0 / 1440 == pair[0].0 / 1440) {
            return Err(format!("{who}: too little rest, or two starts on one day"));
        }
        let started: Vec<i64> = shifts.iter().map(|shift| shift.0 / 1440).collect();
        if started.windows(6).any(|six| six[5] - six[0] == 5) {
            return Err(format!("{who}: six days in a row"));
        }
        let total: i64 = shifts.iter().map(|shift| shift.1 - shift.0).sum();
        if total < int(&rules[1]) || total > int(&rules[2]) {
            return Err(format!("{who}: {total} minutes"));
        }
    }
    let mut penalty = 0;
    for f in &all["COVER"] {
        let at = (int(&f[0]) - 1) * 1440 + minute(f[1].split_once('-').unwrap().0);
        let count = there.remove(&(at, int(&f[2]))).unwrap_or(0);
        if count < int(&f[3]) {
            return Err(format!("{count} on {f:?}"));
        }
        penalty += (count - int(&f[4])).max(0).pow(2);
    }
    Ok(penalty + there.values().map(|count| count * count).sum::<i64>())
}
