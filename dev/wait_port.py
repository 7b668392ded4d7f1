"""Wait until a process listens on a local TCP port: wait_port.py PORT PID

Fails if the process ends, if a minute passes, or if another process listens on the port.
"""

import os
import sys
import time
from pathlib import Path

LISTENING = "0A"
SECONDS = 60


def listeners(port):
    """Return the inodes of the sockets that listen on a local port."""
    found = set()
    for table in ("tcp", "tcp6"):
        path = Path("/proc/net", table)
        for line in path.read_text().splitlines()[1:] if path.exists() else ():
            _number, local, _remote, state, *rest = line.split()
            if state == LISTENING and int(local.rpartition(":")[2], 16) == port:
                found.add(rest[5])
    return found


def is_running(pid):
    """Tell whether a process exists and is not a zombie."""
    try:
        return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def family(pid):
    """Return a process and all its descendants."""
    children = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            # The process has just ended.
            continue
        children.setdefault(int(parent), []).append(int(folder.name))
    members, waiting = set(), [pid]
    while waiting:
        members.add(member := waiting.pop())
        waiting += children.get(member, ())
    return members


def sockets(pid):
    """Return the inodes of a process's sockets."""
    found = set()
    try:
        for link in os.scandir(f"/proc/{pid}/fd"):
            target = os.readlink(link.path)
            if target.startswith("socket:["):
                found.add(target[len("socket:[") : -1])
    except OSError:
        # The process has ended, or belongs to another user.
        pass
    return found


def wait(port, pid):
    """Return None once the process listens on the port, or the reason why it does not."""
    if not Path("/proc/net/tcp").exists():
        return "whose port it is can be found out on Linux only"
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        open_there = listeners(port)
        own = set().union(*map(sockets, family(pid))) if open_there else set()
        if open_there & own:
            return None
        if open_there:
            return f"another process listens on port {port}: choose one with HTTP_PORT=…"
        if not is_running(pid):
            return f"process {pid} has ended"
        time.sleep(0.1)
    return f"nothing listens on port {port} after {SECONDS} seconds"


if __name__ == "__main__":
    sys.exit(wait(int(sys.argv[1]), int(sys.argv[2])))
