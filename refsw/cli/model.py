"""refsw model: differences of models, coded, applied and looked into."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from refsw.cli.common import (
    OUTPUT,
    PIPE,
    about,
    base_model,
    complain,
    distinct,
    input_stream,
    max_work,
    output_stream,
    progress,
    role,
    say,
    say_all,
)
from refsw.cli.inspect import print_metadata, print_update
from refsw.errors import UsageError
from refsw.inspection import inspect
from refsw.models.apply import apply_stream
from refsw.models.arithmetic import Rounding, Step
from refsw.models.config import DiffConfig, make_step, matches
from refsw.models.diff import assemble, encode_models
from refsw.models.encoder import check_names
from refsw.models.files import ModelFiles, open_model
from refsw.models.results import Outcome
from refsw.models.state import Model, model_digest
from refsw.models.update import ApplyLimits
from refsw.profiles import MODEL_PROFILES, Allowance
from refsw.syntax.codes import Profile
from refsw.text import shown

FILE = click.Path(path_type=Path)


@click.group(name="model")
def command() -> None:
    """Update models: code differences, apply them, look into them.

    Models are .safetensors, .npz, .pt or .pth files (state dictionaries); nothing is ever unpickled.
    """


@command.command()
@click.argument("models", type=FILE, nargs=-1, required=True, metavar="BASE TARGET...")
@click.option("-o", "--output", type=OUTPUT, required=True, help="The bitstream; - for a pipe.")
@click.option("--digits", type=click.IntRange(0, 15), default=4, show_default=True,
              help="Decimal digits that are kept: the step is 10^-DIGITS.")  # fmt: skip
@click.option("--step", type=click.Choice(["1", "2", "5"]), default="1", show_default=True,
              help="The step is this times 10^-DIGITS.")  # fmt: skip
@click.option("--tensor-step", "steps", multiple=True, metavar="NAME=DIGITS[:STEP]",
              help="A step for one tensor, or for all of a pattern (fc.*=6).")  # fmt: skip
@click.option("--effort", type=click.IntRange(1, 3), default=1, show_default=True,
              help="1: every difference is rounded. 2: errors are weighed against bits, and predictions are finer, for "
                   "as much error as rounding has. 3: two quantizers in turn as well (trellis); slow. 2 and 3 make "
                   "bitstreams of version 1.1, which decoders of version 1.0 refuse as unsupported.")  # fmt: skip
@click.option("--profile", type=click.Choice([p.name.lower() for p in sorted(MODEL_PROFILES)]),
              help="What decoders have. model_extended: efforts 2 and 3, and tensors that gained or lost rows are "
                   "coded as differences. What needs no more than model is written as such.  "
                   "[default: model; with effort 2 or 3 model_extended]")  # fmt: skip
@click.option("--rounding", type=click.Choice([str(r) for r in Rounding]), default="nearest", show_default=True,
              help="How differences become multiples of the step.")  # fmt: skip
@click.option("--offset", type=float, default=0.3, show_default=True, help="f of dead-zone and literal rounding.")
@click.option("--exact", multiple=True, metavar="NAME", help="A tensor, or a pattern, that arrives bit by bit.")
@click.option("--full", is_flag=True, help="No base: the first model is coded whole.")
@click.option("--network", default="", help="Name of the network.")
@click.option("--versions", metavar="V0,V1,...", help="Names of the versions.  [default: the files' names]")
@click.option("--metadata", multiple=True, metavar="KEY=TEXT", help="An entry for people.")
@click.option("--no-dictionary", is_flag=True, help="Do not try a dictionary coder where rows repeat.")
def diff(
    models: tuple[Path, ...],
    output: Path,
    digits: int,
    step: str,
    steps: tuple[str, ...],
    effort: int,
    profile: str | None,
    rounding: str,
    offset: float,
    exact: tuple[str, ...],
    full: bool,
    network: str,
    versions: str | None,
    metadata: tuple[str, ...],
    no_dictionary: bool,
) -> None:
    """Code what leads from BASE to TARGET; with several targets, a chain of updates in one bitstream."""
    if not full and len(models) < 2:
        raise UsageError("one model alone has no difference: give BASE and TARGET, or --full for a full model")
    for path in models:
        distinct(path, output)
    names = versions.split(",") if versions else [path.stem for path in models]
    if len(names) != len(models):
        raise UsageError(f"--versions {versions}: {len(names)} names for {len(models)} models")
    config = DiffConfig(
        step=make_step(digits, int(step)),
        steps=dict(map(_tensor_step, steps)),
        effort=effort,
        profile=None if profile is None else Profile[profile.upper()],
        rounding=Rounding(rounding),
        offset=offset,
        exact=exact,
        dictionary=not no_dictionary,
        network_id=network,
        versions=["", *names] if full else names,
        metadata=dict(_pair(entry, "--metadata") for entry in metadata),
    )
    with role("input"):
        opened = [open_model(path) for path in models]
    for path, model in zip(models, opened, strict=True):
        with about(path):
            check_names(model)
    _known(config, opened)
    chain: list[Model | None] = [None, *opened] if full else list(opened)
    updates = [update for update, _ in progress(encode_models(chain, config), "coding", len(chain) - 1)]
    data = assemble(updates, config.metadata)
    with output_stream(output) as out:
        out.write(data)
    of = opened[-1].nbytes * len(updates)
    share = f", {100 * len(data) / of:.2f} % of {of:,}" if of else ""
    way = " -> ".join(["nothing", *names] if full else names)
    say(f"{output}: {way}, step {config.step}: {len(data):,} bytes{share}", output)


def _known(config: DiffConfig, models: Sequence[Model]) -> None:
    """A name or pattern that no tensor has is a mistake."""
    names = {name for model in models for name in model}
    for pattern in [*config.exact, *config.steps]:
        if not any(matches(name, pattern) for name in names):
            raise UsageError(f"{pattern}: no tensor of the models has that name")


def _pair(text: str, option: str) -> tuple[str, str]:
    key, equals, value = text.rpartition("=") if option == "--tensor-step" else text.partition("=")
    if not equals or not key:
        raise UsageError(f"{option} {text}: a name, an equals sign and a value")
    return key, value


def _tensor_step(text: str) -> tuple[str, Step]:
    name, value = _pair(text, "--tensor-step")
    digits, _, multiplier = value.partition(":")
    try:
        return name, make_step(int(digits), int(multiplier or 1))
    except ValueError as error:
        raise UsageError(f"--tensor-step {text}: NAME=DIGITS or NAME=DIGITS:STEP") from error


@command.command()
@click.argument("files", type=FILE, nargs=-1, required=True, metavar="[BASE] UPDATE")
@click.option("-o", "--output", type=OUTPUT, required=True,
              help="The newest model: .safetensors, .npz, .pt or .pth; it may be BASE itself.")  # fmt: skip
@click.option("--max-output", type=click.IntRange(0), default=1 << 36,
              help="Most bytes of tensors to accept.  [default: 2^36]")  # fmt: skip
@max_work
@click.option("--json", "as_json", is_flag=True, help="The result, or an error, as JSON.")
def apply(files: tuple[Path, ...], output: Path, max_output: int, max_work: float, as_json: bool) -> None:
    """Apply UPDATE (- for a pipe) to the model BASE; a full model needs no BASE.

    The output appears only if all of it is right: its digest is compared with the one in the bitstream. A chain of
    updates is applied from whichever version BASE is.
    """
    if len(files) > 2:
        raise UsageError("one model and one bitstream of updates: [BASE] UPDATE")
    base_path, update = files[0] if len(files) == 2 else None, files[-1]
    distinct(update, output)
    if output == PIPE:
        raise UsageError("a model goes to a file, whose suffix tells the format")
    base = base_model(base_path)
    said = {} if base is None else base.texts
    # Of a base, what its file says besides may be true of that version alone; the format is that of the writer.
    kept = {key: text for key, text in said.items() if key == "format"}
    float8 = {} if base is None else base.float8
    limits = ApplyLimits(max_output, Allowance(max_work))
    with input_stream(update) as stream, role("output"), ModelFiles(output, kept, float8) as files_of_results:
        done = apply_stream(base, stream, limits=limits, results=files_of_results.next)
        files_of_results.finish(done)
    _tell_left_out(done, said, output)
    if as_json:
        say_all(json.dumps({"version": done.version, "digest": done.digest.hex(), "tensors": len(done.model),
                          "applied": done.applied, "passed": done.passed}))  # fmt: skip
        return
    count = f"{done.applied} update{'s' * (done.applied != 1)} applied" if done.applied else "already the newest"
    version = f"version {done.version}, " if done.version else ""
    say(f"{output}: {version}{count}, {len(done.model)} tensors, digest {done.digest.hex()}")


def _tell_left_out(done: Outcome, said: Mapping[str, str], output: Path) -> None:
    """Say which metadata of the base's file, or of the target's, the output has not."""
    told, why = (done.texts, "its format has none") if output.suffix != ".safetensors" else (None, "")
    if done.texts is None and done.applied:
        told, why = said, "that of the base is not known to hold, and the update carries none"
    left = [key for key in told or () if key != "format"]
    if left:
        names = ", ".join(shown(key, 60) for key in left[:5]) + (f" and {len(left) - 5} more" if len(left) > 5 else "")
        complain(f"refsw: note: metadata of the file left out: {names}: {why}")


@command.command(name="inspect")
@click.argument("update", type=FILE)
@click.option("--base", type=FILE, help="The base of the first update, to name its tensors.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def inspect_update(update: Path, base: Path | None, as_json: bool) -> None:
    """Show what UPDATE (- for a pipe) changes, and where its bytes go."""
    with input_stream(update) as stream:
        found = inspect(stream, base=base_model(base))
    if as_json:
        say_all(json.dumps(found.as_dict(), indent=2))
    elif found.profile:
        say(f"{update}: DFC {found.version}, profile {found.profile}, level {found.level}, {found.bytes:,} bytes")
        for each in found.updates:
            print_update(each)
        print_metadata(found)
    if found.error is not None:
        raise found.error
    if found.profile not in {profile.name.lower() for profile in MODEL_PROFILES}:
        raise UsageError(f"{update} holds features: refsw inspect")


@command.command()
@click.argument("model", type=FILE)
def digest(model: Path) -> None:
    """Print the digest of MODEL: what updates and feature streams name it by."""
    with role("input"):
        opened = open_model(model)
    say(f"{model_digest(opened).hex()}  {model}")
