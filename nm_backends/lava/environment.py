"""Lava made importable: on Python 3.11 and later lava-nc 0.10 needs one more line of hash."""

from __future__ import annotations

import dataclasses
import sys
from importlib import import_module
from typing import Any

from nm_backends.errors import UserError

__all__ = ["load_lava"]

_OLD = 'on Python 3.10: pip install "nm-backends[lava]"'
_NEW = (
    "lava-nc 0.10.0 says that it needs Python 3.10, but runs on later ones: "
    "pip install --ignore-requires-python --no-deps lava-nc==0.10.0 && "
    'pip install "numpy<2.4" scipy scikit-learn "asteval<0.10" networkx==2.8.7'
)


def load_lava() -> None:
    """Import Lava, or say how to install it.

    Raises
    ------
    UserError
        It is not there, or cannot be imported.
    """
    _let_dataclasses_pass()
    try:
        import_module("lava.magma.core.process.process")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "lava":
            raise UserError("Lava (lava-nc) is not installed", _hint()) from error
        raise UserError(f"Lava needs {error.name!r}, which is not installed", _hint()) from error
    except Exception as error:
        raise UserError(
            f"Lava cannot be imported ({type(error).__name__}: {error})", _hint()
        ) from error


def _hint() -> str:
    return _NEW if _needs_help() else _OLD


def _needs_help() -> bool:
    return sys.version_info >= (3, 11)


def _let_dataclasses_pass() -> None:
    """Let Lava's dataclasses have defaults that are instances of unhashable classes.

    From Python 3.11 on a dataclass refuses such a default as mutable
    (``lava/magma/compiler/var_model.py``). They get the hash that objects have by themselves, when
    a dataclass of Lava asks for it; nothing else is touched.
    """
    if not _needs_help() or "lava.magma.compiler.var_model" in sys.modules:
        return
    checked: Any = dataclasses._get_field  # type: ignore[attr-defined]
    if getattr(checked, "_for_lava", False):
        return

    def get_field(cls: type, name: str, kind: Any, keyword_only: bool) -> Any:
        default = getattr(cls, name, dataclasses.MISSING)
        unhashable = type(default).__hash__ is None and not isinstance(default, dataclasses.Field)
        if unhashable and _is_lavas(cls) and _is_lavas(type(default)):
            type(default).__hash__ = object.__hash__  # type: ignore[method-assign]
        return checked(cls, name, kind, keyword_only)

    get_field._for_lava = True  # type: ignore[attr-defined]
    dataclasses._get_field = get_field  # type: ignore[attr-defined]


def _is_lavas(cls: type) -> bool:
    return cls.__module__.partition(".")[0] == "lava"
