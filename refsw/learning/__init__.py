"""Informative: where new models come from: reuse of several models, adversarial reuse, features made to be coded.

Methods of the source papers, one module each, with the baselines and the controls that they are compared with:

    multireuse     Digital retina, equations 1 to 3      bound          its equation 4
    adversarial    Collaborative intelligence, 1 to 3    compressible   the ICME 2022 tutorial, feature compression
    baselines      labels alone, FMR, fine-tuning, probe

`training` holds the loop that all of them share, `experiment` and `run` what `refsw learn run` does, `demo` the loop of
reuse, update and transmission. PyTorch is imported where a function needs it (extra `learning`).
"""
