"""`kill -9` of a worker in the middle of a task: how long until the task runs again.

python killed_worker.py KILLS writes the delays in seconds as one JSON array, after "delays: ".
"""

import json
import os
import signal
import sys
import tempfile
import time

import ray

ray.init(log_to_driver=False)


@ray.remote(max_retries=3)
def victim(pid_file):
    if os.path.exists(pid_file):
        return time.monotonic()
    with open(pid_file + ".new", "w") as file:
        file.write(str(os.getpid()))
    os.rename(pid_file + ".new", pid_file)
    time.sleep(3600)


delays = []
with tempfile.TemporaryDirectory() as folder:
    for i in range(int(sys.argv[1])):
        pid_file = os.path.join(folder, str(i))
        ref = victim.remote(pid_file)
        while not os.path.exists(pid_file):
            time.sleep(0.002)
        time.sleep(0.05)
        killed = time.monotonic()
        os.kill(int(open(pid_file).read()), signal.SIGKILL)
        delays.append(ray.get(ref, timeout=60) - killed)
print("delays:", json.dumps(delays))
