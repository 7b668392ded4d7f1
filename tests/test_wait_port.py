"""The demo continues only when its own server listens on the port, and not another one."""

import socket
import subprocess
import sys
from contextlib import contextmanager

import pytest

from conftest import ROOT

LISTEN = """
import socket, sys
with socket.create_server(("127.0.0.1", int(sys.argv[1]))):
    sys.stdin.read()
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(*command):
    """Run a process that ends when its standard input is closed."""
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.stdin.close()


def wait_port(port, process):
    command = [sys.executable, ROOT / "dev/wait_port.py", str(port), str(process.pid)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return done.returncode, done.stderr


@pytest.mark.parametrize("shell", [(), ("bash", "-c", '"$@"; exit', "bash")], ids=["itself", "its child"])
def test_own_listener(shell):
    port = free_port()
    with running(*shell, sys.executable, "-c", LISTEN, str(port)) as process:
        assert wait_port(port, process) == (0, "")


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv6"])
def test_listener_of_another_process(family):
    if family == socket.AF_INET6 and not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    with socket.create_server(("", 0), family=family) as stranger, running("cat") as process:
        code, text = wait_port(stranger.getsockname()[1], process)
    assert code == 1
    assert "another process listens" in text


def test_process_that_has_ended():
    """Including a zombie, which its parent has not waited for yet."""
    process = subprocess.Popen(["true"])
    code, text = wait_port(free_port(), process)
    process.wait()
    assert (code, text) == (1, f"process {process.pid} has ended\n")
