"""Mutations of the decoder's source: what can be changed in it, and the source with one change.

What is mutated is the code that decides how a bitstream decodes. Left out, by rule: docstrings, annotations, texts and
numbers that only words and places of an error are made of; `strict` of zip, which asks for what is so by
construction; `repr` and `init` of fields; the -1 of reshape; traces; functions that only an encoder, a validator,
random access, the receiver's own limits (11.4), the choice of a library, or an external program uses, or that only
take arrays of a caller for tensors or choose which requirement the error for refused data names (`OTHERS`). What takes
incomplete samples of files (9.10.4: features/arrivals.py, features/reception.py) is left out as well: such bitstreams
do not conform, so that there are no vectors of them.
"""

from __future__ import annotations

import ast
import copy
import hashlib
import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MODULES = (
    "profiles.py",
    "syntax/bits.py", "syntax/codes.py", "syntax/declaration.py", "syntax/structure.py", "syntax/structures.py",
    "syntax/units.py", "syntax/walker.py",
    "tensor/axes.py", "tensor/dequantize.py", "tensor/repack.py", "tensor/parts.py",
    "features/parameters.py", "features/reader.py", "features/decoder.py", "features/reconstruct.py",
    "features/assembly.py", "features/digest.py",
    "payload/base.py", "payload/nal.py", "payload/parameter_sets.py", "payload/slices.py", "payload/bytecodecs.py",
    "payload/images.py", "payload/image_headers.py", "payload/hevc.py", "payload/ffmpeg.py", "payload/registry.py",
    "payload/vvc.py",
    "payload/native/codec.py", "payload/native/configuration.py", "payload/native/contexts.py",
    "payload/native/decoder.py", "payload/native/errors.py", "payload/native/parameters.py", "payload/native/scale.py",
    "payload/native/starts.py", "syntax/native_structures.py",
    "syntax/model_structures.py",
    "models/state.py", "models/arithmetic.py", "models/directory.py", "models/labels.py", "models/prediction.py",
    "entropy/rans.py", "entropy/rawbits.py", "models/symbols.py", "models/tables.py",
    "models/quantizers.py", "models/levels.py", "models/payload.py", "models/reader.py", "models/apply.py",
    "models/update.py",
    "syntax/carriage_structures.py",
    "carriage/sdp.py", "carriage/captures.py", "carriage/datagrams.py", "carriage/packets.py", "carriage/window.py",
    "carriage/fragments.py", "carriage/depacketizer.py", "carriage/session.py", "carriage/acceptance.py",
    "carriage/reception.py", "carriage/output.py",
)  # fmt: skip
"""Of the package."""

OTHERS = {
    "profiles.py": {"default_profile", "Allowance", "Meter"},
    "syntax/bits.py": {"BitWriter", "BitReader.se"},
    "syntax/declaration.py": {"Structure.requirement", "Element.__post_init__"},
    "syntax/structure.py": {"write_structure", "_Writing", "_Reading.row"},
    "syntax/units.py": {
        "leb128", "pack_header", "pack_unit", "pack_body", "UnitReader._trace_framing", "ByteSource.skip",
        "UnitReader.__iter__",
        "body_reader",
    },
    "syntax/walker.py": {"BitstreamWalker.with_units"},
    "tensor/axes.py": {"Axes.parse", "Axes.to_canonical", "element_type_of", "contiguous_parts"},
    "tensor/dequantize.py": {"log_ceilings"},
    "tensor/repack.py": {"pack", "choose_grid", "order_by_similarity", "order_by_mean"},
    "features/parameters.py": {"to_values", "_extension"},
    "features/assembly.py": {"Assembler.check"},
    "features/decoder.py": {
        "sample_time", "model_mismatch", "Decoder._account", "Decoder._account_absent", "Decoder.__enter__",
        "Decoder.__exit__", "DecoderLimits",
    },
    "features/digest.py": {"RunningDigest.take", "RunningDigest.restart"},
    "features/reconstruct.py": {"check_unit", "locate"},
    "payload/base.py": {"EncoderSettings", "DecoderSettings", "guarded"},
    "payload/bytecodecs.py": {"ByteCodec.encode", "ByteCodec._compress", "ByteCodec._refused", "_dictionary"},
    "payload/images.py": {"ImageCodec.encode", "ImageCodec._encode_one"},
    "payload/hevc.py": {
        "HevcCodec.encode", "HevcCodec._by_command", "annex_b", "hevc_configuration", "_hashes_agree",
        "_check_slice_ends",
    },
    "payload/ffmpeg.py": {"has_decoder"},
    "payload/nal.py": {"Nal.told", "Nal.is_coded"},
    "payload/slices.py": {"header_places", "_filters"},
    "payload/parameter_sets.py": {"Promises", "bits_of"},
    "payload/vvc.py": {"VvcCodec.encode", "VvcCodec._compare"},
    "payload/native/codec.py": {
        "NativeCodec.encode", "native_configuration", "step_of", "encoder_start", "demands_of",
    },
    "payload/native/parameters.py": {"Start.class_count"},
    "payload/native/scale.py": {"nearest_code"},
    "models/state.py": {
        "type_of", "model_of", "plain_names", "Model.__init__", "Model.nbytes", "Model._as_coded", "TensorType.nbytes",
    },
    "models/arithmetic.py": {"quantize", "word_differences", "Rounding", "Step.__post_init__", "Step.__str__"},
    "models/directory.py": {"_wanted"},
    "models/prediction.py": {"Predictor.residuals", "Predictor.bits"},
    "entropy/rans.py": {"encode", "Tables.coding", "Encoder"},
    "entropy/rawbits.py": {"pack"},
    "models/symbols.py": {"to_symbols", "_near", "_classify", "pack_raw"},
    "models/levels.py": {"to_level_symbols", "Planes.gather"},
    "models/payload.py": {"_Rans._error"},
    "models/apply.py": {"_no_base", "Applier._check_base", "changed", "apply_update"},
    "models/update.py": {"ApplyLimits", "UpdateRun._limit", "UpdateRun._range"},
    "carriage/sdp.py": {"make_sdp"},
    "carriage/captures.py": {"CaptureWriter", "is_capture"},
    "carriage/datagrams.py": {"ip_packet", "_checksum", "address_of", "_cooked"},
    "carriage/packets.py": {"payload_header", "FirstBytes", "_first_bytes", "trace_packet"},
    "carriage/window.py": {"Window.expected"},
    "carriage/fragments.py": {"Assembler.finish"},
    "carriage/acceptance.py": {"Acceptance.lack", "_sample_bytes"},
    "carriage/depacketizer.py": {
        "Bounds", "Depacketizer.statistics", "Depacketizer.damaged", "Depacketizer.nothing", "batches",
    },
    "carriage/session.py": {"Clock.seconds", "Session.__bytes__", "repeated", "_with_crc", "rate_of",
                            "read_parameter_set"},
    "carriage/reception.py": {"Receiver.statistics", "Receiver.problems", "Receiver.complete", "Receiver.ended",
                              "Receiver.put"},
}  # fmt: skip
WORDS = {"expected", "got", "doc", "offset", "strict", "repr", "init"}
PLACES = {"offset", "payload_offset", "last"}
ELSEWHERE = {
    "DEFAULT_AXES", "self._lost", "self._damaged", "self.violated", "IN_MEMORY",
    "MAX_AXES", "MAX_EXTENT", "MAX_NAME_BYTES", "MAX_DIGITS", "EXACT_INTEGER", "_BELOW", "_REACH", "SAMPLE_RUNS",
    "FULL_TAPS", "ENCODER_LIMIT", "ENCODER_COEFFICIENT", "FRACTION", "(CLASS_COST, HEAD_COST)", "SMALL", "FEW", "CHUNK",
    "LZMA_DICTIONARIES", "LZMA_LEAST_DICTIONARY", "NAMES", "BEHIND", "NO_LATENCY", "LOOKED_UP", "LZMA_LARGEST_BITS",
    "QP_OF_STEP_ONE", "LARGEST_STEP", "MOST_STEPS", "LONGEST", "LONGEST_LINE", "LONGEST_RECORD", "LONGEST_SESSION",
    "(MISSING, MISSING_PER_BYTE)", "MANY", "TOLD", "DEFAULT_PAYLOAD_TYPE", "self._skipped", "OVERHEAD",
}  # fmt: skip
"""Of the encoder, the validator, which reads on after a violation, and the decoder's own limits."""
COUNTS = {
    "OTHERS", "self.place", "self.damaged", "self.unused", "self.repeated", "self._samples", "self._partial",
    "self.assembler.damaged", "self._counts.packets", "self._counts.ignored", "self._counts.foreign",
    "self._skipped", "SENDER", "RECEIVER",
}  # fmt: skip
"""What a receiver of packets tells of them, and what it reads besides the captures of 14.10."""
PROMISES = {"Promises", "marks.append"}
"""What an encoder compares parameter sets by."""
TESTS = {
    "found", "errors", "self._damaged", "TYPE_CHECKING", "settings.command", "settings.thorough",
    "self.window.received > before",
    "before is not None and self.waiting[number][0] > before and (number != self.next)",
}  # fmt: skip
ERRORS = {
    "_error",
    "_layout",
    "payload_error",
    "range_order",
    "over",
    "_truncated",
    "_out_of_range",
    "out_of_range",
    "_wrong_sps",
    "_no_substreams",
    "_crc_error",
    "_unsupported_version",
    "error_of",
    "self._error",
    "self._too_many",
    "self._limit",
    "self._range",
    "_twice",
    "_not_float",
    "_no_base",
    "_wrong",
    "_refused",
}

COMPARE = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
ARITHMETIC = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Mult, ast.Div: ast.Mult, ast.Mod: ast.Add,
    ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitOr,
    ast.Pow: ast.Mult,
}  # fmt: skip
SWAPPED = {
    "rows": "columns", "columns": "rows", "grid_rows": "grid_columns", "grid_columns": "grid_rows",
    "coded_height": "coded_width", "coded_width": "coded_height", "height": "width", "width": "height",
    "true_height": "true_width", "true_width": "true_height", "minimum": "maximum", "maximum": "minimum",
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One change of one module; `context` is the line that it is on."""

    module: str
    number: int
    kind: str
    line: int
    before: str
    after: str
    source: str
    context: str = ""
    same: int = 0  # how many before it are the same change of the same line
    span: range = range(0)  # lines of the statement that is changed; none where it is executed on import
    function: str = ""  # the outermost one that it is in

    @property
    def name(self) -> str:
        """Where and what, on one line."""
        return f"{self.module}:{self.line} {self.kind}: {self.before} -> {self.after}"


def of_module(package: Path, module: str) -> Iterator[Mutant]:
    """All mutants of a module, in the order of its source."""
    text = (package / module).read_text()
    informative = text.find("# --- Informative")
    last = text.count("\n", 0, informative) if informative >= 0 else text.count("\n") + 1
    lines = text.splitlines()
    number = 0
    known: Counter[tuple[str, str, str]] = Counter()
    for statement in ast.parse(text).body:
        homes = {spot: place for spot, *place in _homes(statement, statement, range(0), "")}
        for place in _nodes(ast.Module([statement], []), OTHERS.get(module, set())):
            if place.lineno > last:
                continue
            home, *where = homes[_spot(place)]
            for kind, apply in _changes(place):
                changed = ast.Module([copy.deepcopy(home)], [])
                twin = next(n for n in ast.walk(changed) if _spot(n) == _spot(place))
                context = lines[place.lineno - 1].strip()
                before = ast.unparse(place).split("\n")[0][:80]
                after = apply(changed, twin)
                if after is None:
                    continue
                ast.fix_missing_locations(changed)
                change = (context, before, after[:80])
                first = min(node.lineno for node in (home, *getattr(home, "decorator_list", ())))
                written = textwrap.indent(ast.unparse(changed), " " * home.col_offset)
                source = "\n".join([*lines[: first - 1], written, *lines[home.end_lineno :], ""])
                yield Mutant(module, number, kind, place.lineno, *change[1:], source, context, known[change], *where)
                known[change] += 1
                number += 1


def seeded(mutants: list[Mutant], seed: int, count: int) -> list[Mutant]:
    """A sample of mutants that depends on nothing but the seed and the mutants."""

    def rank(mutant: Mutant) -> bytes:
        return hashlib.sha256(f"{seed} {mutant.module} {mutant.kind} {mutant.number} {mutant.before}".encode()).digest()

    return sorted(sorted(mutants, key=rank)[:count], key=lambda m: (m.module, m.line, m.number))


Spot = tuple[object, ...]


def _spot(node: ast.AST) -> Spot:
    """What tells a node from all others of a module."""
    names = ("lineno", "col_offset", "end_lineno", "end_col_offset")
    return (type(node), *(getattr(node, name, None) for name in names))


def _homes(
    node: ast.AST, home: ast.stmt, span: range, name: str, parent: ast.AST | None = None, *, inside: bool = False
) -> Iterator[tuple[Spot, ast.stmt, range, str]]:
    """The innermost statement that every node is in, its lines, those of its head if it has a body, and its function.

    Where it stands in no function there are no lines; what follows `elif` is of the statement that begins with `if`.
    """
    if isinstance(node, ast.stmt):
        is_elif = isinstance(node, ast.If) and isinstance(parent, ast.If) and node.col_offset == parent.col_offset
        home = home if is_elif else node
        if inside:
            body = [] if isinstance(node, ast.Try | ast.Match) else getattr(node, "body", [])
            end = max(node.lineno, body[0].lineno - 1) if body else node.end_lineno or node.lineno
            span = range(node.lineno, end + 1)
    yield _spot(node), home, span, name if inside else ""
    if isinstance(node, ast.FunctionDef | ast.ClassDef) and not inside:
        name = f"{name}.{node.name}".removeprefix(".")
    for field, value in ast.iter_fields(node):
        within = inside or (field == "body" and isinstance(node, ast.FunctionDef))
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _homes(child, home, span, name, node, inside=within)


def _nodes(tree: ast.AST, others: set[str], prefix: str = "") -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            name = f"{prefix}{node.name}"
            if name not in others:
                for statement in node.body:
                    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
                        yield from _nodes(ast.Module([statement], []), others, f"{name}.")
                    else:
                        yield from _inside(statement)
        elif not isinstance(node, ast.Import | ast.ImportFrom):
            yield from _inside(node)


def _inside(node: ast.AST) -> Iterator[ast.AST]:
    """A statement and what is in it, but for words, annotations and traces."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant | ast.JoinedStr):
        return
    if isinstance(node, ast.keyword) and node.arg in WORDS:
        return
    if (
        isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name)
        and node.value.id in ("dict", "list", "tuple", "set")
    ):
        return
    if isinstance(node, ast.JoinedStr | ast.Import | ast.ImportFrom):
        return
    if isinstance(node, ast.If) and _is_elsewhere(ast.unparse(node.test)):
        return
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in PLACES | ELSEWHERE:
        return
    if isinstance(node, ast.AnnAssign | ast.AugAssign) and ast.unparse(node.target) in ELSEWHERE | COUNTS:
        return
    if isinstance(node, ast.Call) and ast.unparse(node.func) in PROMISES:
        return
    if isinstance(node, ast.Expr | ast.Return) and "setflags" in ast.unparse(node):
        return
    if hasattr(node, "lineno"):
        yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "type_comment"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                if isinstance(node, ast.Call) and _is_error(node) and name in ("args", "keywords"):
                    continue  # the words of an error
                if isinstance(node, ast.Call) and _is_rest(node, child):
                    continue
                yield from _inside(child)


def _is_elsewhere(test: str) -> bool:
    """Whether a condition is one of a trace, a validator, random access, incomplete samples, or own limits."""
    words = ("trace", "wanted", "self.limits", "self.model_digest", "self._reception", "put.received")
    test = test.replace("self.limits.model_", "")  # of a level
    return test in TESTS or (any(word in test for word in words) and "len(" not in test)


def _is_rest(call: ast.Call, argument: ast.AST) -> bool:
    """Whether it is the -1 that stands for an extent that is left, for which numpy takes any negative number."""
    return ast.unparse(call.func).endswith(".reshape") and ast.unparse(argument) == "-1"


def _is_error(call: ast.Call) -> bool:
    name = ast.unparse(call.func)
    return name in ERRORS - {"over"} or name.endswith("Error")


def _changes(node: ast.AST) -> Iterator[tuple[str, object]]:
    if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARE:
        yield "comparison", _compare
    if isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC and not _is_type(node):
        yield "arithmetic", _arithmetic
    if isinstance(node, ast.BoolOp):
        yield "and/or", _bool
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "negation", _not
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and not isinstance(node.operand, ast.Constant):
        yield "sign", _sign
    if isinstance(node, ast.Constant) and type(node.value) is int:
        yield "constant", _constant
    if isinstance(node, ast.Constant) and type(node.value) is bool:
        yield "constant", _flag
    if isinstance(node, ast.Raise | ast.Yield) or (isinstance(node, ast.Expr) and _reports(node)):
        yield "skipped check", _skip
    if isinstance(node, ast.If):
        yield "condition", _never
    if isinstance(node, ast.Attribute) and node.attr in SWAPPED and isinstance(node.ctx, ast.Load):
        yield "swapped", _swap
    if (
        isinstance(node, ast.Call)
        and len(node.args) > 2
        and ast.unparse(node.func).endswith((".transpose", ".reshape"))
    ):
        yield "swapped axes", _axes
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice) and isinstance(node.ctx, ast.Load):
        yield "slice", _slice


def _is_type(node: ast.BinOp) -> bool:
    return isinstance(node.op, ast.BitOr) and "None" in ast.unparse(node)


def _reports(node: ast.Expr) -> bool:
    return isinstance(node.value, ast.Call) and ast.unparse(node.value.func) in ("self.report", "errors.append")


def _compare(tree: ast.AST, node: ast.Compare) -> str:
    node.ops[0] = COMPARE[type(node.ops[0])]()
    return ast.unparse(node)


def _arithmetic(tree: ast.AST, node: ast.BinOp) -> str:
    node.op = ARITHMETIC[type(node.op)]()
    return ast.unparse(node)


def _bool(tree: ast.AST, node: ast.BoolOp) -> str:
    node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    return ast.unparse(node)


def _not(tree: ast.AST, node: ast.UnaryOp) -> str:
    _replace(tree, node, node.operand)
    return ast.unparse(node.operand)


def _sign(tree: ast.AST, node: ast.UnaryOp) -> str:
    _replace(tree, node, node.operand)
    return ast.unparse(node.operand)


def _constant(tree: ast.AST, node: ast.Constant) -> str:
    node.value += 1
    return ast.unparse(node)


def _flag(tree: ast.AST, node: ast.Constant) -> str:
    node.value = not node.value
    return ast.unparse(node)


def _skip(tree: ast.AST, node: ast.AST) -> str | None:
    if isinstance(node, ast.Yield):
        if node.value is None or not any(word in ast.unparse(node) for word in ("_layout", "Error")):
            return None
        _replace(tree, node, ast.Constant(None))
        return "nothing"
    if isinstance(node, ast.Raise) and node.exc is None:
        return None
    _replace(tree, node, ast.Pass())
    return "pass"


def _never(tree: ast.AST, node: ast.If) -> str:
    node.test = ast.Constant(False)
    return "if False"


def _swap(tree: ast.AST, node: ast.Attribute) -> str:
    node.attr = SWAPPED[node.attr]
    return ast.unparse(node)


def _axes(tree: ast.AST, node: ast.Call) -> str:
    node.args[-1], node.args[-2] = node.args[-2], node.args[-1]
    return ast.unparse(node)


def _slice(tree: ast.AST, node: ast.Subscript) -> str | None:
    part = node.slice
    assert isinstance(part, ast.Slice)
    if part.upper is not None:
        part.upper = ast.BinOp(part.upper, ast.Sub(), ast.Constant(1))
    elif part.lower is not None:
        part.lower = ast.BinOp(part.lower, ast.Add(), ast.Constant(1))
    else:
        return None
    return ast.unparse(node)


def _replace(tree: ast.AST, old: ast.AST, new: ast.AST) -> None:
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, name, new)
            elif isinstance(value, list):
                for i, child in enumerate(value):
                    if child is old:
                        value[i] = new
