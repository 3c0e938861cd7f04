//! The rules of workforce planning: pure functions and types, no clock, no I/O. The service
//! `workforce` stores what goes in and comes out.
//!
//! Reading order: what comes in (forecast), whom it needs (erlang, spread, requirement), what is
//! lawful (rules, agent, breaks, activity, check, seats), who should come (shape, model, taste, former, cost, cover, path, bound, search,
//! solve, why, conflict, words; sample makes up problems to measure them with), who came (coverage,
//! adherence, realtime, paid, hours), how the day goes (intraday; proof simulates it beforehand), and what changes afterwards (change, leave).

pub mod activity;
pub mod adherence;
pub mod agent;
pub mod bound;
pub mod breaks;
pub mod change;
pub mod check;
pub mod civil;
pub mod conflict;
pub mod cost;
pub mod cover;
pub mod coverage;
pub mod erlang;
pub mod files;
pub mod forecast;
pub mod former;
pub mod history_file;
pub mod hours;
pub mod intraday;
pub mod known_days;
pub mod leave;
pub mod measure;
pub mod model;
pub mod paid;
pub mod path;
pub mod proof;
pub mod random;
pub mod realtime;
pub mod record;
pub mod requirement;
pub mod rules;
pub mod sample;
pub mod search;
pub mod seats;
pub mod shape;
pub mod solve;
pub mod spread;
pub mod taste;
pub mod what_if;
pub mod why;
pub mod words;
