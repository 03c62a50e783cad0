#include "verify/checks/output_cases.hpp"

#include "verify/check/check.hpp"

namespace normlab::verify {

std::vector<Case> output_cases(const Case& base) {
    std::vector<Case> cases;
    if (arithmetic_dtype(base.dtype) != DType::f32) return cases;
    const auto add = [&](DType output, auto change) {
        Case c = base;
        c.output = output;
        change(c);
        cases.push_back(c);
    };
    const auto plain = [](Case&) {};
    if (is_narrow(base.dtype)) add(DType::f32, plain);
    if (is_narrow(base.dtype))
        add(DType::f32, [](Case& c) { c.strides = Strides::samples, c.activation = Activation::silu; });
    for (const DType output : {DType::e4m3, DType::e5m2}) {
        add(output, plain);
        add(output, [](Case& c) { c.scale = Scale::block; });
        add(output, [](Case& c) { c.scale = Scale::channels, c.scale_power_of_two = 1; });
        if (base.layout == Layout::channels_last) continue;
        add(output, [](Case& c) { c.scale = Scale::block, c.scale_inverse = 1; });
        add(output, [](Case& c) { c.scale_inverse = 1, c.scale_value = 0.01; });
        add(output, [](Case& c) { c.scale = Scale::block, c.scale_power_of_two = 1, c.activation = Activation::silu; });
        if (base.dtype == DType::f16) continue;  // as bf16
        add(output, [](Case& c) { c.scale_value = 1e-5; });
        add(output, [](Case& c) { c.scale_value = 300; });
        for (const Scale scale : {Scale::block, Scale::channels})
            for (const bool power : {false, true})
                add(output, [&](Case& c) {
                    c.scale = scale, c.gamma.pattern = c.beta.pattern = "zero";
                    if (power) c.scale_power_of_two = 1;
                });
        add(output, [](Case& c) {
            c.scale = Scale::channels, c.shape = {3, 258, 2};
            if (c.groups) c.groups = 3;
        });
        add(output, [](Case& c) {
            c.scale = Scale::block, c.shape = {7, 66, 5}, c.strides = Strides::samples;
            if (c.groups) c.groups = 3;
        });
        add(output, [](Case& c) { c = with_block(c, 1040), c.scale = Scale::block; });
        for (const bool found : {false, true})
            add(output, [&](Case& c) {
                c.gamma.pattern = c.beta.pattern = "", c.gamma.given = {3e36, -3e36, 1, 3e36, -3e36, 3e36};
                c.beta.given = {3.4e38, 3.4e38, -3.4e38, -3.4e38, -3.4e38, 0};
                if (found) c.scale = Scale::channels;
            });
    }
    return cases;
}

}  // namespace normlab::verify
