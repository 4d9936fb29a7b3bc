"""A bootstrap confidence interval of one figure of data.csv. Python 3, standard library only.

Input:   {"group": "treated", "statistic": "median", "resamples": 2000, "seed": 1}
Result:  {"group": …, "statistic": …, "n": 40, "estimate": 12.3, "low": 11.2, "high": 13.5}

The interval is the middle 95 % of the figure over so many samples, drawn with replacement from the group. A seed makes
it repeatable: the same task gives the same result, wherever and however often it runs.
"""
import csv
import json
import pathlib
import random
import statistics
import sys

STATISTICS = {"mean": statistics.fmean, "median": statistics.median, "deviation": statistics.stdev}
CONFIDENCE = 0.95


def read_group(name):
    with open(pathlib.Path(__file__).parent / "data.csv", newline="") as file:
        return [float(row["seconds"]) for row in csv.DictReader(file) if row["group"] == name]


def interval(values, figure, resamples, seed):
    generator = random.Random(seed)
    figures = sorted(figure(generator.choices(values, k=len(values))) for _ in range(resamples))
    tail = (1 - CONFIDENCE) / 2
    return figures[int(tail * resamples)], figures[int((1 - tail) * resamples) - 1]


def main():
    task = json.load(sys.stdin)
    values = read_group(task["group"])
    if len(values) < 2:
        sys.exit(f'data.csv has no group "{task["group"]}"')
    figure = STATISTICS[task["statistic"]]
    low, high = interval(values, figure, task.get("resamples", 2000), task.get("seed", 0))
    result = {"n": len(values), "estimate": figure(values), "low": low, "high": high}
    print(json.dumps({"group": task["group"], "statistic": task["statistic"], **result}))


main()
