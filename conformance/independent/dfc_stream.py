"""Bitstreams as they come, sample by sample into a file in the raw form (13.6.4): from a file or a pipe, in memory for
a unit and the samples that are still needed; one sample alone (9.7); captures. Written from spec/ alone, as the rest."""
import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
from dfc_decoder import Decoder
from dfc_units import DATA, DIGEST, END, METADATA, Bits
from dfc_video import need

HEAD = 256      # bytes kept free for the line before the elements: the number of samples is known at the end

class Passing(dict):
    """Samples by index, of which those that have been put out are gone; its length counts them still."""
    gone = 0
    def __len__(self):
        return super().__len__() + self.gone
    def drop(self, index):
        del self[index]
        self.gone += 1

class Stream(Decoder):
    """Reads units from a file one by one; put is called with every tensor and sample when both are done with."""
    def __init__(self, file, put, only=None):
        self.file, self.put, self.only = file, put, only
        super().__init__(file.read(12))
    def scan(self, pos):
        kind = None
        while kind != END:
            self.data = self.next_unit()
            kind, skippable, body, stop = self.frame(0)
            if not self.passed_over(kind, body):
                self.check(0, stop)
                self.take(kind, skippable, body)
                self.kept = 0
                for t in self.tensors.values():
                    self.put_out(t)
            self.crcs += self.data[-4:]
        need(not self.file.read(1), "bitstream.nothing-after-end")
    def next_unit(self):
        """The bytes of the next unit (5.2)."""
        data = self.file.read(2)
        need(data, "bitstream.end")
        need(len(data) == 2, "unit.complete")
        while data[-1] & 0x80 and len(data) < 7:
            more = self.file.read(1)
            need(more, "unit.complete")
            data += more
        self.data = data
        length, _ = self.leb(1)
        self.limit("unit-bytes", length)
        rest = self.file.read(length + 4)
        need(len(rest) == length + 4, "unit.complete")
        return data + rest
    def passed_over(self, kind, body):
        """Whether a unit has nothing to do with the sample that is wanted."""
        if self.only is None or kind not in (DATA, DIGEST, METADATA, END):
            return False
        if kind != DATA:
            return True
        r = Bits(body[:16])
        r.ue()
        first, count = r.ue(), r.ue() + 1
        return not first <= self.only < first + count
    def place(self, t, first, count):
        if self.only is None:
            super().place(t, first, count)
    def parameter_set(self, r):
        super().parameter_set(r)
        for t in self.tensors.values():
            t.samples = t.samples if isinstance(t.samples, Passing) else Passing()
    def put_out(self, t):
        done = min([len(t.samples), *(t.digested[k] for k in (0, 1) if t.announced[k] and self.only is None)])
        for index in sorted(t.samples):
            last = index == len(t.samples) - 1      # what comes next is compared with it (9.10.2)
            if self.only not in (None, index):
                del t.samples[index]
            elif t.whole(index) and index < done and not (last and t.parts and self.only is None):
                self.put(t, t.put_out(t.samples[index].values))
                t.samples.drop(index)
    def rest(self):
        """Puts out the last samples of tensors with parts, at the end."""
        for t in self.tensors.values():
            for index in sorted(t.samples):
                self.put(t, t.put_out(t.samples[index].values))

class Output:
    """Files in the raw form, the first tensor in the output itself, so that it grows as samples come."""
    def __init__(self, path):
        self.path, self.files, self.counts = Path(path), {}, {}
    def put(self, t, sample):
        self.file(t).write(np.ascontiguousarray(sample).tobytes())
        self.file(t).flush()
        self.counts[t.name] += 1
    def file(self, t):
        if t.name not in self.files:
            place = self.path if not self.files else Path(f"part{len(self.files)}")
            self.files[t.name] = place.open("w+b")
            self.files[t.name].write(b" " * (HEAD - 1) + b"\n")
            self.counts[t.name] = 0
        return self.files[t.name]
    def finish(self, tensors):
        for t in tensors:
            self.file(t)
        out = next(iter(self.files.values()))
        for t in sorted(tensors, key=lambda t: list(self.files).index(t.name)):
            file = self.files[t.name]
            shape = ([self.counts[t.name]] if t.many else []) + list(t.sample_shape)
            head = json.dumps({"name": t.name, "dtype": t.type, "shape": shape}).encode()
            file.seek(0)
            file.write(head + b" " * (HEAD - 1 - len(head)))
            if file is out:
                file.seek(0, 2)
                continue
            file.seek(0)
            while part := file.read(1 << 20):
                out.write(part)
            file.close()
            Path(file.name).unlink()
        out.close()

def decode(input, output, sample=None, sdp=None):
    """Decodes a file, or a pipe, into a file; of a sample that there is not, or of what does not conform, a Reject."""
    if sdp is not None:
        import dfc_carriage

        with open(output, "wb") as file:
            for name, x in dfc_carriage.decode(Path(input).read_bytes(), Path(sdp).read_bytes()).items():
                head = {"name": name, "dtype": x.dtype.name, "shape": list(x.shape)}
                file.write(json.dumps(head).encode() + b"\n" + np.ascontiguousarray(x).tobytes())
        return
    out = Output(output)
    with open(input, "rb") as file:
        stream = Stream(file, out.put, sample)
        stream.rest()
    need(sample is None or all(out.counts.get(t.name) for t in stream.tensors.values()), "access.sample")
    out.finish(list(stream.tensors.values()))
