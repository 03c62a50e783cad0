"""normlab: is a normalization layer right, and how accurate is it?

    import normlab
    report = normlab.check(my_layer_norm, "layer_norm", dtypes=["f32"])   # my_layer_norm(x, gamma, beta, eps) -> y
    assert report, report
"""
from normlab._check import check, check_module
from normlab._core import Error, variants, __version__
from normlab._report import Report

__all__ = ["check", "check_module", "Report", "Error", "variants", "__version__"]
