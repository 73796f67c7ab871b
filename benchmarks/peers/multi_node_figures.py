"""Objects between two nodes, and nodes that join, with Ray's own fixture of several nodes on one machine.

python multi_node_figures.py BYTES ROUNDS JOINS writes `figures: {"transfer": [seconds], "join": [seconds]}`;
0 rounds or joins leave that out.
"""

import json
import sys
import time

import numpy as np
import ray
from ray.cluster_utils import Cluster

size, rounds, joins = (int(argument) for argument in sys.argv[1:])
STORE = 3 * 2**30

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
if rounds > 0:
    cluster.add_node(num_cpus=1, resources={"source": 1000}, object_store_memory=STORE)
    cluster.add_node(num_cpus=1, resources={"sink": 1000}, object_store_memory=STORE)
cluster.wait_for_nodes()
ray.init(address=cluster.address, log_to_driver=False)


@ray.remote(resources={"source": 1})
def make(count, value):
    return np.full(count, value, dtype=np.float64)


@ray.remote(resources={"sink": 1})
def read(array):
    return len(array), array[-1]


figures = {"transfer": [], "join": []}
if rounds > 0:
    ray.get(read.remote(np.zeros(1)))
for value in range(1, rounds + 1):
    ref = make.remote(size // 8, value)
    ray.wait([ref], fetch_local=False)
    start = time.perf_counter()
    count, last = ray.get(read.remote(ref))
    figures["transfer"].append(time.perf_counter() - start)
    assert (count, last) == (size // 8, value)
    del ref
    time.sleep(1)  # the object is freed on both nodes

for _ in range(joins):
    start = time.perf_counter()
    cluster.add_node(num_cpus=1, object_store_memory=100 * 2**20)
    figures["join"].append(time.perf_counter() - start)
print("figures:", json.dumps(figures))
ray.shutdown()
cluster.shutdown()
