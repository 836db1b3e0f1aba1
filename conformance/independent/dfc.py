"""All decoders behind one function, for whoever hands over bitstreams of any profile: features and model updates."""
import sys
from pathlib import Path

import ml_dtypes

sys.path.insert(0, str(Path(__file__).resolve().parent))
import dfc_decoder
from dfc_units import OF_MODELS

PROFILE_BYTE = 6


def decode(data, base=None, model=None, sdp=None):
    """Arrays by name; base is the path of the model that updates start from, model the digest (9.6) of the receiver's
    model for features, in hexadecimal digits; sdp the path of the session description, if data is a capture of packets
    (13.6.9); None if there is none."""
    if sdp is not None:
        import dfc_carriage

        return dfc_carriage.decode(data, Path(sdp).read_bytes())
    if not OF_MODELS.intersection(data[PROFILE_BYTE:PROFILE_BYTE + 1]):
        return dfc_decoder.decode(data, model and bytes.fromhex(model))
    import dfc_models

    model = None if base is None else dfc_models.read_model(Path(base))
    return {name: as_array(tensor) for name, tensor in dfc_models.decode(data, model).items()}


def as_array(tensor):
    """A tensor of dfc_models as a numpy array."""
    dtype = ml_dtypes.bfloat16 if tensor.type == "bfloat16" else dfc_decoder.STORAGE[tensor.type]
    return tensor.words.view(dtype).reshape(tensor.shape)
