#!/usr/bin/env python3
"""One table with one command: this crate's forecasts beside those of other libraries, on the same weeks.

    services/forecast/tools/peer.py DATA

DATA is the folder with bank_calls_5min.csv, taylor_halfhourly.csv and anonymous_bank_1999_08_calls.csv. The script
makes a Python environment with statsforecast beside the build (target/forecast-peer), runs the example `accuracy` in
release, forecasts the same weeks with the other methods, and scores all of them here, on the same intervals: those of
the days that were open. Every method sees what came before the first day of the week it forecasts, and nothing else.

The other libraries need series without holes: closed days are filled with the mean of the last four same weekdays
that were open, weekdays and nights are cut off where a series has none. None of them is told of holidays. Seconds are
those of all origins together, model choice included, the environment's start excluded: ours by the clock on the wall
(one thread; no less than its CPU time), the others' of CPU.
"""

import csv
import datetime as dt
import os
import subprocess
import sys
import time
import warnings
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
ENVIRONMENT = ROOT / "target" / "forecast-peer"
WANTED = "statsforecast==2.1.1"


def enter_environment():
    """Makes the environment once and goes on inside it."""
    python = ENVIRONMENT / "bin" / "python"
    if Path(sys.prefix) == ENVIRONMENT:
        return
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
    if subprocess.run([str(python), "-c", "import statsforecast"], capture_output=True).returncode != 0:
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", WANTED], check=True)
    os.execv(str(python), [str(python), *sys.argv])


def ours(data):
    """Runs the example; its forecasts by series and origin, and its seconds by series."""
    file = ENVIRONMENT / "ours.csv"
    command = ["cargo", "run", "--quiet", "--release", "-p", "forecast", "--example", "accuracy", "--", str(data), str(file)]
    print(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
    forecasts, seconds = defaultdict(dict), defaultdict(dict)
    with open(file) as rows:
        for row in csv.DictReader(rows):
            key = (dt.date.fromisoformat(row["date"]), int(row["slot"]))
            origin = dt.date.fromisoformat(row["origin"])
            forecasts[row["series"], origin][key] = float(row["contacts"])
            seconds[row["series"]][origin] = float(row["seconds"])
    return forecasts, {series: sum(by_origin.values()) for series, by_origin in seconds.items()}


def bank(data):
    days = defaultdict(lambda: [None] * 48)
    with open(data / "bank_calls_5min.csv") as rows:
        for row in csv.DictReader(rows):
            slot = int(row["slot"])
            if slot < 168:
                cell = 14 + slot // 6
                day = days[dt.date.fromisoformat(row["date"])]
                day[cell] = (day[cell] or 0) + int(row["calls"])
    return dict(days)


def taylor(data):
    days = defaultdict(list)
    with open(data / "taylor_halfhourly.csv") as rows:
        for row in csv.DictReader(rows):
            days[dt.date(2000, 6, 5) + dt.timedelta(days=int(row["index"]) // 48)].append(float(row["demand_mw"]))
    return dict(days)


def anonymous(data, kind):
    days = defaultdict(lambda: [0] * 48)
    with open(data / "anonymous_bank_1999_08_calls.csv") as rows:
        for row in csv.DictReader(rows):
            day = days[dt.date.fromisoformat(row["date"])]
            if kind in ("", row["type"]):
                day[int(row["entry_s"]) // 1800] += 1
    return dict(days)


def same_weekdays(days, before, date):
    """Days of a date's weekday, the last first."""
    return [days[d] for d in sorted(days, reverse=True) if d < before and d.weekday() == date.weekday()]


def naive(days, origin, dates, slots):
    return {(d, s): (same_weekdays(days, origin, d) or [[0] * 48])[0][s] or 0 for d in dates for s in slots}


def mean_of_six(days, origin, dates, slots):
    forecast = {}
    for date in dates:
        last = same_weekdays(days, origin, date)[:6]
        for slot in slots:
            forecast[date, slot] = sum(day[slot] or 0 for day in last) / max(1, len(last))
    return forecast


def median_of_six(days, origin, dates, slots):
    import statistics

    forecast = {}
    for date in dates:
        last = same_weekdays(days, origin, date)[:6]
        for slot in slots:
            forecast[date, slot] = statistics.median([day[slot] or 0 for day in last] or [0])
    return forecast


def whole(days, origin, weekdays, slots):
    """The days before an origin without holes: one row a day, one column a slot."""
    import numpy

    rows, date = [], min(days)
    while date < origin:
        if date.weekday() in weekdays:
            row = days.get(date)
            if row is None:
                last = same_weekdays(days, date, date)[:4]
                row = [sum((r[s] or 0) for r in last) / max(1, len(last)) for s in range(48)]
            rows.append([row[s] for s in slots])
        date += dt.timedelta(days=1)
    return numpy.array(rows, dtype=float)


def fitted(make):
    """A method that fits one model on the series without holes and forecasts the week."""

    def forecast(days, origin, dates, slots):
        import numpy

        weekdays = sorted({d.weekday() for d in days})
        history = whole(days, origin, weekdays, slots)
        week = [origin + dt.timedelta(days=i) for i in range(7)]
        week = [d for d in week if d.weekday() in weekdays]
        values = make(history, len(weekdays), len(slots), len(week) * len(slots))
        values = numpy.maximum(values, 0).reshape(len(week), len(slots))
        return {(d, s): values[i][j] for i, d in enumerate(week) for j, s in enumerate(slots) if d in dates}

    return forecast


def mstl(history, weekdays, slots, horizon):
    from statsforecast.models import MSTL, AutoETS

    seasons = [slots, slots * weekdays]
    # A season must have been seen twice.
    if history.size < 2 * seasons[1] + slots:
        seasons = seasons[:1]
    return MSTL(season_length=seasons, trend_forecaster=AutoETS(model="ZZN")).forecast(history.ravel()[-80 * slots:], horizon)["mean"]


def ets_of_days(history, weekdays, slots, horizon):
    """AutoETS of the days' totals with a weekly season, spread as the last four weeks' weekdays were."""
    import numpy
    from statsforecast.models import AutoETS

    totals = history.sum(axis=1)
    season = weekdays if 2 * weekdays < len(totals) else 1
    days = AutoETS(season_length=season, model="ZZZ").forecast(totals, horizon // slots)["mean"]
    first = len(totals) % weekdays
    spread = []
    for day in range(horizon // slots):
        like = [history[i] for i in range(len(history)) if i % weekdays == (first + day) % weekdays][-4:]
        profile = numpy.sum(like, axis=0)
        spread.append(days[day] * profile / max(profile.sum(), 1e-9))
    return numpy.concatenate(spread)


def ets(history, weekdays, slots, horizon):
    """AutoETS of the half-hours with a daily season of at most 24 (its limit): each weekday's slots would need more."""
    from statsforecast.models import AutoETS

    return AutoETS(season_length=slots, model="ZZZ").forecast(history.ravel()[-28 * slots:], horizon)["mean"]


def harmonics(history, weekdays, slots, horizon):
    """What Prophet does, without its sampler: a line that bends at twenty points, and Fourier terms of day and week
    that multiply it, by ridge regression on logarithms."""
    import numpy

    values = numpy.log1p(history.ravel())
    count = len(values)
    time_all = numpy.arange(count + horizon)
    columns = [numpy.ones(count + horizon), time_all / count]
    penalty = [0.0, 0.0]
    for bend in numpy.linspace(0, 0.8, 21)[1:]:
        columns.append(numpy.maximum(0, time_all / count - bend))
        penalty.append(20.0)
    for season, order in ((slots, 10), (slots * weekdays, 3 * weekdays)):
        for k in range(1, order + 1):
            angle = 2 * numpy.pi * k * time_all / season
            columns += [numpy.sin(angle), numpy.cos(angle)]
            penalty += [0.1, 0.1]
    design = numpy.stack(columns, axis=1)
    seen = design[:count]
    weights = numpy.linalg.solve(seen.T @ seen + numpy.diag(penalty), seen.T @ values)
    return numpy.expm1(design[count:] @ weights)


METHODS = {
    "seasonal naive": naive,
    "mean of 6": mean_of_six,
    "median of 6": median_of_six,
    "AutoETS of days": fitted(ets_of_days),
    "AutoETS": fitted(ets),
    "MSTL + AutoETS": fitted(mstl),
    "harmonics (Prophet-style)": fitted(harmonics),
}


def score(forecast, actual):
    missed = sum(abs(forecast[key] - value) for key, value in actual.items())
    return missed, sum(actual.values())


def main():
    enter_environment()
    warnings.filterwarnings("ignore")
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    data = Path(sys.argv[1]).resolve()
    mine, my_seconds = ours(data)
    series = {"bank calls": bank(data), "taylor": taylor(data), "anonymous bank": anonymous(data, "")}
    series |= {f"anonymous {kind}": anonymous(data, kind) for kind in ("PS", "NE", "IN", "NW")}
    lost = []
    print(f"{'series':<16}{'method':<28}{'WAPE':>8}{'MASE':>8}{'bias':>8}{'worst':>8}{'seconds':>9}")
    for name, days in series.items():
        origins = sorted(origin for other, origin in mine if other == name)
        slots = sorted({slot for _, slot in mine[name, origins[0]]})
        slots = range(48) if len(slots) == 48 else slots
        scale = mase_scale(days, origins[0], slots)
        results = {}
        for method in ["manydesk", *METHODS]:
            total, volume, over, worst, count, began = 0.0, 0.0, 0.0, 0.0, 0, time.process_time()
            for origin in origins:
                keys = mine[name, origin]
                actual = {(d, s): days[d][s] for d, s in keys}
                if method == "manydesk":
                    forecast = keys
                else:
                    forecast = METHODS[method](days, origin, sorted({d for d, _ in keys}), slots)
                missed, came = score(forecast, actual)
                total, volume, count = total + missed, volume + came, count + len(actual)
                over += sum(forecast[key] - value for key, value in actual.items())
                worst = max(worst, missed / came)
            seconds = my_seconds[name] if method == "manydesk" else time.process_time() - began
            results[method] = total / volume
            print(
                f"{name:<16}{method:<28}{100 * total / volume:>7.2f}%{total / count / scale:>8.3f}"
                f"{100 * over / volume:>+7.2f}%{100 * worst:>7.2f}%{seconds:>9.2f}",
                flush=True,
            )
        best = min((value, key) for key, value in results.items() if key != "manydesk")
        mine_now = results["manydesk"]
        print(
            f"{name:<16}{100 * (1 - mine_now / results['seasonal naive']):.1f} % better than seasonal naive; "
            f"the best of the others is {best[1]}: {100 * best[0]:.2f}%\n"
        )
        if best[0] < mine_now or 0.9 * results["seasonal naive"] < mine_now:
            lost.append(name)
    print("behind on: " + (", ".join(lost) or "none"))


def mase_scale(days, before, slots):
    """Mean |y(t) - y(t - 7 days)| on data before the first origin."""
    apart = []
    for date, row in days.items():
        other = days.get(date - dt.timedelta(days=7))
        if date < before and other is not None:
            apart += [abs(row[s] - other[s]) for s in slots]
    return sum(apart) / len(apart)


if __name__ == "__main__":
    main()
