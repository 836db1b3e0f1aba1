"""refsw conformance encode: test an encoder with inputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from refsw.cli.common import role, say, say_all
from refsw.cli.results import run_and_report, run_options
from refsw.errors import UsageError

CLAIMS = ("features", "models", "parts", "native", "layers")
KINDS = ("valid", "exact", "invalid")


@click.command(name="encode")
@click.option("--encoder", default="refsw", show_default=True,
              help="Name, command with {input}, {output} and, if it likes, {base}, {options}, {axes}, {jobs}, "
              "module:function, or a command that talks in JSON lines.")  # fmt: skip
@click.option("--suite", type=click.Path(path_type=Path, dir_okay=False), help="Another suite of inputs.  [default: "
              "that of the package]")  # fmt: skip
@click.option("--claim", "claims", multiple=True, type=click.Choice(CLAIMS),
              help="What the encoder claims; may be repeated.  [default: features, and models if it takes "
              "a base; of refsw, all]")  # fmt: skip
@click.option("--choose", "choices", multiple=True, metavar="NAME=VALUE",
              help="A choice that the encoder is told of, such as preset=best for refsw; may be repeated.")  # fmt: skip
@click.option("--decoder", "decoders", multiple=True,
              help="One more decoder that has to agree, as in refsw conformance run; may be repeated.")  # fmt: skip
@click.option("--area", multiple=True, help="Only inputs of this area; may be repeated, as all of these.")
@click.option("--kind", multiple=True, type=click.Choice(KINDS), help="Only inputs of this kind.")
@click.option("--about", multiple=True, help="Only inputs made for this requirement, such as 'level.*'.")
@click.option("--id", "ids", multiple=True, metavar="PATTERN", help="Only inputs with such an id, as 'axes-*'.")
@click.option(
    "--rates/--no-rates", default=True, show_default=True, help="Compare rates with those of refsw's presets."
)
@click.option("--list", "as_list", is_flag=True, help="Only list the inputs that are selected.")
@run_options("encoder-report")
@click.pass_context
def encode_command(
    context: click.Context, /, encoder: str, suite: Path | None, claims: tuple[str, ...], choices: tuple[str, ...],
    decoders: tuple[str, ...], area: tuple[str, ...], kind: tuple[str, ...], about: tuple[str, ...],
    ids: tuple[str, ...], rates: bool, as_list: bool, jobs: int, output: Path, timeout: float, memory: int,
    resume: bool, as_json: bool,
) -> None:  # fmt: skip
    """Give an encoder tensors and models to code, and judge every bitstream; exit code 1 unless all of them PASS.

    What the encoder says that it does not take (exit code 69) is DECLINED, what it does not claim SKIPPED; neither is a
    failure.
    """
    from refsw.conformance.encoders.page import sections
    from refsw.conformance.encoders.programs import claims_of, encoder_under_test
    from refsw.conformance.encoders.results import EncoderPlan
    from refsw.conformance.encoders.runner import run
    from refsw.conformance.encoders.suite import RESERVED, Claim, InputSelection, load_inputs
    from refsw.conformance.programs import Limits

    with role("input"):
        loaded = load_inputs(suite)
    tested = encoder_under_test(encoder)
    for name in set(claims) & set(RESERVED):
        raise UsageError(
            f"--claim {name}: this version of the specification has no {name}, so nobody can claim them yet"
        )
    claimed = tuple(map(Claim, claims)) or claims_of(tested)
    selection = InputSelection(area, kind, about, ids)
    plan = EncoderPlan(loaded, tested, claimed, dict(map(_choice, choices)), decoders,
                       Limits(timeout, memory << 20), selection, jobs, rates)  # fmt: skip
    if as_list:
        _list(plan.inputs, as_json=as_json)
        return
    code = run_and_report(
        lambda tell: run(plan, output, fresh=not resume, on_result=tell), len(plan.inputs) + len(plan.twins), output,
        as_json=as_json, more=sections,
    )  # fmt: skip
    context.exit(code)


def _choice(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"--choose {text}: NAME=VALUE")
    try:
        return name, json.loads(value)  # a number or a truth value stays one
    except ValueError:
        return name, value


def _list(inputs: list[Any], *, as_json: bool) -> None:
    if as_json:
        fields = ("suite", "id", "area", "kind", "claim", "title", "about")
        say_all(json.dumps([{name: getattr(case, name) for name in fields} for case in inputs], indent=1))
        return
    width = max((len(case.id) for case in inputs), default=0)
    for case in inputs:
        say(f"{case.id:<{width}}  {case.kind:<7}  {case.claim:<8}  {case.title} ({', '.join(case.about)})")
    say(f"{len(inputs)} inputs")
