"""Runs `ray microbenchmark` with Ray's own code and writes one JSON line a row.

python microbenchmark.py --out FILE [--only PART]... [--settle SECONDS] [--quick]

Ray's main function, rows and timing are used as installed. What is set from here: which rows are timed,
how long each waits for the machine to settle (Ray's parameter `warmup_time_sec`), and that the rows over
the `ray://` client and of placement groups are left out, as nothing corresponds to them.
"""

import argparse
import json
import time

import numpy as np
from ray._private import ray_microbenchmark_helpers as helpers
from ray._private import ray_perf

parser = argparse.ArgumentParser()
parser.add_argument("--out", required=True)
parser.add_argument("--only", action="append", default=[])
parser.add_argument("--settle", type=float, default=10)
parser.add_argument("--quick", action="store_true")
options = parser.parse_args()


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


ray_perf.timeit = timeit
ray_perf.client_microbenchmark_main = lambda results: None
ray_perf.main()
