"""refsw profile: how long layers take on this machine, as a file that plans elsewhere can use."""

from __future__ import annotations

from pathlib import Path

import click

from refsw.cli.common import role, say


@click.command(name="profile")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True,
              help="File of the profile, JSON.")  # fmt: skip
@click.option("--name", default="device", show_default=True, help="Name of this device in plans.")
@click.option("--count", type=click.IntRange(14), default=280, show_default=True, help="Random layers to measure.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of their sizes.")
def command(output: Path, name: str, count: int, seed: int) -> None:
    """Measure random layers on this machine, and learn a regression of their latency for `refsw plan --edge-profile`.

    Half as many other layers tell how well it predicts.
    """
    from refsw.files import whole_file
    from refsw.planning.profiles import error_of, learned, random_layers

    profile = learned(name, random_layers(count, seed=seed))
    error = error_of(profile, random_layers(count // 2, seed=seed + 1))
    with role("output"), whole_file(output) as file:
        file.write(profile.as_json().encode())
    say(f"{output}: {profile.layers} layers; of others, half are predicted within {100 * error:.0f} %")
