"""Both decoders of model updates end alike on what is damaged, mutated, or not for them."""

from __future__ import annotations

import importlib
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from both_updates import (  # noqa: F401 - a fixture
    EXACT,
    FOLDER,
    both_reject,
    finished,
    given,
    independent_models,
    same,
    walk,
    whole,
)

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "models"))
from model_streams import (  # noqa: E402
    Unit,
    cut,
    data,
    end_of,
    header,
    new_tensor,
    stream,
    units_of,
)

import refsw  # noqa: E402
from refsw.syntax.codes import (  # noqa: E402
    Level,
    Profile,
    UnitType,
)
from refsw.syntax.units import crc32, pack_header, pack_unit  # noqa: E402


def ended(*parts: bytes) -> bytes:
    """A header and units with the end that belongs to them."""
    chain = 0
    for part in parts:
        chain = crc32(part[-4:], chain)
    return b"".join(parts) + pack_unit(UnitType.END_OF_BITSTREAM, end_of()[:-4] + chain.to_bytes(4, "big"))


def test_other_damage_is_rejected_by_both(independent: ModuleType) -> None:
    def reject(update: bytes, requirement: str, exit_code: int = 65) -> None:
        both_reject(independent, None, update, requirement, exit_code=exit_code)

    units = whole()
    good = stream(*units)
    same(independent, None, good)
    parts = cut(good)
    assert b"".join(parts) == good
    reject(b"", "bitstream.signature")
    reject(good[:11], "bitstream.header-complete")
    reject(good[:-1], "unit.complete")
    reject(b"".join(parts[:-1]), "bitstream.end")
    reject(good + b"\0", "bitstream.nothing-after-end")
    reject(b"".join([*parts[:-1], pack_unit(UnitType.METADATA, b"\0\1k\0\0"), parts[-1]]), "end.bitstream-crc")
    reject(stream(*units, end=end_of(1)), "end.sample-counts")
    reject(ended(*parts[:-1], pack_unit(98, b"any", skippable=False)), "unit.unknown", 69)
    same(independent, None, ended(*parts[:-1], pack_unit(98, b"any", skippable=True)))
    reject(ended(*parts[:-1], pack_unit(98, b"any", skippable=True)[:-1] + b"!"), "unit.crc")
    reject(ended(*parts[:2], pack_unit(*units[1], skippable=True)), "unit.skippable-known")
    for profile in (Profile.INTRA, Profile.EXTENDED):
        update = pack_header(profile, Level.L1) + good[12:]
        reject(update, "profile.implemented", 69)
    level = [header(None, (), [new_tensor("x", (2**26 + 1,), EXACT)]), data([[]])]
    both_reject(independent, None, stream(*level), "level.model-elements", "model.expansion")
    many = header(None, (), [new_tensor(f"{i}", (0,), EXACT) for i in range(4097)])
    reject(stream(many), "level.model-tensors")


def outcome(call: Callable[[], Any], error: type[Exception]) -> Any:
    """What becomes of a call: the exit code, or the digest of a model."""
    try:
        return call()
    except error as caught:
        return caught.exit_code  # type: ignore[attr-defined]


def with_digest(unit: Unit, old: bytes, new: bytes) -> Unit:
    """A model header with another result_digest; the same one if `old` is not there any more."""
    bits = f"{int.from_bytes(unit[1], 'big'):0{8 * len(unit[1])}b}"
    bits = bits.replace(*(f"{int.from_bytes(digest, 'big'):0256b}" for digest in (old, new)), 1)
    return unit[0], int(bits, 2).to_bytes(len(unit[1]), "big")


MUTATIONS = 40


def test_mutations_with_right_crcs_have_the_same_outcome(independent: ModuleType) -> None:
    """The digest of the result is put right as well, where a result can be computed."""
    rng = random.Random(12)
    models = [{name: model[name] for name in ("float32.w", "bfloat16.w", "int16.w", "kept")} for model in walk(2)]
    large = {"x": np.random.default_rng(6).standard_normal((24, 20, 3, 3)).cumsum(-1)}
    # Without a dictionary there are no .xz streams: liblzma would ask for memory of any size.
    sources = [(have, refsw.diff_models(have, models[1], digits=2, dictionary=False)) for have in (None, models[0])]
    sources.append((None, refsw.diff_models(None, large, digits=2)))
    count = [0, 0]
    for _ in range(MUTATIONS):
        base, update = sources[rng.randrange(3)]
        units = units_of(update)
        digest = refsw.model_digest(refsw.apply_update(base, update))
        place = rng.randrange(len(units))
        kind, body = units[place]
        mutated = bytearray(body)
        for _ in range(rng.choice([1, 1, 3])):
            # Headers and tables more often than words, the raw bits at the end more often, too.
            i = rng.choice([rng.randrange(60), rng.randrange(len(body)), -rng.randrange(1, 60)]) % len(body)
            mutated[i] ^= 1 << rng.randrange(8)
        units[place] = kind, bytes(mutated)
        head, *rest = units
        forged, _ = finished(
            independent,
            base,
            lambda new: stream(with_digest(head, digest, new), *rest),  # noqa: B023
        )
        theirs = outcome(lambda: refsw.model_digest(refsw.apply_update(base, forged)), refsw.DfcError)  # noqa: B023
        ours = outcome(
            lambda: independent.model_digest(independent.decode(forged, given(independent, base))),  # noqa: B023
            independent.Reject,
        )
        assert theirs == ours
        count[isinstance(theirs, int)] += 1
    assert min(count) >= MUTATIONS // 8


def test_a_receiver_with_another_model(independent: ModuleType) -> None:
    models = walk(4)
    later = refsw.diff_models(models[2], models[3])
    cases = [(models[0], later), (None, later), ({}, later), (models[1], refsw.diff_models(None, models[0]))]
    cases += [(models[2] | {"more": np.zeros(1)}, later), ({**models[2], "kept": np.float32([0.0, 2])}, later)]
    for base, update in cases:
        both_reject(independent, base, update, "model.base")


def test_decoders_of_features_do_not_decode_models_nor_the_reverse(
    independent: ModuleType, streams: dict[str, bytes]
) -> None:
    features = importlib.import_module("dfc_decoder")
    for decode, update in ((features.decode, stream(*whole())), (independent.decode, streams["png"])):
        with pytest.raises(independent.Reject) as caught:
            decode(update)
        assert (caught.value.requirement, caught.value.exit_code) == ("profile.implemented", 69)
    both_reject(independent, None, streams["png"], "profile.implemented", exit_code=69)


def test_its_command_line(tmp_path: Path) -> None:
    models = [{name: x for name, x in model.items() if x.dtype != ml_dtypes.bfloat16} for model in walk(2)]
    update = refsw.diff_models(*models, digits=3)
    good, bad, base = tmp_path / "good.dfc", tmp_path / "bad.dfc", tmp_path / "base.npz"
    good.write_bytes(update)
    bad.write_bytes(update[:-9])
    np.savez(base, **models[0])  # type: ignore[arg-type]
    command = [sys.executable, str(FOLDER / "dfc_models.py")]
    for source, have, code in ((bad, base, 65), (good, "-", 65), (good, tmp_path / "none.npz", 66)):
        out = tmp_path / "rejected.npz"
        assert subprocess.run([*command, have, source, out], capture_output=True, check=False).returncode == code
        assert not out.exists()
    subprocess.run([*command, base, good, tmp_path / "out.npz"], check=True)
    with np.load(tmp_path / "out.npz") as decoded:
        assert refsw.model_digest(dict(decoded)) == refsw.model_digest(refsw.apply_update(models[0], update))


def test_the_update_of_annex_a(independent: ModuleType) -> None:
    base = {
        "bias": np.array([0.5, -0.25], np.float32),
        "steps": np.array(900, np.int64),
        "weight": (np.arange(16) / 8 - 1).astype(np.float32).reshape(4, 4),
    }
    expected = same(independent, base, bytes.fromhex((ROOT / "spec" / "annex-a-update.hex").read_text()))
    assert int(expected["steps"]) == 1000
