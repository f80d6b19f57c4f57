"""How many files this process may hold open: each connection is one of them."""

import resource

#: What the database, its readers, logs and receivers of consequences need beside connections.
RESERVED = 200
MOST = 1_048_576  # "unlimited" would make tables of that size elsewhere
#: Below so many connections a person is told: a day's visitors on slow networks fill them.
ENOUGH = 2_000


def raise_limit() -> int:
    """Lift `ulimit -n` as far as the system lets this process; what it is now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):
            return soft
        return wanted
    return wanted if soft == resource.RLIM_INFINITY else soft


def connections_for(files: int, most: int) -> int:
    """How many connections fit beside everything else: all but some, a quarter of few."""
    return min(most, max(files - RESERVED, files // 4))


def too_few(files: int) -> str:
    """A sentence for whoever runs the server, empty where there are enough."""
    room = connections_for(files, ENOUGH)
    if room >= ENOUGH:
        return ""
    return (
        f"only {files} open files are allowed, so at most {room} connections:"
        " raise `ulimit -n` to 65536 (systemd: LimitNOFILE=65536)"
    )
