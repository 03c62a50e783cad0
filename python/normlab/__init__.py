"""normlab: is a normalization layer right, and how accurate is it?

    import normlab
    report = normlab.check(my_layer_norm, "layer_norm", dtypes=["f32"])   # my_layer_norm(x, gamma, beta, eps) -> y
    assert report, report
"""
from normlab import layers, noise, strategies
from normlab._cases import cases
from normlab._check import check, check_module
from normlab._core import Error, variants, __version__
from normlab._fold import Folded, fold, recalibrate
from normlab._onnx import OnnxReport, check_onnx
from normlab._report import Change, Changes, Report
from normlab._truth import Truth, bounds, truth

__all__ = ["check", "check_module", "check_onnx", "cases", "strategies", "Report", "OnnxReport", "Change", "Changes", "truth", "bounds", "Truth", "fold",
           "Folded", "recalibrate", "layers", "noise", "Error", "variants", "__version__"]
