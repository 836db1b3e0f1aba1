"""Files of models: what they say besides their tensors, and files that change while they are read."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

import refsw
from refsw.errors import ErrorClass, FeatureError, ModelStateError, UsageError
from refsw.models import files
from refsw.models.apply import apply_stream
from refsw.models.config import DiffConfig
from refsw.models.diff import assemble, encode_models
from refsw.models.files import FileResults, ModelFiles, open_model
from refsw.models.results import Outcome, Results
from refsw.models.state import Model

RNG = np.random.default_rng(5)
OLD = {"still": RNG.standard_normal((40, 50), np.float32), "trained": RNG.standard_normal((30, 20), np.float32),
       "gone": np.arange(100, dtype=np.int32)}  # fmt: skip
NEW = {"still": OLD["still"], "trained": OLD["trained"] + np.float32(0.01), "more": np.ones(9, np.float16)}


def stored(path: Path, tensors: dict[str, np.ndarray[Any, Any]], **texts: str) -> Path:
    save_file(tensors, path, metadata=texts or None)
    return path


def texts_of(path: Path) -> dict[str, str]:
    with safe_open(path, "numpy") as file:
        return dict(file.metadata() or {})


def update_of(*models: Path | None) -> bytes:
    opened = [None if path is None else open_model(path) for path in models]
    return assemble([update for update, _ in encode_models(opened, DiffConfig())], {})


def applied(base: Path | None, update: bytes, out: Path, texts: dict[str, str] | None = None,
            meanwhile: Callable[[], None] = lambda: None) -> Outcome:  # fmt: skip
    """The update applied to a file, into a file; `meanwhile` happens after the base has been digested."""
    with ModelFiles(out, texts or {}) as made:

        def results() -> Results:
            meanwhile()
            return made.next()

        done = apply_stream(None if base is None else open_model(base), io.BytesIO(update), results=results)
        if not done.applied:
            meanwhile()
        made.finish(done)
    return done


# --- what a file says besides ---


def test_the_file_of_the_result_says_what_that_of_the_target_says(tmp_path: Path) -> None:
    tied = {"enc": OLD["still"], "dec": OLD["still"]}
    old = stored(tmp_path / "V0.safetensors", tied, step="1000", format="pt")
    new = stored(tmp_path / "V1.safetensors", {"dec": OLD["still"] + 1}, format="pt", enc="dec", step="2000")
    applied(old, update_of(old, new), tmp_path / "out.safetensors", {"step": "1000"})
    assert texts_of(tmp_path / "out.safetensors") == {"format": "pt", "enc": "dec", "step": "2000"}


def test_each_update_of_a_chain_has_the_texts_of_its_own_target(tmp_path: Path) -> None:
    chain = [stored(tmp_path / f"V{i}.safetensors", {"x": OLD["gone"] + i}, step=str(i)) for i in range(4)]
    update = update_of(*chain)
    for have in chain:  # the last one is the newest already
        applied(have, update, tmp_path / "out.safetensors", {"step": "old"})
        assert texts_of(tmp_path / "out.safetensors") == {"step": "3"}


def test_texts_of_any_length_and_number_arrive(tmp_path: Path) -> None:
    texts = {f"key {i}": "text" for i in range(300)} | {"long": "äöü€𝄞" * 20_000, "empty": "", "ünicode": "\x1b[2J\n"}
    new = stored(tmp_path / "V1.safetensors", NEW, **texts)
    update = update_of(None, new)
    applied(None, update, tmp_path / "out.safetensors")
    assert texts_of(tmp_path / "out.safetensors") == texts
    assert refsw.validate(update).conforming


def test_texts_that_no_metadata_unit_can_hold_are_refused(tmp_path: Path) -> None:
    new = stored(tmp_path / "V1.safetensors", NEW, **{"k" * 251: "text"})
    with pytest.raises(FeatureError, match="a key of more than 250 bytes"):
        update_of(None, new)


def test_where_the_update_tells_nothing_the_file_says_what_it_is_given(tmp_path: Path) -> None:
    old = stored(tmp_path / "V0.safetensors", OLD, step="1000")
    done = applied(old, refsw.diff_models(OLD, NEW), tmp_path / "out.safetensors", {"format": "pt"})
    assert done.texts is None
    assert texts_of(tmp_path / "out.safetensors") == {"format": "pt"}


# --- files that change while they are read ---


def overwritten(path: Path, name: str) -> Callable[[], None]:
    """Another value in the middle of a tensor, written into the file as it lies there."""

    def change() -> None:
        with safe_open(path, "numpy") as file:
            size = sum(file.get_tensor(other).nbytes for other in file.keys())  # noqa: SIM118 - not a dictionary
        start = path.stat().st_size - size
        opened = open_model(path)
        place = bytes(path.read_bytes()).index(opened[name].tobytes(), start)
        with path.open("r+b") as file:
            file.seek(place + 200)
            file.write(b"\x3f")

    return change


@pytest.mark.parametrize("name", ["still", "trained"])
@pytest.mark.parametrize("suffix", ["safetensors", "npz"])
def test_a_base_that_changes_after_it_was_digested_is_refused(tmp_path: Path, name: str, suffix: str) -> None:
    old, new = stored(tmp_path / "V0.safetensors", OLD), stored(tmp_path / "V1.safetensors", NEW)
    update = update_of(old, new)
    out = tmp_path / f"out.{suffix}"
    out.write_bytes(b"the old file")
    with pytest.raises(ModelStateError) as caught:
        applied(old, update, out, meanwhile=overwritten(old, name))
    assert (caught.value.error_class, caught.value.requirement) == (ErrorClass.BASE_MODEL_MISMATCH, "model.base")
    assert caught.value.element == f"{name} of the base"
    assert out.read_bytes() == b"the old file"


@pytest.mark.parametrize("left", [0, 600, 6000])
def test_a_base_that_is_cut_after_it_was_digested_is_refused(tmp_path: Path, left: int) -> None:
    old, new = stored(tmp_path / "V0.safetensors", OLD), stored(tmp_path / "V1.safetensors", NEW)
    update = update_of(old, new)
    with pytest.raises(FeatureError, match=r"V0\.safetensors: (still|trained): the file ends before"):
        applied(old, update, tmp_path / "out.safetensors", meanwhile=lambda: os.truncate(old, left))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["V0.safetensors", "V1.safetensors"]


def test_a_base_whose_name_another_file_takes_is_the_one_that_was_digested(tmp_path: Path) -> None:
    old, new = stored(tmp_path / "V0.safetensors", OLD), stored(tmp_path / "V1.safetensors", NEW)
    update = update_of(old, new)
    applied(old, update, tmp_path / "out.safetensors", meanwhile=lambda: new.replace(old) and None)
    expected = refsw.apply_update(OLD, update)
    assert refsw.model_digest(open_model(tmp_path / "out.safetensors")) == refsw.model_digest(expected)


@pytest.mark.parametrize("suffix", ["npz", "pt", "pth", "safetensors.index.json"])
def test_a_pipe_of_any_format_is_refused_before_it_is_opened(tmp_path: Path, suffix: str) -> None:
    os.mkfifo(path := tmp_path / f"pipe.{suffix}")
    with pytest.raises(UsageError, match="is read more than once"):
        open_model(path)


@pytest.mark.parametrize("name", ["pipe.safetensors", "model.safetensors.index.json"])
def test_a_pipe_is_refused_before_it_is_opened(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe.safetensors")
    (tmp_path / "model.safetensors.index.json").write_text('{"weight_map": {"x": "pipe.safetensors"}}')
    with pytest.raises(UsageError, match=r"pipe\.safetensors: is read more than once"):
        open_model(tmp_path / name)


def test_types_are_known_before_anything_is_read(tmp_path: Path) -> None:
    path = stored(tmp_path / "V0.safetensors", OLD)
    model = open_model(path)
    os.truncate(path, 0)
    assert {name: (kind.dtype, kind.shape) for name, kind in model.types.items()} == {
        name: (array.dtype, array.shape) for name, array in OLD.items()
    }


@pytest.mark.parametrize("suffix", ["safetensors", "npz"])
def test_a_newest_model_that_changes_while_it_is_copied_is_refused(tmp_path: Path, suffix: str) -> None:
    old, new = stored(tmp_path / "V0.safetensors", OLD), stored(tmp_path / "V1.safetensors", NEW)
    update = update_of(old, new)
    applied(old, update, tmp_path / "newest.safetensors")
    with pytest.raises(ModelStateError, match="changed while it was read"):
        applied(tmp_path / "newest.safetensors", update, tmp_path / f"out.{suffix}",
                meanwhile=overwritten(tmp_path / "newest.safetensors", "still"))  # fmt: skip
    assert not (tmp_path / f"out.{suffix}").exists()


def test_a_change_of_what_the_result_does_not_take_is_none(tmp_path: Path) -> None:
    old, new = stored(tmp_path / "V0.safetensors", OLD), stored(tmp_path / "V1.safetensors", NEW)
    update = update_of(old, new)
    applied(old, update, tmp_path / "out.safetensors", meanwhile=overwritten(old, "gone"))
    expected = refsw.apply_update(OLD, update)
    assert refsw.model_digest(open_model(tmp_path / "out.safetensors")) == refsw.model_digest(expected)


class Changing(Model):
    """A target during whose reading something happens."""

    def __init__(self, tensors: Any, name: str, change: Callable[[], None]) -> None:
        self.change: Callable[[], None] | None = None
        super().__init__(tensors)
        self.name, self.change = name, change

    def __getitem__(self, name: str) -> Any:
        if self.change is not None and name == self.name:
            self.change()
        return super().__getitem__(name)


@pytest.mark.parametrize(("name", "at"), [("still", "trained"), ("trained", "still"), ("gone", "trained")])
def test_an_update_fits_the_base_that_was_read_whenever_its_file_changes(tmp_path: Path, name: str, at: str) -> None:
    old = stored(tmp_path / "V0.safetensors", OLD)
    change = overwritten(old, name)
    target = Changing(NEW, at, lambda: None)
    before = open_model(old)
    calls: list[int] = []
    target.change = lambda: change() if not calls and calls.append(1) is None else None
    update = assemble([found for found, _ in encode_models([before, target], DiffConfig())], {})
    base = open_model(old)  # the change came before each tensor was coded, or after: either way it is one model
    try:
        result = refsw.apply_update(base, update)
    except ModelStateError:
        result = refsw.apply_update(OLD, update)
    assert np.abs(result["still"] - NEW["still"]).max() < 1e-4


def test_a_result_in_a_file_is_digested_as_it_is_written(tmp_path: Path) -> None:
    model = Model(OLD)
    place = FileResults(tmp_path / "x.safetensors", {}, {})
    place.begin(list(model.types.values()), None)
    digests = {name: place.put(model.types[name], model[name], None) for name in model}
    assert refsw.model_digest(place.model()) == refsw.model_digest(OLD)
    assert set(digests) == set(OLD)


def test_copies_of_a_result_are_read_from_its_file_without_looking_at_all_its_tensors_for_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = {str(i): np.arange(8, dtype=np.float32) for i in range(50)}
    update, made, place_of = refsw.diff_models(None, models), list[Any](), files._Place

    def counted(*place: Any) -> Any:
        made.append(place)
        return place_of(*place)

    monkeypatch.setattr(files, "_Place", counted)
    applied(None, update, tmp_path / "out.safetensors")
    assert refsw.model_digest(open_model(tmp_path / "out.safetensors")) == refsw.model_digest(models)
    assert len(made) == 2 * len(models)  # of the result, and where the test opens it
