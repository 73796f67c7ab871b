"""Runs `ray microbenchmark` with Ray's own code and writes one JSON line a row (see timing.py).

Ray's main function, rows and timing are used as installed. Left out are the rows over the `ray://` client,
which are timed beside clusters of several nodes, and placement groups, as nothing corresponds to them.
"""

from ray._private import ray_perf
from timing import make_timeit, parser

ray_perf.timeit = make_timeit(parser.parse_args())
ray_perf.client_microbenchmark_main = lambda results: None
ray_perf.main()
