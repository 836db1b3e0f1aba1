"""An external codec for tests: features through numpy files, rounded to a step."""

import sys

import numpy as np

mode, source, output, *rest = sys.argv[1:]
if mode == "fail":
    sys.exit("error: out of cheese")
if mode == "nothing":
    sys.exit(0)
with open(source, "rb") as file:
    loaded = np.load(file, allow_pickle=False)
    arrays = dict(loaded) if hasattr(loaded, "files") else {"x": loaded}
if mode == "encode":
    step = float(rest[0]) / 100
    arrays = {k: np.round(v / step).astype(np.int16) for k, v in arrays.items()}
    with open(output, "wb") as file:
        np.savez_compressed(file, step=np.float64(step), **arrays)
elif mode == "decode":
    step = arrays.pop("step")
    arrays = {k: (v * step).astype(np.float32) for k, v in arrays.items()}
    with open(output, "wb") as file:
        if set(arrays) == {"x"}:
            np.save(file, arrays["x"])
        else:
            np.savez(file, **arrays)
elif mode == "wrong":
    with open(output, "wb") as file:
        np.save(file, np.zeros((3, 3), np.float32))
