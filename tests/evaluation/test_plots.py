"""Figures."""

from __future__ import annotations

import pytest

from refsw.evaluation.plots import Series, rate_fidelity, save

pytest.importorskip("matplotlib", reason="figures are drawn by matplotlib")

SERIES = [
    Series(layer, preset, (100.0, 200.0, 400.0), (0.75, 0.9, 1.0), (10.0, 20.0, 30.0))
    for preset in ("balanced", "anchor")
    for layer in ("conv1", "conv2")
]


@pytest.fixture
def figure():
    return rate_fidelity(SERIES, reference="anchor", rate="Bytes", title="Title", subtitle="Subtitle")


def test_two_panels_over_one_logarithmic_rate_show_every_series(figure):
    for axes in figure.axes:
        assert axes.get_xscale() == "log"
        assert axes.get_xlabel() == "Bytes (logarithmic)"
        assert len(axes.get_lines()) == len(SERIES)
    assert len(figure.axes) == 2


def test_the_legend_names_layers_and_presets(figure):
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["conv1", "conv2", "preset balanced", "preset anchor"]


def test_agreement_has_no_ticks_above_100(figure):
    assert max(figure.axes[0].get_yticks()) == 100


@pytest.mark.parametrize("agreement", [0.0, 0.3, 0.979, 1.0])
def test_any_agreement_fits_into_the_panel(agreement):
    series = [Series("conv1", "fast", (1.0, 2.0), (agreement, 1.0), (1.0, 2.0))]
    low, high = rate_fidelity(series, reference="", rate="B", title="", subtitle="").axes[0].get_ylim()
    assert low < 100 * agreement
    assert high > 100


@pytest.mark.parametrize(("suffix", "signature"), [(".png", b"\x89PNG"), (".svg", b"<?xml")])
def test_a_figure_is_written_whole_and_alike_each_time(figure, tmp_path, suffix, signature):
    first, second = tmp_path / f"1{suffix}", tmp_path / f"2{suffix}"
    save(figure, first)
    save(figure, second)
    assert first.read_bytes().startswith(signature)
    assert first.read_bytes() == second.read_bytes()
    assert sorted(tmp_path.iterdir()) == [first, second]
