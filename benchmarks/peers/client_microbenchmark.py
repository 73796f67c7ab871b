"""Runs Ray's own rows over the `ray://` client, as installed, and writes one JSON line a row (see timing.py)."""

from ray._private import ray_client_microbenchmark
from timing import make_timeit, parser

ray_client_microbenchmark.timeit = make_timeit(parser.parse_args())
ray_client_microbenchmark.main()
