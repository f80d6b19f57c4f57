"""Controls on PostgreSQL: `python -m tests.faults.hasty HOW serve …`.

HOW is `asynchronous`, a server that puts up with `synchronous_commit = off`, which the real one
refuses; or `once`, one that answers before the commit and never tries a turn again.
"""

import sys
from functools import partialmethod

from server.__main__ import main
from server.storage import postgres
from server.storage.postgres import PostgresDatabase
from server.storage.writer import Writer
from tests.faults.early import too_early

if __name__ == "__main__":
    how = sys.argv.pop(1)
    if how == "asynchronous":
        PostgresDatabase.__init__ = partialmethod(  # type: ignore[method-assign, assignment]
            PostgresDatabase.__init__, durable=False
        )
    else:
        Writer.put = too_early  # type: ignore[method-assign]
        postgres.ATTEMPTS = 1
    main()
