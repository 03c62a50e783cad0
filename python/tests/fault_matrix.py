"""Every planted fault that a forward and a backward can carry, through normlab.check: python3 fault_matrix.py [LIBRARY] [NAME ...]

Prints a line for each: what found it, or why it is left out, or that it was missed; exits 1 if one was missed."""
from __future__ import annotations

import pathlib
import re
import sys
import time
from typing import Any

import faulty_door
import normlab

ROOT = pathlib.Path(__file__).resolve().parents[2]
HALF = {"dtypes": "f16"}
# A layer in which the fault can show, by the function of verify/faults/table.hpp that says where it can.
WHERE: dict[str, list[dict[str, Any]]] = {
    "everywhere": [{"variant": "layer_norm"}, {"variant": "batch_norm"}],
    "centred": [{"variant": "layer_norm"}],
    "not_centred": [{"variant": "rms_norm"}],
    "of_means": [{"variant": "layer_norm"}, {"variant": "batch_norm"}],
    "in_root": [{"variant": "layer_norm"}],
    "of_floor": [{"variant": "l2_norm"}],
    "floored": [{"variant": "l2_norm"}, {"variant": "l2_norm", "denominator": "floor_root"}],
    "standardized": [{"variant": "weight_standardization"},
                     {"variant": "weight_standardization", "denominator": "floor_root", "divisor": "one"}],
    "renorm": [{"variant": "batch_renorm"}],
    "keeps_variance": [{"variant": "batch_norm"}],
    "may_keep_state": [{"variant": "batch_norm"}, {"variant": "batch_norm", "running": "biased"}],
    "by_batch": [{"variant": "batch_norm"}],
    "plain_by_batch": [{"variant": "batch_norm"}],
    "instances": [{"variant": "instance_norm", "running": "unbiased"}],
    "by_sample": [{"variant": "layer_norm"}],
    "across_samples": [{"variant": "batch_norm"}],
    "over_channels": [{"variant": "layer_norm"}],
    "over_positions": [{"variant": "instance_norm"}],
    "is_by_group": [{"variant": "group_norm"}],
    "with_offset": [{"variant": "rms_norm", "gamma_offset": 1}, {"variant": "rms_norm", "gamma_offset": 1, **HALF}],
    "with_activation": [{"variant": "layer_norm", "activation": "silu"}, {"variant": "layer_norm", "activation": "silu", **HALF}],
    "with_smooth": [{"variant": "layer_norm", "activation": "silu"}],
    "with_gelu": [{"variant": "layer_norm", "activation": "gelu"}],
    "with_relu": [{"variant": "layer_norm", "activation": "relu"}],
    "with_threshold": [{"variant": "layer_norm", "activation": "threshold"}],
    "with_threshold_of_rows": [{"variant": "batch_norm", "activation": "threshold", "affine_set": "element"}],
    "with_masked_threshold": [{"variant": "batch_norm", "activation": "threshold", "mask": True}],
    "with_set": [{"variant": "group_norm", "affine_set": "element"}, {"variant": "group_norm", "affine_set": "group"}],
    "with_rows": [{"variant": "batch_norm", "affine_set": "element"}],
    "with_elements": [{"variant": "batch_norm", "affine_set": "element"},
                      {"variant": "batch_norm", "affine_set": "element", "layouts": "nhwc"}],
    "with_samples": [{"variant": "instance_norm", "affine_set": "sample_channel"}],
    "with_groups": [{"variant": "group_norm", "affine_set": "group"}],
    "with_params": [{"variant": "layer_norm", "param_dtype": "f16", **HALF}],
    "with_cast": [{"variant": "rms_norm", "cast": "before", **HALF}],
    "with_renorm_cast": [{"variant": "batch_renorm", "cast": "before", **HALF}],
    "without_cast": [{"variant": "rms_norm", **HALF}],
    "with_mask": [{"variant": "batch_norm", "mask": True}, {"variant": "instance_norm", "mask": True}],
    "with_kept_mask": [{"variant": "batch_norm", "mask": True}],
    "with_variance_mask": [{"variant": "batch_norm", "mask": True}],
    "with_centred_mask": [{"variant": "batch_norm", "mask": "poisoned"}, {"variant": "batch_norm", "mask": True}],
    "with_part": [{"variant": "partial_rms_norm"}],
    "with_masked_part": [{"variant": "filter_response_norm", "part": 0.25, "mask": True}],
    "with_output": [{"variant": "rms_norm", "output": "f32", **HALF}],
    "quantized": [{"variant": "rms_norm", "output": "e4m3", "dtypes": "f32"}],
    "with_given_scale": [{"variant": "rms_norm", "output": "e4m3", "dtypes": "f32"}],
    "with_found_scale": [{"variant": "layer_norm", "output": "e4m3", "scale": "block", "dtypes": "f32"}],
    "with_block_scale": [{"variant": "rms_norm", "output": "e4m3", "scale": "block", "dtypes": "f32"}],
    "with_power_of_two": [{"variant": "rms_norm", "output": "e4m3", "scale": "block", "scale_power_of_two": True, "dtypes": "f32"}],
    "with_residual": [{"variant": "rms_norm", "residual": "stored", "dtypes": ("f32", "f16")},
                      {"variant": "rms_norm", "residual": "stored", "residual_dtype": "f32", **HALF}],
    "with_stored": [{"variant": "rms_norm", "residual": "stored", **HALF}],
    "with_wide": [{"variant": "rms_norm", "residual": "wide", **HALF}],
}
SAVED = "of saved statistics, or shows in them alone: no function gives them back"
MEMORY = "of memory and of how normlab calls: arrays of a function are its own, and all gradients are asked for"
THREADS = "of threads, which are the function's own"
COUNT = "of the count of updates, which no function is given"
BF16 = "of bf16, which NumPy does not have"
ABSENT = "of an array that is absent: a function is given ones or zeros for it"
SIZE = "shows in tensors larger than those of tier ci"
PLACES = "of elements with positions beside channels, in a block of all of them: a function has S = 1 there"
EVALUATION = "of an evaluation without running statistics: a function without them has no argument that would tell it"
LEFT_OUT = {
    EVALUATION: "own_as_given_in_eval",
    SAVED: "saved_shared saved_var_eps saved_var_unbiased saved_modified mean_in_f32 rstd_in_f32",
    MEMORY: "misaligned in_place masked_gradients last_unwritten dgamma_added past_end gap_written d_residual_alone s_unwritten s_in_place "
            "one_sample_dgamma_alone one_channel_dx_in_place dbeta_alone_last_sample entries_unwritten ddx_alone ddy_unwritten "
            "y_with_strides_of_x dx_with_strides_of_dy dx_sample_stride_ignored mask_of_ones gamma_by_address gamma_of_forward "
            "threshold_of_forward batch_size rare_forward ds_kept",
    THREADS: "threads odd_threads lost_update",
    COUNT: "cumulative_count count_unmoved count_of_calls count_in_32_bits count_in_f32 mask_counts_steps eval_batch_at_0 y_of_one_slice",
    BF16: "dgamma_in_bf16 cast_f16_in_bf16 params_of_other_type",
    ABSENT: "absent_gamma absent_beta absent_v absent_u absent_ds absent_beta_one_channel offset_of_absent",
    PLACES: "part_in_memory",
}
_WHY = {name: why for why, names in LEFT_OUT.items() for name in names.split()}
_ROW = re.compile(r'\{"(\w+)",\s*"(?:[^"\\]|\\.)*",\s*Kind::(\w+),\s*(\w+),\s*Pass::(\w+),\s*When::(\w+)', re.S)


def faults() -> list[tuple[str, str, str]]:
    """Name, kind, and where it can show, as the table has them."""
    text = (ROOT / "verify/faults/table.hpp").read_text()
    return [(name, kind, where) for name, kind, where, _, _ in _ROW.findall(text)]


def check(library: str, fault: str, setting: dict[str, Any], **more: Any) -> normlab.Report:
    options = dict(setting)
    variant = options.pop("variant")
    layer = faulty_door.Faulty(library, fault, variant, **options)
    twice = not any(options.get(k) for k in ("activation", "residual", "mask", "output")) and "partial" not in variant
    return normlab.check(layer.forward, variant, backward=layer.backward, **{"double_backward": layer.double_backward} if twice else {},
                         accumulation="f64", progress=False, **{"dtypes": ("f64", "f32")} | options | more)


def finding(library: str, fault: str, kind: str, where: str) -> str | None:
    """Check and quantity of the first failure; None: missed. The cheapest questions come first."""
    settings = WHERE[where]
    if kind == "layout" and where == "everywhere":
        settings = [{"variant": "batch_norm", "layouts": "nhwc"}, *settings]
    if kind == "precision" and where in ("everywhere", "centred", "of_means"):
        settings = [settings[0] | {"dtypes": ("f32", "f16")}]
    for stage in ({"tier": "smoke", "checks": ("accuracy", "running_stats", "double_backward")}, {"tier": "smoke"},
                  {"tier": "ci", "checks": ("accuracy", "running_stats", "jacobian", "isolation", "gaps")},
                  {"tier": "ci"}):
        for setting in settings:
            report = check(library, fault, setting, **stage)
            for f in report.findings:
                if f["verdict"] == "FAIL":
                    named = "named" if any(fault in (d.get("cause") or "") for d in report.diagnosis) else ""
                    return f"{f['check']} {f.get('quantity', '')} {named}".strip()
    return None


def main(arguments: list[str]) -> int:
    library = arguments[0] if arguments else str(ROOT / "build/release/lib/normlab/faulty.so")
    only, missed, caught, left = set(arguments[1:]), [], 0, 0
    for name, kind, where in faults():
        if only and name not in only:
            continue
        if name in _WHY:
            left += 1
            print(f"{name:32} left out: {_WHY[name]}", flush=True)
            continue
        start = time.process_time()
        found = finding(library, name, kind, where)
        caught += found is not None
        missed += [name] * (found is None)
        print(f"{name:32} {'MISSED' if found is None else found}  {time.process_time() - start:.1f} s", flush=True)
    for setting in {str(s): s for settings in WHERE.values() for s in settings}.values() if not only else ():
        report = check(library, "", setting, tier="smoke")
        if report.failed:
            print(f"the right layer fails: {setting}\n{report}")
            missed.append("the right layer")
    print(f"{caught} caught, {len(missed)} missed{': ' * bool(missed)}{', '.join(missed)}, {left} left out; {time.process_time():.0f} s")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
