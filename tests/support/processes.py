"""Processes, ports and folders of tests."""
import os
import secrets
import socket
import tempfile
import time

from .client import seconds

TICK = os.sysconf("SC_CLK_TCK")  # of the kernel's processor times, a second


def binary():
    return os.environ.get("BELFRY_BIN", "")


def free_port(taken={}):
    """Below the ports that the kernel gives to outgoing connections and to who asks for any, and no other test gets it as long as this
    process lives, whether something listens on it or not: a socket's name stands for it, in the same network as the port."""
    while True:
        port = secrets.randbelow(22000) + 10000
        if port in taken:
            continue
        name = socket.socket(socket.AF_UNIX)
        try:
            name.bind("\0belfry-test-port-%d" % port)
            with socket.socket() as listener:
                listener.bind(("127.0.0.1", port))
        except OSError:
            name.close()
            continue
        taken[port] = name
        return port


def new_folder(prefix="belfry-"):
    """A short path that every account may traverse: the database does not run as root, and the path of a
    Unix socket is at most 107 bytes."""
    folder = tempfile.mkdtemp(prefix=prefix, dir=os.environ.get("BELFRY_TEST_TMP", "/tmp"))
    os.chmod(folder, 0o755)
    return folder


def children_of(pid):
    """Process ids of all descendants."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/%s/stat" % name, encoding="utf-8", errors="replace") as file:
                    parents[int(name)] = int(file.read().rpartition(")")[2].split()[1])
            except (OSError, ValueError, IndexError):
                continue
    found, todo = [], [pid]
    while todo:
        parent = todo.pop()
        for child, its_parent in parents.items():
            if its_parent == parent:
                found.append(child)
                todo.append(child)
    return found


def is_alive(pid):
    try:
        with open("/proc/%d/stat" % pid, encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (OSError, IndexError):
        return False


def wait_until(condition, limit=10, what="condition", pause=0.01):
    """Polls; for what gives no event of its own (processes, sockets)."""
    deadline = time.monotonic() + seconds(limit)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError("%s: not within %ss" % (what, seconds(limit)))
        time.sleep(pause)


def once_within(limit, attempt, tries=10):
    """`attempt()`, which returns the seconds that it took, is done within a limit: once, at least. What else the machine does may delay any one."""
    times = [attempt()]
    while min(times) >= seconds(limit) and len(times) < tries:
        times.append(attempt())
    assert min(times) < seconds(limit), times


def cpu_of(pids):
    """User and system seconds of processes, with those of their children that have ended."""
    ticks = 0
    for pid in pids:
        try:
            with open("/proc/%d/stat" % pid, encoding="utf-8", errors="replace") as file:
                ticks += sum(int(value) for value in file.read().rpartition(")")[2].split()[11:15])
        except (OSError, ValueError):
            continue
    return ticks / TICK


def cpu_of_machine():
    """Busy seconds of all processors."""
    with open("/proc/stat", encoding="utf-8") as file:
        user, nice, system, _, _, irq, soft = (int(value) for value in file.readline().split()[1:8])
    return (user + nice + system + irq + soft) / TICK


def peak_kib(pid):
    """The most memory that a process has had resident."""
    with open("/proc/%d/status" % pid, encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:"))
