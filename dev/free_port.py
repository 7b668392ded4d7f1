"""Print the first free TCP port, starting at the given one."""

import socket
import sys

port = int(sys.argv[1])
while True:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            print(port)
            break
        except OSError:
            port += 1
