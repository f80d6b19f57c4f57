"""strace between the server and its disk: calls that fail, wait, or are the last of a life."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.faults.kill import Server
from tests.faults.row import CannotRun

ATTACHED_S = 10


def strace() -> str:
    """Its path. Raises `CannotRun` where it is missing."""
    found = shutil.which("strace")
    if found is None:
        raise CannotRun("strace is missing: apt-get install strace")
    return found


class Traced(Server):
    """A server whose system calls are watched from its first on, such as
    `inject=fdatasync:signal=KILL:when=3`; what is seen goes to `log`."""

    def __init__(self, module: str, data: Path, watch: str, log: Path | None = None) -> None:
        super().__init__(module, data)
        self.watch = watch
        self.log = log

    def command(self) -> list[str]:
        # -D: the server is the child, the tracer is not, so that signals reach the server.
        where = str(self.log or "/dev/null")
        under = [strace(), "-D", "-f", "--seccomp-bpf", "-qq", "-o", where, "-e", self.watch]
        return [*under, *super().command()]


@asynccontextmanager
async def injected(pid: int, what: str, path: Path | None = None) -> AsyncIterator[None]:
    """While this lasts a running process has `what`, such as `fdatasync:error=EIO`, on all of its
    files or on one. Raises `CannotRun` where this machine lets nobody look into a process."""
    only = ["-P", str(path)] if path else []
    call = what.split(":", 1)[0]
    tracer = await asyncio.create_subprocess_exec(
        strace(),
        "-f",
        "-o",
        "/dev/null",
        *only,
        *("-e", f"trace={call}", "-e", f"inject={what}"),
        *("-p", str(pid)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert tracer.stderr is not None
    try:
        async with asyncio.timeout(ATTACHED_S):
            said = b""
            while b"attached" not in said:
                line = await tracer.stderr.readline()
                if not line:
                    raise CannotRun(
                        f"strace may not attach ({said.decode().strip()}): be root, or set"
                        " kernel.yama.ptrace_scope=0"
                    )
                said += line
        yield
    finally:
        if tracer.returncode is None:
            os.kill(tracer.pid, signal.SIGINT)
        await tracer.communicate()
