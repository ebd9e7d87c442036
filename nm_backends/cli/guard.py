"""From an exception to one screen of text and an exit code."""

from __future__ import annotations

import linecache
import os
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from zipfile import BadZipFile

import click

from nm_backends.cli.output import echo_json, echo_report, json_wanted
from nm_backends.errors import PluginWarning, UserError
from nm_backends.rules import CompileError

__all__ = ["BUG", "FAILED", "INTERRUPTED", "WRONG_USE", "guarded"]

FAILED, WRONG_USE, BUG, INTERRUPTED = 1, 2, 3, 130
ISSUES = "please report it with this text, the command and the model, if you can share it"


@contextmanager
def guarded(ctx: click.Context) -> Iterator[None]:
    """Turn any exception of a command into a message and an exit code.

    1: the model or trace failed; 2: wrong use or bad input; 3: a bug in ``nmb`` or in a plugin.
    ``NMB_DEBUG=1`` shows the traceback.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("always", PluginWarning)
        warnings.showwarning = _show_warning  # type: ignore[assignment]
        try:
            yield
        except (click.ClickException, click.exceptions.Exit):
            raise
        except (KeyboardInterrupt, click.Abort):
            click.echo("interrupted", err=True)
            raise click.exceptions.Exit(INTERRUPTED) from None
        except Exception as error:
            if isinstance(error, BrokenPipeError):  # ``nmb chips | head``: click ends quietly
                raise
            if os.environ.get("NMB_DEBUG"):
                traceback.print_exception(error)
            raise click.exceptions.Exit(_explain(ctx, error)) from None


def _show_warning(message: Warning | str, category: type[Warning], *_: Any) -> None:
    """Print a warning as one line; other people's libraries warn for us only in debug mode."""
    if issubclass(category, UserWarning) or os.environ.get("NMB_DEBUG"):
        click.secho(f"warning: {first_line(message)}", fg="yellow", err=True)


def _explain(ctx: click.Context, error: Exception) -> int:
    if isinstance(error, CompileError):
        if json_wanted(ctx):
            echo_json(error.report.to_dict())
        else:
            echo_report(error.report)
        return FAILED
    code, message, hint = _classify(error)
    if json_wanted(ctx):
        kind = type(error).__name__
        echo_json({"ok": False, "error": {"type": kind, "message": message, "hint": hint}})
    click.secho(f"error: {message}", fg="red", err=True)
    if hint:
        click.echo(f"  help: {hint}", err=True)
    return code


def _classify(error: Exception) -> tuple[int, str, str]:
    """Return exit code, message and hint."""
    text = shortened(str(error)) or type(error).__name__
    if isinstance(error, UserError):
        return WRONG_USE, text, error.hint
    if isinstance(error, FileNotFoundError) and error.filename:
        return WRONG_USE, f"{error.filename}: no such file or directory", "check the path"
    if isinstance(error, OSError):
        what = f"{error.filename}: " if error.filename else ""
        return WRONG_USE, f"{what}{error.strerror or text}", ""
    if isinstance(error, BadZipFile):
        return WRONG_USE, text, "the file is damaged or cut short: make or copy it again"
    if isinstance(error, MemoryError):
        return WRONG_USE, f"not enough memory: {text}", "use a smaller model, batch or file"
    if isinstance(error, (ValueError, TypeError, LookupError)) and _raised_by_us(error):
        return WRONG_USE, text, getattr(error, "hint", "")
    return BUG, f"{type(error).__name__}: {text}\n  {_where(error)}", f"this is a bug: {ISSUES}"


def _raised_by_us(error: BaseException) -> bool:
    """Whether this package or a plugin raised this on purpose, not a library on its way."""
    *_, (frame, line) = traceback.walk_tb(error.__traceback__)
    text = linecache.getline(frame.f_code.co_filename, line)
    package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
    return text.lstrip().startswith("raise ") and package in _our_packages()


def _our_packages() -> set[str]:
    from nm_backends.registry import registry

    plugins = {plugin.candidate.module.partition(".")[0] for plugin in registry().plugins}
    return {"nm_backends", *plugins}


def _where(error: BaseException) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"at {os.path.basename(last.filename)}:{last.lineno} in {last.name}"


def first_line(text: object) -> str:
    """Return the first line of a text."""
    lines = str(text).strip().splitlines()
    return lines[0] if lines else ""


def shortened(text: str, lines: int = 30, width: int = 1000) -> str:
    """Keep a message on one screen."""
    kept = [line if len(line) <= width else line[:width] + " ..." for line in text.splitlines()]
    return "\n".join(kept if len(kept) <= lines else [*kept[:lines], "..."])
