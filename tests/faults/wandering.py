"""The control of the ways out of a folder: files are served from wherever a path leads.

Run as `python -m tests.faults.wandering serve …`.
"""

import os

from starlette.staticfiles import StaticFiles

from server.__main__ import main


def _anywhere(self: StaticFiles, path: str) -> tuple[str, os.stat_result | None]:
    full = os.path.realpath(os.path.join(str(self.directory), path))
    try:
        return full, os.stat(full)
    except (OSError, ValueError):
        return "", None


if __name__ == "__main__":
    StaticFiles.lookup_path = _anywhere  # type: ignore[method-assign]
    main()
