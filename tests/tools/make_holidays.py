"""Writes, or checks, the table of public holidays from the Python package `holidays` (MIT).

    python tests/tools/make_holidays.py           writes services/holidays/data/holidays.tsv
    python tests/tools/make_holidays.py --check   fails if the table is not what the package says

A line is a date, the regions and the name, parted by tabs. Regions: nothing for the whole country, `BW BY` for
these only, `!SCT` for all but these (as ISO 3166-2 without the country).
"""

import pathlib
import sys

import holidays

COUNTRIES = (
    "AT AU BE BG BR CA CH CN CY CZ DE DK EE ES FI FR GB GR HR HU IE IN IS IT JP LI LT LU LV MA MT MX NL NO PH PL PT "
    "RO RS SE SI SK TR US ZA"
).split()
YEARS = range(2015, 2036)
TABLE = pathlib.Path(__file__).parents[2] / "services/holidays/data/holidays.tsv"


def of(country, region=None):
    """Public holidays by date. Sweden's law counts every Sunday: those are no holidays of a contract."""
    english = "en_US" in holidays.country_holidays(country).supported_languages
    found = holidays.country_holidays(country, subdiv=region, years=YEARS, language="en_US" if english else None)
    names = {day: [part.strip() for part in name.split(";")] for day, name in found.items()}
    if country == "SE":
        names = {day: [part for part in parts if part != "Sunday"] for day, parts in names.items()}
    return {day: "; ".join(parts) for day, parts in names.items() if parts and day.year in YEARS}


def lines(country):
    whole = of(country)
    regions = {region: of(country, region) for region in holidays.country_holidays(country).subdivisions}
    days = set(whole).union(*regions.values())
    for day in sorted(days):
        having = sorted(region for region, found in regions.items() if day in found)
        if day in whole:
            lacking = sorted(set(regions) - set(having))
            where = "!" + " ".join(lacking) if lacking else ""
            name = whole[day]
        else:
            where = " ".join(having)
            name = regions[having[0]][day]
        yield f"{day}\t{where}\t{name}"


def table():
    yield f"# Public holidays {YEARS[0]}-{YEARS[-1]}, by tests/tools/make_holidays.py from the Python package holidays {holidays.__version__} (MIT)."
    for country in COUNTRIES:
        regions = " ".join(sorted(holidays.country_holidays(country).subdivisions))
        yield f"[{country}]\t{regions}"
        yield from lines(country)


if __name__ == "__main__":
    text = "\n".join(table()) + "\n"
    if sys.argv[1:] == ["--check"]:
        if TABLE.read_text(encoding="utf-8") != text:
            sys.exit(f"{TABLE} is not what holidays {holidays.__version__} says: run tests/tools/make_holidays.py")
    else:
        TABLE.write_text(text, encoding="utf-8")
