"""Command line and timing of the programs that time rows with Ray: `--out FILE [--only PART]... [--settle S] [--quick]`.

Rows are timed by Ray's own `timeit`, and each is written to FILE as one JSON line.
"""

import argparse
import json
import time

import numpy as np
from ray._private import ray_microbenchmark_helpers as helpers

parser = argparse.ArgumentParser()
parser.add_argument("--out", required=True)
parser.add_argument("--only", action="append", default=[])
parser.add_argument("--settle", type=float, default=10)
parser.add_argument("--quick", action="store_true")


def quick_timeit(name, fn, multiplier):
    """To see that everything runs; its figures are not for the record."""
    fn()
    rates = []
    for _ in range(2):
        start = time.perf_counter()
        count = 0
        while time.perf_counter() - start < 0.3:
            fn()
            count += 1
        rates.append(multiplier * count / (time.perf_counter() - start))
    return [(name, np.mean(rates), np.std(rates))]


def make_timeit(options):
    """Ray's `timeit` for the rows that are wanted. What the options say: which, how long each waits before it
    warms up (Ray's parameter `warmup_time_sec`), and where results go."""

    def timeit(name, fn, multiplier=1, **_):
        plain_name = name.replace(" (Plasma Store)", "")
        if plain_name.startswith("placement group"):
            return [None]
        if options.only and not any(part in plain_name for part in options.only):
            return [None]
        if options.quick:
            results = quick_timeit(name, fn, multiplier)
        else:
            results = helpers.timeit(name, fn, multiplier, warmup_time_sec=options.settle)
        for result in results:
            if result is not None:
                _, mean, sd = result
                with open(options.out, "a") as out:
                    out.write(json.dumps({"name": plain_name, "mean": float(mean), "sd": float(sd)}) + "\n")
        return results

    return timeit
