"""The settings of a run are one value: on the command line, in a TOML file, in a run folder."""

import re
import tomllib
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect
from runs import differences

from taxonomy import HiertaxError
from trainer.commands import train as cli
from trainer.commands.options import FIELDS
from trainer.config import METHODS, Config, make_config, read_settings

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


def values(kind):
    """Every value that a field of this type may have."""
    match kind:
        case inspect.Metadata(type=inner):
            return values(inner)
        case inspect.UnionType(types=kinds):
            return st.one_of([values(each) for each in kinds])
        case inspect.NoneType():
            return st.none()
        case inspect.BoolType():
            return st.booleans()
        case inspect.LiteralType(values=choices):
            return st.sampled_from(choices)
        case inspect.IntType(ge=low, le=high):
            return st.integers(low, 2**63 - 1 if high is None else high)
        case inspect.FloatType(ge=low, le=high):
            return st.floats(low, high, allow_nan=False, allow_infinity=False)
        case inspect.StrType():
            return TEXT
    raise AssertionError(kind)


def built(accumulate, each, epochs, train_blocks, heads_first, warmup_epochs, **settings):
    """A config whose batches and epochs can be shared out, and of whose frozen backbone no block is to learn."""
    if settings["freeze_backbone"]:
        train_blocks, heads_first, settings["layer_decay"] = None, 0, 1.0
    if settings["weights"] == "none":
        settings["norm_statistics"] = "batch"
    heads_first = min(heads_first, epochs - 1)
    settings |= {"heads_first": heads_first, "warmup_epochs": min(warmup_epochs, epochs - heads_first - 1)}
    return Config(
        **settings, accumulate=accumulate, batch_size=accumulate * each, epochs=epochs, train_blocks=train_blocks
    )


CONFIGS = st.builds(
    built, accumulate=st.integers(1, 99), each=st.integers(2, 99),
    **{name: values(field.type) for name, field in FIELDS.items() if name not in ("accumulate", "batch_size")},
)  # fmt: skip


def as_options(settings):
    """Return the command line that asks for some settings."""
    for name, value in settings.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            yield f"--{flag}" if value else f"--no-{flag}"
        elif value is not None:
            yield f"--{flag}={value}"


@pytest.fixture(scope="module")
def asked(hiertrain, tmp_path_factory):
    """Return a function that gives the config which `hiertrain ARGS` would train with."""
    folder = tmp_path_factory.mktemp("asked")

    def ask(*args):
        given = []
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv("HIERTAX_DATA", raising=False)
            patch.setattr(cli, "_train", lambda settings, *_: given.append(make_config(settings)) or folder)
            outcome = hiertrain(*args)
        assert outcome.code == 0, outcome
        (config,) = given
        return config

    return ask


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("settings") / "run.toml"


# The same everywhere


@given(CONFIGS)
def test_what_is_written_is_read_back(file, config):
    config.save(file)
    assert Config(**read_settings(file)) == config
    assert Config.from_json(config.to_json()) == config


@given(CONFIGS)
def test_a_command_line_and_a_file_ask_for_the_same(asked, patches, file, config):
    config = replace(config, hierarchy=str(patches.hierarchy))
    config.save(file)
    assert asked(*as_options(asdict(config))) == config
    assert asked("--config", file) == config


BOUND = {
    "accumulate",
    "batch_size",
    "epochs",
    "heads_first",
    "warmup_epochs",
    "freeze_backbone",
    "train_blocks",
    "layer_decay",
    "weights",
    "norm_statistics",
}


@given(CONFIGS, st.sets(st.sampled_from(sorted(set(FIELDS) - {"hierarchy", *BOUND}))))
def test_what_the_command_line_gives_wins_over_the_file(asked, patches, file, config, names):
    written = replace(config, hierarchy=str(patches.hierarchy))
    written.save(file)
    defaults = asdict(Config("any"))
    given = {name: defaults[name] for name in names if defaults[name] is not None}
    assert asked("--config", file, *as_options(given)) == replace(written, **given)


def test_without_a_file_the_settings_are_the_defaults(asked, patches):
    assert asked("--hierarchy", patches.hierarchy) == Config(str(patches.hierarchy))


def test_a_flag_that_a_file_sets_can_be_switched_off(asked, patches, file):
    file.write_text("freeze_backbone = true\ntensorboard = true\n")
    options = ("--config", file, "--hierarchy", patches.hierarchy)
    assert asked(*options).freeze_backbone
    changed = asked(*options, "--no-freeze-backbone")
    assert (changed.freeze_backbone, changed.tensorboard) == (False, True)


def test_a_file_may_write_whole_numbers_where_others_may_stand(asked, patches, file):
    file.write_text("learning_rate = 1\n")
    rate = asked("--config", file, "--hierarchy", patches.hierarchy).learning_rate
    assert (rate, type(rate)) == (1.0, float)


def test_a_runs_config_repeats_the_run_to_the_bit(hiertrain, run, tmp_path):
    assert hiertrain("--config", run / "config.toml", "--out", tmp_path / "again").code == 0
    assert differences(tmp_path / "again", run) == []
    assert (tmp_path / "again" / "config.toml").read_bytes() == (run / "config.toml").read_bytes()


def test_a_run_keeps_its_settings_with_full_paths(hiertrain, patches, tmp_path, monkeypatch):
    monkeypatch.chdir(patches.data.parent)
    places = ("--hierarchy", patches.hierarchy.name, "--data", "data")
    assert hiertrain(*patches.options(*places, "--freeze-backbone", "--out", tmp_path / "run", epochs=1)).code == 0
    written = tomllib.loads((tmp_path / "run" / "config.toml").read_text())
    assert (written["hierarchy"], written["data"]) == (str(patches.hierarchy), str(patches.data))
    assert {name for name, value in asdict(Config("any", "any")).items() if value is not None} == written.keys()


# The help


@pytest.mark.parametrize("name", FIELDS)
def test_the_help_names_every_setting_with_its_meaning_and_default(hiertrain, name):
    text = hiertrain("--help").out
    ((_, entry),) = re.findall(
        rf"^  (-\w, )?--{name.replace('_', '-')}(?=[ \n])(.*?)(?=^  -|^\w|\Z)", text, re.M | re.S
    )
    words = " ".join(entry.split())
    default = FIELDS[name].default
    assert len(words) > 20
    if isinstance(default, str | int | float) and not isinstance(default, bool):
        assert re.search(rf"\[.*default: {re.escape(str(default))}\b", words)
    elif isinstance(default, bool):
        assert words.startswith(f"/ --no-{name.replace('_', '-')}")


# Files that cannot be used


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("epoch = 3", "epoch: no such setting; is it `epochs`?"),
        ("zebra = 3", "zebra: no such setting; remove it"),
        ("[train]\nepochs = 3", "train: no such setting; remove it"),
        ("epochs = 'many'", "epochs = 'many': give a whole number of 1 or more"),
        ("epochs = 0", "epochs = 0: give a whole number of 1 or more"),
        ("epochs = 1.5", "epochs = 1.5: give a whole number of 1 or more"),
        ("workers = -1", "workers = -1: give a whole number of 0 or more, or leave it out"),
        ("momentum = 1.0", "momentum = 1.0: give a number from 0.0 to 0.999"),
        ("learning_rate = nan", "learning_rate = nan: give a number of 0.0 or more"),
        ("mixup = inf", "mixup = inf: not a finite number; correct it"),
        ("method = 'theirs'", f"method = 'theirs': give one of {', '.join(sorted(METHODS))}"),
        ("tensorboard = 1", "tensorboard = 1: give true or false"),
        ("data = ['a', 'b']", "data = ['a', 'b']: give a text"),
        ("epochs 3", "not TOML: "),
        ("epochs = 3\nepochs = 4", "not TOML: "),
    ],
)
def test_a_file_that_says_something_wrong_is_named_with_the_place(hiertrain, patches, tmp_path, content, said):
    file = tmp_path / "run.toml"
    file.write_text(content)
    line = hiertrain("--config", file, *patches.options("--out", tmp_path / "run")).error()
    assert line.startswith(f"error: {file}: {said}")
    assert not (tmp_path / "run").exists()


def test_a_file_that_is_no_text_is_refused(hiertrain, tmp_path):
    (tmp_path / "run.toml").write_bytes(b"data = '\xff'")
    assert "not UTF-8 text (byte 8)" in hiertrain("--config", tmp_path / "run.toml").error()


@pytest.mark.parametrize("name", ["none.toml", "."])
def test_a_file_that_is_not_there_is_wrong_usage(hiertrain, tmp_path, name):
    line = hiertrain("--config", tmp_path / name).error(2)
    assert "--config" in line
    assert str(tmp_path) in line


def test_a_hierarchy_that_a_file_names_wrongly_is_wrong_usage(hiertrain, file):
    file.write_text("hierarchy = 'no/such.json'")
    assert "'no/such.json' does not exist" in hiertrain("--config", file).error(2)


def test_a_file_does_not_change_a_run_that_is_gone_on_with(hiertrain, run):
    line = hiertrain("--resume", run, "--config", run / "config.toml").error(2)
    assert "--config and --recipe are for a new run; leave them out with --resume" in line


# The same checks wherever a config is made


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"epochs": -3, "method": "nonsense"}, f"`method` 'nonsense': give one of {', '.join(sorted(METHODS))}"),
        ({"epochs": -3}, "`epochs` -3: give a whole number of 1 or more"),
        ({"epochs": True}, "`epochs` True: give a whole number of 1 or more"),
        ({"epochs": None}, "`epochs` None: give a whole number of 1 or more"),
        ({"seed": 2**63}, f"`seed` {2**63}: give a whole number from 0 to {2**63 - 1}"),
        ({"val_fraction": 0.95}, "`val_fraction` 0.95: give a number from 0.0 to 0.9"),
        ({"learning_rate": "fast"}, "`learning_rate` 'fast': give a number of 0.0 or more"),
        ({"learning_rate": float("inf")}, "`learning_rate` inf: not a finite number; correct it"),
        ({"patience": 0}, "`patience` 0: give a whole number of 1 or more, or leave it out"),
        ({"cache": "rum"}, "`cache` 'rum': give one of auto, disk, gpu, off, ram"),
        ({"data": b"caf\xe9".decode(errors="surrogateescape")}, "not UTF-8; rename the file or folder"),
        ({"batch_size": 9, "accumulate": 2}, "`batch_size` 9: makes no 2 equal parts of two or more"),
        ({"batch_size": 4, "accumulate": 4}, "`batch_size` 4: makes no 4 equal parts of two or more"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_a_config_that_makes_no_sense_cannot_be_made(settings, said):
    with pytest.raises(HiertaxError, match=re.escape(said)):
        Config("h", **settings)
    with pytest.raises(HiertaxError, match=re.escape(said)):
        replace(Config("h"), **settings)
    with pytest.raises(HiertaxError, match=re.escape(said)):
        Config.from_json({"hierarchy": "h", **settings})


def test_a_setting_that_there_is_not_is_named_with_the_nearest():
    with pytest.raises(HiertaxError, match=r"^epoch: no such setting; is it `epochs`\?$"):
        make_config({"hierarchy": "h", "epoch": 3})


def test_paths_and_numpys_numbers_may_stand_for_texts_and_numbers():
    config = Config(Path("a.json"), data=Path("b"), epochs=np.int64(3), learning_rate=np.float32(0.5), momentum=0)
    assert config == Config("a.json", data="b", epochs=3, learning_rate=0.5, momentum=0.0)
    assert [type(value) for value in (config.data, config.epochs, config.learning_rate, config.momentum)] == [
        str, int, float, float,
    ]  # fmt: skip


def test_settings_of_another_version_are_passed_over():
    assert Config.from_json({"hierarchy": "h", "fashion": "old"}) == Config("h")


@pytest.mark.parametrize("number", ["nan", "inf"])
def test_a_rate_that_is_no_number_is_refused_as_an_option(hiertrain, patches, tmp_path, number):
    line = hiertrain(*patches.options("--learning-rate", number, "--out", tmp_path / "run")).error()
    assert line.startswith(f"error: --learning-rate {number}: ")
    assert not (tmp_path / "run").exists()
