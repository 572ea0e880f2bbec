"""SW in the standard counters of multiply-adds: mmengine's `get_model_complexity_info`, fvcore's `FlopCountAnalysis`.

Both trace a model and count each operation for which they know a rule. Traced, the layer is plain torch operations, of
which they know the products but not those that also add (`baddbmm`): the application of the whitening matrices and
a third of Newton's iteration would be missing. With their rule the count is that of the paper's Table 1 with its
constants: N·C·L·D each for covariances and application, 3·(T − 1)·D³ a matrix for Newton's T iterations.
"""

from __future__ import annotations

from sw_mmseg.whitening.counting import RULES

__all__ = ['count_whitening']


def count_whitening() -> list[str]:
    """Gives the counters that are installed the missing rules, for all analyses from now on; returns their packages.

    Calling it again changes nothing.
    """
    counters = {'mmengine': _mmengine_rules, 'fvcore': _fvcore_rules}
    packages = []
    for package, rules_of in counters.items():
        try:
            rules = rules_of()
        except ImportError:
            continue
        for name, rule in RULES.items():
            rules.setdefault(name, rule)
        packages.append(package)
    return packages


def _mmengine_rules() -> dict:
    from mmengine.analysis.complexity_analysis import _DEFAULT_SUPPORTED_FLOP_OPS

    return _DEFAULT_SUPPORTED_FLOP_OPS


def _fvcore_rules() -> dict:
    from fvcore.nn.flop_count import _DEFAULT_SUPPORTED_OPS  # fvcore.nn.flop_count is also a function's name

    return _DEFAULT_SUPPORTED_OPS
