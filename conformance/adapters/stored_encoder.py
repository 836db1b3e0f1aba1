"""An example of somebody else's encoder: the STORED payload, without a quantizer, in Python's standard library alone.

    refsw conformance encode --encoder 'python conformance/adapters/stored_encoder.py {input} {output} {options}'

Features of every number format arrive bit by bit; it does not take models. What it has for the sake of the test is
`main`, which reads a .safetensors file and the letters of the axes.
"""

import itertools
import json
import math
import sys
import zlib

FORMATS = {"F32": (0, 4), "F16": (1, 2), "BF16": (2, 2), "F64": (3, 8), "U8": (4, 1), "I8": (5, 1), "U16": (6, 2),
           "I16": (7, 2), "U32": (8, 4), "I32": (9, 4), "U64": (10, 8), "I64": (11, 8), "BOOL": (12, 1)}  # fmt: skip
ROLES = "CHWNT"
LOSSLESS, STORED, SEQUENCE = 3, 0, 0
PARAMETER_SET, FEATURE_DATA, END = 1, 2, 5
MOST_TENSORS, MOST_SIDE, MOST_ELEMENTS, MOST_NAME = (8, 16, 64), (4096, 8192, 16384), (1 << 20, 1 << 24, 1 << 28), 255


class RefusedError(Exception):
    """What no bitstream can hold."""


class Bits:
    """A unit body, bit by bit."""

    def __init__(self):
        self.text = []

    def u(self, value, bits):
        """u(n)."""
        self.text.append(f"{value:0{bits}b}")

    def ue(self, value):
        """4.3.2 ue(v)."""
        code = f"{value + 1:b}"
        self.text.append("0" * (len(code) - 1) + code)

    def b(self, data):
        """b(n)."""
        for byte in data:
            self.u(byte, 8)

    def bytes(self, after=b""):
        """The body, aligned, and what follows."""
        text = "".join(self.text)
        text += "0" * (-len(text) % 8)
        return int(f"1{text}", 2).to_bytes(len(text) // 8 + 1, "big")[1:] + after


class Tensor:
    """A tensor of the file: how it lies there, and how its samples become pictures."""

    def __init__(self, name, code, shape, data, letters):
        self.name, self.data, self.letters, self.shape = name.encode(), data, letters, shape
        self.element_type, self.size = FORMATS[code]
        if len(self.name) > MOST_NAME or any(c < 0x20 or c == 0x7F for c in self.name):
            raise RefusedError("a name that no bitstream can hold")
        if not 1 <= len(shape) <= 4 or letters in ("N", "T") or 0 in self.extents().values():
            raise RefusedError(f"shape {shape} with axes {letters}")
        self.samples = shape[0] if letters[0] in "NT" else 1

    def extents(self):
        """The extents of C, H and W, as far as they are there."""
        return {role: extent for role, extent in zip(self.letters, self.shape, strict=True) if role not in "NT"}

    def side(self):
        """The longer side of a picture."""
        return max(self.extents().get("H", 1), self.extents().get("W", 1))

    def elements(self):
        """Elements of a sample."""
        return math.prod(self.extents().values())

    def parameter_set(self, number):
        """6.5 Its feature parameter set."""
        bits = Bits()
        bits.ue(number)
        bits.u(0, 8)  # no network
        bits.u(len(self.name), 8)
        bits.b(self.name)
        bits.u(0, 1)  # no digest of a model
        bits.u(len(self.letters) - 1, 2)
        for role, extent in zip(self.letters, self.shape, strict=True):
            bits.u(ROLES.index(role), 3)
            if role not in "NT":
                bits.ue(extent - 1)
            if role == "T":
                bits.u(25, 32)
                bits.u(1, 32)
        bits.u(self.element_type, 4)
        bits.u(0, 2)  # no quantizer
        bits.u(STORED, 8)
        bits.u(SEQUENCE, 2)
        bits.ue(self.extents().get("W", 1) - 1)
        bits.ue(self.extents().get("H", 1) - 1)
        bits.u(0, 3)  # channels in their own order, no digests
        bits.ue(0)  # no configuration
        return bits.bytes()

    def sample(self, number, index):
        """One sample: a picture a channel, row by row."""
        strides, stride = {}, self.size
        for role, extent in reversed(list(zip(self.letters, self.shape, strict=True))):
            strides[role], stride = stride, stride * extent
        start = index * strides[self.letters[0]] if self.letters[0] in "NT" else 0
        there = [[i * strides.get(role, 0) for i in range(self.extents().get(role, 1))] for role in "CHW"]
        places = (start + c + h + w for c, h, w in itertools.product(*there))
        bits = Bits()
        bits.ue(number)
        bits.ue(index)
        bits.ue(0)
        return bits.bytes(b"".join(self.data[place : place + self.size] for place in places))


def encode(tensors):
    """A bitstream of tensors, at the lowest level that takes them."""
    needs = ((len(tensors), MOST_TENSORS), (max(t.side() for t in tensors), MOST_SIDE),
             (max(t.elements() for t in tensors), MOST_ELEMENTS))  # fmt: skip
    enough = [sum(value > limit for limit in limits) for value, limits in needs]
    # A sample may also be too long for a unit, or have more pictures than one takes; that is not looked at here.
    if max(enough) > 2:
        raise RefusedError("beyond the limits of the highest level")
    head = b"\x89DFC" + bytes([1, 0, LOSSLESS, 1 + max(enough)])
    crcs = zlib.crc32(head).to_bytes(4, "big")
    out = [head, crcs]

    def unit(kind, body):
        length, left = b"", len(body)
        while left > 0x7F:
            length, left = length + bytes([left & 0x7F | 0x80]), left >> 7
        whole = bytes([kind << 1]) + length + bytes([left]) + body
        crc = zlib.crc32(whole).to_bytes(4, "big")
        out.extend((whole, crc))
        return crc

    for number, tensor in enumerate(tensors):
        crcs += unit(PARAMETER_SET, tensor.parameter_set(number))
    for index in range(max(t.samples for t in tensors)):
        for number, tensor in enumerate(tensors):
            if index < tensor.samples:
                crcs += unit(FEATURE_DATA, tensor.sample(number, index))
    end = Bits()
    end.ue(len(tensors))
    for tensor in tensors:
        end.ue(tensor.samples)
    unit(END, end.bytes(zlib.crc32(crcs).to_bytes(4, "big")))
    return b"".join(out)


def main(source, target, options):
    """One file of tensors into one bitstream; returns the exit code."""
    with open(source, "rb") as file:
        data = file.read()
    with open(options) as file:
        told = json.load(file)
    if told["model"]:
        print("models are not taken", file=sys.stderr)
        return 69
    begin = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:begin])
    try:
        tensors = []
        for name, entry in header.items():
            first, last = entry["data_offsets"]
            elements = data[begin + first : begin + last]
            tensors.append(Tensor(name, entry["dtype"], entry["shape"], elements, told["axes"][name]))
        stream = encode(tensors)
    except RefusedError as error:
        print(error, file=sys.stderr)
        return 65
    with open(target, "wb") as file:
        file.write(stream)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
