// check() of a C++ test suite: what is left behind when it has returned. What it says of kernels: package/check.cpp.
#include "verify/user_check.hpp"
#include "norms/norm.hpp"
#include "tests/catch.hpp"

using namespace normlab;
using Catch::Matchers::Contains;

TEST_CASE("the kernel of a check is gone when the check is over, however it ends") {
    const Problem problem{layer_norm(), {2, 6, 1}, DType::f32};
    const auto is_gone = [&] {
        const Implementation& mine = find_implementation("mine");
        CHECK_THAT(mine.available().reason, Contains("normlab::check() has returned"));
        CHECK_THROWS_WITH(mine.supports(problem), Contains("normlab::check() has returned"));
    };
    {
        const auto nothing = [](const Problem&, const Arrays<float>&) {};
        const Kernel<float> kernel{nothing, nothing};
        CHECK(!check(kernel, layer_norm(), {.tier = "smoke", .checks = {"accuracy"}}));
    }
    is_gone();
    {
        const Kernel<float> kernel;
        CHECK_THROWS_AS(check(kernel, layer_norm(), {.tier = "none such"}), Error);
    }
    is_gone();
}
