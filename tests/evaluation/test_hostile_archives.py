"""Archives that nobody should unpack."""

from __future__ import annotations

import json
import stat
import zipfile

import pytest

from refsw.evaluation.anchors.archives import container
from refsw.evaluation.anchors.archives.container import MANIFEST
from refsw.evaluation.anchors.archives.sealing import SEALED, verify
from refsw.evaluation.errors import ArchiveError


def hostile(path, name, data=b"x", *, mode=stat.S_IFREG | 0o644, **fields):
    info = zipfile.ZipInfo(name)
    info.external_attr, info.compress_type = mode << 16, zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MANIFEST, json.dumps({"format": SEALED, "about": {}, "files": {}} | fields))
        archive.writestr(info, data)
    return path


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("../outside", "leads out"),
        ("/etc/passwd", "leads out"),
        ("a/../../b", "leads out"),
        ("C:/b", "leads out"),
        ("a\\b", "leads out"),
        ("folder/", "no plain name"),
        ("a//b", "no plain name"),
        ("a\nb", "no plain name"),
    ],
)
def test_names_that_lead_elsewhere_are_refused(tmp_path, name, told):
    with pytest.raises(ArchiveError, match=told):
        verify(hostile(tmp_path / "x", name))


def test_links_are_refused(tmp_path):
    with pytest.raises(ArchiveError, match="a link"):
        verify(hostile(tmp_path / "x", "link", b"/etc/passwd", mode=stat.S_IFLNK | 0o777))


def test_what_unpacks_to_far_more_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(container, "FREE", 1 << 20)
    with pytest.raises(ArchiveError, match="times as many"):
        verify(hostile(tmp_path / "x", "bomb", b"\0" * (1 << 24)))


def test_no_more_is_read_than_the_manifest_says(tmp_path):
    files = {"large": {"bytes": 3, "sha256": "0" * 64}}
    path = hostile(tmp_path / "x", "large", b"\0" * (1 << 22), files=files)
    assert "large: is not what it was" in verify(path).findings


def test_a_large_manifest_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(container, "MOST_MANIFEST", 1 << 10)
    with pytest.raises(ArchiveError, match="more than 1024 bytes"):
        verify(hostile(tmp_path / "x", "a", about={"x": "x" * 2000}))


@pytest.mark.parametrize(
    "fields",
    [{"files": []}, {"files": {"a": {}}}, {"about": 1}, {"format": 1}, {"files": {"a": {"bytes": -1, "sha256": ""}}}],
)
def test_damaged_manifests_are_refused(tmp_path, fields):
    with pytest.raises(ArchiveError, match="is damaged"):
        verify(hostile(tmp_path / "x", "a", **fields))


def test_the_same_name_twice_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x", "w") as archive:
        archive.writestr("a", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a", b"2")
    with pytest.raises(ArchiveError, match="there twice"):
        verify(tmp_path / "x")
