"""How much of what was written to a connection still waits to be read."""

import asyncio
import sys

if sys.platform == "linux":
    import fcntl
    import termios


def unread(transport: asyncio.Transport) -> int:
    """Bytes written that the far end has not taken yet: ours and the kernel's, which may be
    megabytes, and tells of room for more only when a third of it is free.

    Elsewhere than on Linux the kernel is not asked, and `listen` keeps its buffer small.
    """
    size = transport.get_write_buffer_size()
    if sys.platform == "linux":
        try:
            plain = transport.get_extra_info("socket")
            size += int.from_bytes(
                fcntl.ioctl(plain.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder
            )
        except (AttributeError, OSError, ValueError):  # closed just now
            pass
    return size
