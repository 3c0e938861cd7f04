#!/usr/bin/env python3
"""One table with one command: this crate's schedules beside those of a straight CP-SAT model, on the same problem.

    services/planner/tools/peer.py [PEOPLE [SECONDS [LOAD [SEED]]]]

The script makes a Python environment with OR-Tools beside the build (target/planner-peer), runs the example `schedule`
in release, which writes its problem and its answer, then gives CP-SAT the same problem, the same seconds and two workers,
one after the other. Both plans are priced here, from their rows alone, by one evaluator: a cheapest flow in every
interval, and the hours owed in every week. `--ours PROGRAM` runs a program built before instead of cargo.

The model for CP-SAT is the plain one: for each person and day which shift, for each shift where its break is, for each
interval who of which set of skills serves which need. Its rule of the weekly rest asks for a day off with a rest of 35
hours around it, which is a little stricter than the law (a rest of 35 hours without a day off is hardly ever planned).
"""

import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
ENVIRONMENT = ROOT / "target" / "planner-peer"
WANTED = "ortools==9.15.6755"
# The prices of services/planner/src/domain/cost.rs, in points per hundredth.
OFF = 2**32 - 1
OWED, IDLE, MISSING = 100, 1, [(10, 10), (30, 20), (100, 40)]


def enter_environment():
    """Makes the environment once and goes on inside it."""
    python = ENVIRONMENT / "bin" / "python"
    if Path(sys.prefix) == ENVIRONMENT:
        return
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
    if subprocess.run([str(python), "-c", "import ortools"], capture_output=True).returncode != 0:
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", WANTED], check=True)
    os.execv(str(python), [str(python), *sys.argv])


def steps(wanted):
    """Sizes in whole hundredths and prices of what may be missing, cheapest first."""
    found, begin = [], 0
    for percent, price in MISSING:
        until = wanted if percent == 100 else wanted * percent // 10_000 * 100
        found.append((until - begin, price))
        begin = until
    return found


def owed_points(missing, step):
    return 0 if missing <= 0 else -(-missing * 100 // step) * OWED


def evaluate(problem, rows):
    """The cost of a plan from its rows alone."""
    from ortools.graph.python import min_cost_flow

    step, count = problem["step"], problem["intervals"]
    cost, there = 0, defaultdict(int)
    for person, row in zip(problem["people"], rows):
        for week in range(problem["days"] // 7):
            days = [shape for shape in row[week * 7 : week * 7 + 7] if shape != OFF]
            cost += owed_points(person["owed"][week] - sum(problem["shapes"][shape][2] for shape in days), step)
        for day, shape in enumerate(row):
            if shape == OFF:
                continue
            _, _, _, first, length, holes = problem["shapes"][shape]
            holes = dict(map(tuple, holes))
            for interval in range(first, first + length):
                there[interval, person["group"][day]] += 100 - holes.get(interval, 0)
    groups, needs = problem["groups"], problem["needs"]
    for interval in range(count):
        flow = min_cost_flow.SimpleMinCostFlow()
        sink, supply = len(groups) + len(needs), 0
        missing = 0
        for group, serves in enumerate(groups):
            units = there.get((interval, group), 0)
            if units == 0:
                continue
            supply += units
            flow.set_node_supply(group, units)
            flow.add_arc_with_capacity_and_unit_cost(group, sink, units, IDLE)
            for need in serves:
                flow.add_arc_with_capacity_and_unit_cost(group, len(groups) + need, units, 0)
        for need, people in enumerate(needs):
            for size, price in steps(people[interval]):
                missing += size * price
                if supply and size:
                    flow.add_arc_with_capacity_and_unit_cost(len(groups) + need, sink, size, -price)
        if supply:
            flow.set_node_supply(sink, -supply)
            assert flow.solve() == flow.OPTIMAL
            missing += flow.optimal_cost()
        cost += missing
    return cost


class Answer:
    """A plan by CP-SAT."""

    def __init__(self, problem, seconds, log):
        from ortools.sat.python import cp_model

        model = cp_model.CpModel()
        shapes, step = problem["shapes"], problem["step"]
        starts, breaks, supply, objective = [], [], defaultdict(list), []
        for person in problem["people"]:
            works, own, pauses = [], [], []
            for day, choice in enumerate(person["options"]):
                places, holes = [], defaultdict(list)
                for first, until in problem["choices"][choice]:
                    shift = model.new_bool_var("")
                    start, end, work, begin, length, _ = shapes[first]
                    places.append((shift, start, end, work, first))
                    for interval in range(begin, begin + length):
                        supply[interval, person["group"][day]].append((shift, 1))
                    for shape in range(first, until):
                        for interval, missing in shapes[shape][5]:
                            assert missing == 100, "whole intervals only"
                            holes[interval].append((shift, shape))
                day_breaks = {}
                for interval, shifts in holes.items():
                    pause = model.new_bool_var("")
                    model.add(pause <= sum(shift for shift, _ in shifts))
                    supply[interval, person["group"][day]].append((pause, -1))
                    day_breaks[interval] = (pause, shifts)
                with_break = {shift.index: shift for shifts in holes.values() for shift, _ in shifts}
                model.add(sum(pause for pause, _ in day_breaks.values()) == sum(with_break.values()))
                work = model.new_bool_var("")
                model.add(sum(shift for shift, *_ in places) == work)
                works.append(work)
                own.append(places)
                pauses.append(day_breaks)
            starts.append(own)
            breaks.append(pauses)
            most = person["max_days_in_row"]
            for day in range(problem["days"] - most):
                model.add(sum(works[day : day + most + 1]) <= most)
            for day in range(problem["days"] - 1):
                for edge in sorted({end for _, _, end, _, _ in own[day]}):
                    late = [shift for shift, _, end, _, _ in own[day] if edge <= end]
                    soon = [shift for shift, start, *_ in own[day + 1] if start < edge + person["daily_rest"]]
                    if soon:
                        model.add_at_most_one(late + soon)
            for week in range(problem["days"] // 7):
                days = range(week * 7, week * 7 + 7)
                hours = sum(shift * work for day in days for shift, _, _, work, _ in own[day])
                model.add(hours <= person["max_week"])
                owed = person["owed"][week]
                if 0 < owed:
                    # Counted in whole hundredths of an interval, as the prices are.
                    short = model.new_int_var(0, owed_points(owed, step) // OWED, "")
                    model.add(short * step >= (owed - hours) * 100)
                    objective.append(short * OWED)
                rests = []
                for day in days:
                    rest = model.new_bool_var("")
                    rests.append(rest)
                    model.add_implication(rest, works[day].negated())
                    if 0 < day < problem["days"] - 1:
                        for edge in sorted({end for _, _, end, _, _ in own[day - 1]}):
                            late = [shift for shift, _, end, _, _ in own[day - 1] if edge <= end]
                            soon = [shift for shift, start, *_ in own[day + 1] if start < edge + person["weekly_rest"]]
                            if soon:
                                model.add(sum(late) + sum(soon) + rest <= 2)
                model.add_bool_or(rests)
        people = len(problem["people"])
        for interval in range(problem["intervals"]):
            into = defaultdict(list)
            for group, serves in enumerate(problem["groups"]):
                terms = supply.get((interval, group))
                if not terms:
                    continue
                idle = model.new_int_var(0, people, "")
                objective.append(idle * (100 * IDLE))
                used = [idle]
                for need in serves:
                    if problem["needs"][need][interval]:
                        serving = model.new_int_var(0, people, "")
                        used.append(serving)
                        into[need].append(serving)
                model.add(sum(used) == sum(var * sign for var, sign in terms))
            for need, wanted in enumerate(problem["needs"]):
                if wanted[interval] == 0:
                    continue
                parts = []
                for size, price in steps(wanted[interval]):
                    if size:
                        part = model.new_int_var(0, size // 100, "")
                        parts.append(part)
                        objective.append(part * (100 * price))
                model.add(sum(into[need]) + sum(parts) == wanted[interval] // 100)
        model.minimize(sum(objective))
        self.variables = len(model.proto.variables)
        solver = cp_model.CpSolver()
        solver.parameters.max_time_in_seconds = seconds
        solver.parameters.num_workers = 2
        solver.parameters.log_search_progress = log
        begun = time.process_time()
        status = solver.solve(model)
        self.processor = time.process_time() - begun
        self.bound = solver.best_objective_bound
        self.rows = None
        if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            self.rows = []
            for own, pauses in zip(starts, breaks):
                row = []
                for places, day_breaks in zip(own, pauses):
                    chosen = [(shift, first) for shift, _, _, _, first in places if solver.value(shift)]
                    shape = OFF
                    if chosen:
                        shift, shape = chosen[0]
                        for pause, shifts in day_breaks.values():
                            if solver.value(pause):
                                shape = next(shape for other, shape in shifts if other.index == shift.index)
                    row.append(shape)
                self.rows.append(row)


def main():
    arguments = [argument for argument in sys.argv[1:]]
    ours = ["cargo", "run", "--quiet", "--release", "-p", "planner", "--example", "schedule", "--"]
    if "--ours" in arguments:
        at = arguments.index("--ours")
        ours = [arguments[at + 1]]
        del arguments[at : at + 2]
    log = "--log" in arguments
    arguments = [argument for argument in arguments if argument != "--log"]
    people, seconds, load, seed = (arguments + ["200", "300", "96", "1"][len(arguments) :])[:4]
    problem_file, answer_file = ENVIRONMENT / "problem.json", ENVIRONMENT / "answer.json"
    subprocess.run([*ours, people, seconds, load, seed, str(problem_file), str(answer_file)], cwd=ROOT, check=True)
    problem, answer = json.loads(problem_file.read_text()), json.loads(answer_file.read_text())
    cost = evaluate(problem, answer["rows"])
    rows = [("manydesk", cost, answer["bound"], answer["cost"])]
    begun = time.time()
    peer = Answer(problem, float(seconds), log)
    built = time.time() - begun
    theirs = None if peer.rows is None else evaluate(problem, peer.rows)
    rows.append((f"CP-SAT ({peer.variables} variables)", theirs, peer.bound, theirs))
    print(f"\n{people} people, {seconds} s each, two workers; CP-SAT {built:.0f} s with building its model, "
          f"{peer.processor:.0f} s of processor time")
    print(f"{'':32} {'cost':>14} {'bound':>14} {'gap':>8}")
    for name, cost, bound, _ in rows:
        if cost is None:
            print(f"{name:32} {'none found':>14} {bound:14.0f}")
        else:
            print(f"{name:32} {cost:14.0f} {bound:14.0f} {100 * (cost - bound) / cost:7.2f}%")
    assert rows[0][1] == answer["cost"], "the plan does not cost what was said"


if __name__ == "__main__":
    enter_environment()
    main()
