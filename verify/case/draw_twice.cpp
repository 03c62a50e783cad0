#include "verify/case/draw.hpp"

namespace normlab::verify {

Inputs<double> draw_twice(const Case& c) {
    Inputs<double> in = draw(c);
    const DType params = in.problem.params();
    Random random(c.seed, 11000);
    for (const double dy : in.dy) in.v.push_back(rounded(random.normal() + 0.75 - 0.5 * dy, c.dtype));
    for (std::int64_t k = in.problem.affine_count(); k > 0; --k) {
        const double u = (0.5 + 1.5 * random.uniform()) * (random.integer(0, 3) ? 1 : -1);
        in.u.push_back(rounded(u, params));
        in.w.push_back(rounded(random.normal(), params));
    }
    if (in.gamma.empty()) in.u.clear();
    if (in.beta.empty()) in.w.clear();
    return in;
}

}  // namespace normlab::verify
