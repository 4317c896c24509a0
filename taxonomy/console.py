"""What both command lines share: errors as one line, exit codes, `--debug`.

Exit codes: 0 fine, 1 the work found a fault, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import gc
import shlex
import sys
from collections.abc import Callable, Collection, Sequence
from typing import Any, NoReturn

import click
from click.core import ParameterSource

from taxonomy.errors import HiertaxError

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
# A command imports a hundred thousand objects that stay, and looks for garbage among them every 700: a twelfth of the
# processor time of starting to train.
FEWER_COLLECTIONS = (50_000, 20, 20)
EXTRAS = {
    **dict.fromkeys(("torch", "torchvision", "safetensors", "filelock", "tomli_w"), "train"),
    "matplotlib": "plot",
    "statsmodels": "study",
    **dict.fromkeys(("fastapi", "uvicorn", "starlette"), "serve"),
    "tensorboard": "tensorboard",
    "timm": "timm",
    **dict.fromkeys(("openpyxl", "pyarrow"), "tables"),
}


class Console(click.Group):
    """A click group that tells a user's mistakes in one line and shows tracebacks only with ``--debug``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, context_settings=CONTEXT, **kwargs)
        self.params.append(
            click.Option(["--debug"], is_flag=True, expose_value=False, help="Show the traceback of an error.")
        )

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> NoReturn:
        """Run the command line and exit the process."""
        gc.set_threshold(*FEWER_COLLECTIONS)
        args = list(sys.argv[1:] if args is None else args)
        debug = "--debug" in args
        try:
            code = super().main([a for a in args if a != "--debug"], *rest, **{**extra, "standalone_mode": False})
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message(), err=True)
            code = 2
        except click.UsageError as error:
            command = error.ctx.command_path if error.ctx else self.name
            code = _fail(f"{error.format_message()} Try: {command} --help", 2)
        except click.Abort:
            code = _fail("interrupted", 130)
        except HiertaxError as error:
            if debug:
                raise
            code = _fail(str(error), error.exit_code)
        except ModuleNotFoundError as error:
            if debug or error.name not in EXTRAS:
                raise
            code = _fail(
                f"this needs {error.name}, which is not installed: pip install 'hiertax[{EXTRAS[error.name]}]'", 1
            )
        except OSError as error:
            if debug:
                raise
            code = _fail(f"{error.filename or 'system'}: {error.strerror or error}; check the place and try again", 1)
        sys.exit(code if isinstance(code, int) else 0)


def invocation(
    program: str, ctx: click.Context, *, without: Collection[str] = ("out",), shown: Callable[[Any], str] = str
) -> str:
    """Return the command line that was given to `program`, as it may be typed again.

    Parameters
    ----------
    without
        The parameters that say nothing of what comes out, by name.
    shown
        How a value is told. That of an option whose callback takes it all is in ``ctx.meta`` by the option's name.
    """
    words = [*program.split(), ctx.info_name or ""]
    for param in ctx.command.params:
        name = param.name or ""
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE and name not in without:
            words += _typed(param, ctx.params.get(name, ctx.meta.get(name)), shown)
    return shlex.join(words)


def _typed(param: click.Parameter, value: Any, shown: Callable[[Any], str]) -> list[str]:
    if isinstance(value, bool):
        return [(param.opts if value else param.secondary_opts)[0]]
    values = [shown(each) for each in (value if isinstance(value, tuple) else (value,))]
    if isinstance(param, click.Argument):
        return values
    if param.multiple:
        return [word for each in values for word in (param.opts[0], each)]
    return [param.opts[0], *values]


def visible(text: str, most: int | None = None) -> str:
    """Return text as one line for a terminal: nothing that does not print, nothing longer than `most`."""
    text = text if most is None or len(text) <= most else text[: most - 3] + "..."
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _fail(message: str, code: int) -> int:
    click.echo(f"error: {visible(' '.join(message.split()))}", err=True)
    return code
