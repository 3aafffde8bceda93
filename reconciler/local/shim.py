"""The process between the server and one container's process; runs alone, with nothing but the standard library.

    python -I shim.py STATUS_FD     started by process_runner.py; reads its orders from standard input

It starts the program in a session of its own, holds the whole tree of processes to the memory limit, and ends all
of them when the program ends, when told to, and when the server goes away however abruptly (standard input closes).
Signals and rlimits are set here, since doing that between fork and exec is not safe in a server full of threads.

First line of standard input: JSON with argv, env, cwd, memory_bytes (or null). Then "T" (SIGTERM to the program),
"K" (SIGKILL to all) or "M" (what do they use?). To STATUS_FD go JSON lines: {"started": pid} or {"error": …,
"missing": bool}, then for each "M" {"memory": bytes at most since the last, "cpu": seconds so far}, and at the end the
same with {"code": 0-255, "out_of_memory": bool}, which may be the answer to an "M", too.
"""

# pathlib would take longer to import than all the rest:
# ruff: noqa: PTH110, PTH123, PTH208

import contextlib
import json
import os
import resource
import select
import signal
import sys
import time

LINUX = sys.platform == "linux"
CHECK_SECONDS = 0.05  # between two looks at the memory, four times that while a quarter of the limit isn't reached
SCAN_SECONDS = 0.5  # between two looks for new children, more where a look costs much
SCAN_SHARE = 100  # at most this part of the time goes into them
GROWTH = 1.02  # so much more is in memory when it is looked at how much of that is the processes' own
PAGE, TICK = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")
HAS_CHILDREN_LISTS = os.path.exists(f"/proc/self/task/{os.getpid()}/children")


def prctl(option: int, value: int) -> None:
    """Linux's prctl; nothing elsewhere."""
    if LINUX:
        import ctypes

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def descendants() -> "set[int]":
    """All processes below this one."""
    return from_children_lists() if HAS_CHILDREN_LISTS else from_process_table()


def from_children_lists() -> "set[int]":
    """The descendants by the kernel's lists of children: cheap, on most kernels."""
    pids: set[int] = set()
    todo = [os.getpid()]
    while todo:
        pid = todo.pop()
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for thread in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{thread}/children", "rb") as children:
                    kids = {int(kid) for kid in children.read().split()} - pids
                pids |= kids
                todo.extend(kids)
    return pids


def from_process_table() -> "set[int]":
    """The descendants by a look at every process of the machine."""
    kids: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{name}/stat", "rb") as stat:
                ppid = int(stat.read().rpartition(b")")[2].split()[1])
                kids.setdefault(ppid, []).append(int(name))
    pids: set[int] = set()
    todo = [os.getpid()]
    while todo:
        for kid in kids.get(todo.pop(), []):
            if kid not in pids:
                pids.add(kid)
                todo.append(kid)
    return pids


def resident(pid: int) -> int:
    """Bytes in memory, an upper bound of what the process is charged for: cheap."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as statm:
            return int(statm.read().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


def by_psutil() -> "tuple[int, float]":
    """(bytes that the descendants of this process hold, seconds of a processor), where there is no /proc."""
    import psutil

    used, seconds = 0, 0.0
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            used += process.memory_info().rss
            seconds += sum(process.cpu_times()[:2])
    return used, seconds


def busy(pid: int) -> float:
    """Seconds of a processor that a process has taken, with those of its children that it has waited for."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return sum(map(int, stat.read().rpartition(b")")[2].split()[11:15])) / TICK
    except (OSError, ValueError):
        return 0.0


def charged(pid: int) -> int:
    """Bytes that can't be given back, shared ones divided among their users: what a memory cgroup would hold."""
    values: dict[bytes, int] = {}
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as rollup:
            for line in rollup:
                fields = line.split()
                if line.startswith(b"Pss") and len(fields) == 3:
                    values[fields[0]] = int(fields[1]) * 1024
    except OSError:
        return resident(pid)
    if b"Pss_Anon:" in values:
        return values[b"Pss_Anon:"] + values.get(b"Pss_Shmem:", 0)
    return values.get(b"Pss:", 0)


class Tree:
    """The processes of one container."""

    def __init__(self, main: int, limit: "int | None") -> None:
        self.main, self.limit = main, limit
        self.pause = CHECK_SECONDS
        self._members = {main}
        self._next_scan = time.monotonic() + SCAN_SECONDS
        self._ended_seconds = 0.0  # seconds of a processor that those took that have ended
        self._peak = self._highest = self._shared = 0  # bytes: charged, resident, and what of that isn't charged

    def over_limit(self) -> bool:
        """Whether the processes together hold more memory than they may. How much that is at most is noted."""
        if not LINUX:
            self._peak = max(self._peak, by_psutil()[0])
            return self.limit is not None and self._peak > self.limit
        if time.monotonic() >= self._next_scan:
            self._scan()
        used = sum(resident(pid) for pid in self._members)
        near = self.limit is not None and 4 * used > self.limit
        self.pause = CHECK_SECONDS if near else 4 * CHECK_SECONDS
        if used > GROWTH * self._highest:
            self._charged(used)
        if self.limit is None or used <= self.limit:
            return False
        self._scan()
        return self._charged(used) > self.limit

    def _charged(self, used: int) -> int:
        """Bytes that are charged to the processes now. used: that are in memory."""
        total = sum(charged(pid) for pid in self._members)
        self._peak, self._highest, self._shared = max(self._peak, total), max(self._highest, used), used - total
        return total

    def ended(self, main: bool, usage: "resource.struct_rusage") -> None:
        """Note what a process used that has ended, which may have grown since the last look."""
        self._ended_seconds += usage.ru_utime + usage.ru_stime
        if main:
            largest = usage.ru_maxrss * (1024 if LINUX else 1)
            self._peak = max(self._peak, largest - max(self._shared, 0))

    def used(self) -> "dict[str, float]":
        """Bytes at most since the last time, and seconds of a processor so far."""
        if LINUX:
            self._scan()
            self._charged(sum(resident(pid) for pid in self._members))
            seconds = sum(busy(pid) for pid in self._members)
        else:
            seconds = by_psutil()[1]
        used = {"memory": self._peak, "cpu": self._ended_seconds + seconds}
        self._peak = self._highest = 0
        return used

    def _scan(self) -> None:
        began = time.monotonic()
        self._members = descendants()
        ended = time.monotonic()
        self._next_scan = ended + max(SCAN_SECONDS, SCAN_SHARE * (ended - began))

    def kill(self) -> None:
        """SIGKILL to all, wherever they have moved to: a new session doesn't save a descendant."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.main, signal.SIGKILL)
        for pid in descendants() if LINUX else ():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def run_program(spec: "dict[str, object]", errors: int) -> None:
    """In the new process: become the program, or say why not."""
    argv = list(map(str, spec["argv"]))  # type: ignore[call-overload]
    try:
        os.setsid()
        prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: not even a killed shim leaves the program behind
        for number in (signal.SIGPIPE, signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(1, 2)
        os.umask(0o022)  # a container's, not the server's
        os.chdir(str(spec["cwd"]))
        limit = spec["memory_bytes"]
        if isinstance(limit, int) and LINUX:
            # Only a backstop for what is faster than the checks: stacks and buffers of threads need room beyond.
            room = 2 * limit + 2**30 + 2**26 * (os.cpu_count() or 1)
            resource.setrlimit(resource.RLIMIT_DATA, (room, room))
            with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
                score.write("500")
        env = dict(spec["env"])  # type: ignore[call-overload]
        os.execvpe(argv[0], argv, env)  # noqa: S606 - running a program is what this is for
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        if missing and "/" in argv[0] and os.path.exists(argv[0]):
            # It is there: what its first line names isn't. A container has begun by then, and says so in its log.
            os.write(1, f"exec {argv[0]}: no such file or directory\n".encode())
            os._exit(1)
        os.write(errors, json.dumps({"error": error.strerror, "missing": missing}).encode() + b"\n")
    finally:
        os._exit(127)


def reap(tree: Tree) -> "tuple[int | None, bool]":
    """(the program's wait status if it has ended, whether any process is left)."""
    ended = None
    while True:
        try:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return ended, False
        if pid == 0:
            return ended, True
        tree.ended(pid == tree.main, usage)
        if pid == tree.main:
            ended = status


def watch(tree: Tree, wake: int, report: int) -> "tuple[int, bool]":
    """Until the program has ended and nothing of it is left: (exit code, ended for memory)."""
    poll = select.poll()
    poll.register(0, select.POLLIN | select.POLLHUP)
    poll.register(wake, select.POLLIN)
    out_of_memory = False
    status: int | None = None
    left = True
    orders_open = True
    while left or status is None:
        ready = {fd for fd, _ in poll.poll(tree.pause * 1000)}
        if wake in ready:
            os.read(wake, 4096)
        if 0 in ready and orders_open:
            orders = os.read(0, 4096)
            if not orders:
                orders_open = False
                poll.unregister(0)
            if not orders or b"K" in orders:
                tree.kill()
            elif b"T" in orders and status is None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(tree.main, signal.SIGTERM)
            for _ in range(orders.count(b"M")):
                os.write(report, json.dumps(tree.used()).encode() + b"\n")
        if status is None and tree.over_limit():
            out_of_memory = True
            tree.kill()
        ended, left = reap(tree)
        status = ended if ended is not None else status
        if status is not None and left:
            tree.kill()
            time.sleep(0.002)
    code = os.waitstatus_to_exitcode(status)
    return (137 if out_of_memory else 128 - code if code < 0 else code), out_of_memory


def main() -> None:
    """Run one program."""
    report = int(sys.argv[1])
    os.set_inheritable(report, False)
    order = b""
    while not order.endswith(b"\n"):  # no order follows before the answer to this one
        part = os.read(0, 65536)
        if not part:
            return
        order += part
    spec = json.loads(order)
    prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: orphans of the program become ours, so none is lost
    wake, wake_in = os.pipe()
    os.set_blocking(wake_in, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_in, warn_on_full_buffer=False)
    errors, errors_in = os.pipe()
    pid = os.fork()
    if pid == 0:
        run_program(spec, errors_in)
    os.close(errors_in)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)  # the program alone holds the output, so that it ends when the program's processes do
    with open(errors, "rb") as pipe:
        error = pipe.read()
    if error:
        os.waitpid(pid, 0)
        os.write(report, error)
        return
    os.write(report, json.dumps({"started": pid}).encode() + b"\n")
    tree = Tree(pid, spec["memory_bytes"])
    code, out_of_memory = watch(tree, wake, report)
    result = {"code": code, "out_of_memory": out_of_memory, **tree.used()}
    os.write(report, json.dumps(result).encode() + b"\n")


if __name__ == "__main__":
    main()
