"""Messages name settings; a command names its own options in their place, and gives no advice beyond them."""

import re

import click
import pytest

from trainer.commands import main
from trainer.commands.flags import flags_of, in_flags
from trainer.config import RESUMABLE, Config

ALL = {name: f"--{name.replace('_', '-')}" for name in Config.__dataclass_fields__}


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("`batch_size` 7: try `accumulate` 2", "--batch-size 7: try --accumulate 2"),
        ("a.toml: write `imagenet`; or `epochs = 3`", "a.toml: write `imagenet`; or `epochs = 3`"),
        ("no setting here; go away", "no setting here; go away"),
        ("give `batch_size` too, or `epochs`", "give --batch-size too, or --epochs"),
        ("integers, or signed ones, are bad; save them", "integers, or signed ones, are bad; save them"),
    ],
)
def test_settings_are_named_as_options(message, said):
    assert in_flags(message, ALL) == said


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("`batch_size` 7: too large; try `batch_size` 2", "batch_size 7: too large"),
        ("x: bad; mend it, or go on by `skip_bad_images`", "x: bad; mend it"),
        ("x: bad; go on by `skip_bad_images`, or mend it", "x: bad; mend it"),
        ("x: bad; use `device` cpu; mend it", "x: bad; use --device cpu; mend it"),
    ],
)
def test_advice_beyond_a_command_is_left_out(message, said):
    assert in_flags(message, {"device": "--device"}) == said


def command(name):
    found = main
    for part in name.split():
        found = found.commands[part]
    return found


@pytest.mark.parametrize("name", ["evaluate", "predict RUN", "reproduce methods", "extract"])
def test_the_options_of_a_command_are_those_that_it_takes(name):
    ctx = click.Context(command(name.removesuffix(" RUN")))
    flags = flags_of(ctx)
    taken = {option for param in ctx.command.params for option in param.opts}
    assert set(flags.values()) - {"hiertrain --resume"} <= taken
    assert flags["device"] == "--device"


def test_beside_resume_only_some_options_stand():
    ctx = click.Context(main)
    ctx.params["resume"] = "runs/a"
    assert flags_of(ctx).keys() == {"hierarchy", "resume", *RESUMABLE}


# Each command, as a user meets it


@pytest.fixture
def faulty(own_patches, tmp_path):
    """Images of which one is none, and a folder that is not there."""
    (own_patches / "test" / "blue" / "1.png").write_bytes(b"no picture")
    return own_patches, tmp_path / "nowhere"


def options_in(line):
    """The options that a line names, but for those in a whole command line that it gives."""
    return set(re.findall(r"(?<!hiertrain )(?<!\w)--[a-z][a-z-]+", re.sub(r"`hiertax [^`]*`", "", line)))


@pytest.mark.parametrize("args", [("evaluate",), ("--resume",)], ids=" ".join)
@pytest.mark.parametrize("fault", ["a bad image", "no data", "no gpu", "other classes"])
def test_a_command_names_no_option_that_it_does_not_take(hiertrain, run, part_of_patches, faulty, args, fault):
    spoilt, nowhere = faulty
    more = {
        "a bad image": ("--data", spoilt, "--cache", "off"),
        "no data": ("--data", nowhere),
        "no gpu": ("--cache", "gpu", "--device", "cpu"),
        "other classes": ("--data", part_of_patches),
    }[fault]
    outcome = hiertrain(*args, run, *more)
    if args == ("--resume",) and fault in ("a bad image", "no gpu") and outcome.code == 0:
        pytest.skip("a finished run reads no image")
    line = outcome.err.splitlines()[-1]
    assert outcome.code == 1, outcome
    ctx = click.Context(main if args == ("--resume",) else command(args[0]))
    ctx.params["resume"] = run if args == ("--resume",) else None
    assert options_in(line) <= set(flags_of(ctx).values()), line
    assert "`" not in re.sub(r"`hiertax [^`]*`", "", line)
