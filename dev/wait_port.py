"""Wait until a local TCP port answers; fail when the process that should open it ends."""

import os
import socket
import sys
import time

port, pid = int(sys.argv[1]), int(sys.argv[2])
for _attempt in range(600):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        sys.exit(0)
    except OSError:
        time.sleep(0.1)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        sys.exit(1)
sys.exit(1)
