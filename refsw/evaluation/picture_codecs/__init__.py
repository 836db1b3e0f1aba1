"""Informative: codecs of pictures, for remote inference: the picture itself is sent, and the whole network runs there.

A codec is named by a condition, `picture: jpeg`, with the options of its class below; or it is any program by command,
with the kind of files that it takes (`refsw.evaluation.picture_codecs.external`).
"""

from refsw.evaluation.picture_codecs.groups import ARRANGEMENTS, decode_group, encode_group
from refsw.evaluation.picture_codecs.registry import CODECS, open_codec

__all__ = ["ARRANGEMENTS", "CODECS", "decode_group", "encode_group", "open_codec"]
