"""What a test may not leave behind in the program: another value of one of its constants."""

import copy
import sys
from typing import Any


def constants() -> dict[str, Any]:
    """Copies of every constant of the program's loaded modules, by module and name.

    A constant is a name in capitals. Of tables of them the content counts, too.
    """
    return {
        f"{module}.{name}": copy.copy(value) if isinstance(value, dict | list | set) else value
        for module, loaded in list(sys.modules.items())
        if module.startswith("server.")
        for name, value in list(vars(loaded).items())
        if name.isupper()
    }


def changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """The constants of `before` that are something else now."""
    return [name for name, value in before.items() if not _same(value, after.get(name))]


def _same(one: Any, other: Any) -> bool:
    """Whether it is the same object, or of tables an equal one."""
    return one is other or (isinstance(one, dict | list | set) and bool(one == other))
