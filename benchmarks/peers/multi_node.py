"""Rows of work on another node, with Ray's own fixture of several nodes on one machine (see timing.py).

The head, to which this program is attached, has no CPUs, so that everything runs on the other node.
"""

import os

import ray
from ray.cluster_utils import Cluster
from timing import make_timeit, parser

timeit = make_timeit(parser.parse_args())
BATCH = 1000

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
cluster.add_node(num_cpus=os.cpu_count(), resources={"other": 1000})
cluster.wait_for_nodes()
ray.init(address=cluster.address, log_to_driver=False)


@ray.remote
def small_value():
    return b"ok"


@ray.remote(num_cpus=0, resources={"other": 1})
class Server:
    def small_value(self):
        return b"ok"


timeit("tasks to another node sync", lambda: ray.get(small_value.remote()))
timeit("tasks to another node async", lambda: ray.get([small_value.remote() for _ in range(BATCH)]), BATCH)
server = Server.remote()
timeit("actor calls to another node sync", lambda: ray.get(server.small_value.remote()))
timeit(
    "actor calls to another node async",
    lambda: ray.get([server.small_value.remote() for _ in range(BATCH)]),
    BATCH,
)
ray.shutdown()
cluster.shutdown()
