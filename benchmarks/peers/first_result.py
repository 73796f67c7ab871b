"""The smallest program: one task, and its result printed. With "idle", it goes on until its input ends.

With "no-dashboard", Ray starts without the dashboard, which is faster and smaller than its default.
"""

import sys

import ray

ray.init(include_dashboard=False if "no-dashboard" in sys.argv else None, log_to_driver=False)


@ray.remote
def hello():
    return "hello from a worker"


print(ray.get(hello.remote()), flush=True)
if "idle" in sys.argv:
    sys.stdin.read()
