// A layer norm checked from a test suite of its own: the right one holds, one with eps outside the root fails and says
// so.
#include <cmath>
#include <cstdio>

#include "verify/user_check.hpp"

namespace {

using normlab::Arrays;
using normlab::Problem;

double rstd_of(double var, double eps, bool wrong) {
    return wrong ? 1 / (std::sqrt(var) + eps) : 1 / std::sqrt(var + eps);
}

void forward(const Problem& p, const Arrays<float>& a, bool wrong) {
    const auto C = p.shape.C;
    for (std::int64_t n = 0; n < p.shape.N; ++n) {
        const float* x = a.x + n * C;
        double mean = 0, var = 0;
        for (std::int64_t c = 0; c < C; ++c) mean += x[c];
        mean /= static_cast<double>(C);
        for (std::int64_t c = 0; c < C; ++c) var += (x[c] - mean) * (x[c] - mean);
        var /= static_cast<double>(C);
        a.mean[n] = mean, a.rstd[n] = var + p.spec.eps > 0 ? rstd_of(var, p.spec.eps, wrong) : 0;
        for (std::int64_t c = 0; c < C; ++c)
            a.y[n * C + c] =
                static_cast<float>((a.gamma ? a.gamma[c] : 1) * ((x[c] - mean) * a.rstd[n]) + (a.beta ? a.beta[c] : 0));
    }
}

void backward(const Problem& p, const Arrays<float>& a) {
    const auto C = p.shape.C;
    const auto x_hat = [&](std::int64_t n, std::int64_t c) { return (a.x[n * C + c] - a.mean[n]) * a.rstd[n]; };
    for (std::int64_t c = 0; c < C; ++c) {  // before dx, which may be dy
        double sum = 0, sum_x_hat = 0;
        for (std::int64_t n = 0; n < p.shape.N; ++n) sum += a.dy[n * C + c], sum_x_hat += a.dy[n * C + c] * x_hat(n, c);
        if (a.dbeta) a.dbeta[c] = static_cast<float>(sum);
        if (a.dgamma) a.dgamma[c] = static_cast<float>(sum_x_hat);
    }
    for (std::int64_t n = 0; n < p.shape.N && a.dx; ++n) {
        const auto g = [&](std::int64_t c) {
            return (a.gamma ? a.gamma[c] : 1) * static_cast<double>(a.dy[n * C + c]);
        };
        double mean_g = 0, mean_g_x_hat = 0;
        for (std::int64_t c = 0; c < C; ++c)
            mean_g += g(c) / static_cast<double>(C), mean_g_x_hat += g(c) * x_hat(n, c) / static_cast<double>(C);
        for (std::int64_t c = 0; c < C; ++c)
            a.dx[n * C + c] = static_cast<float>(a.rstd[n] * (g(c) - mean_g - x_hat(n, c) * mean_g_x_hat));
    }
}

}  // namespace

int main() {
    const auto kernel = [](bool wrong) {
        return normlab::Kernel<float>{[wrong](const Problem& p, const Arrays<float>& a) { forward(p, a, wrong); },
                                      backward};
    };
    const normlab::CheckResult right = normlab::check(kernel(false), normlab::layer_norm()),
                               wrong = normlab::check(kernel(true), normlab::layer_norm());
    std::printf("right: %swrong: %zu failed\n", right.text.c_str(), wrong.failed);
    const std::string rerun = "normlab::check(kernel, spec, {.cases = {\"layer_norm mine f32 ";
    return right && !wrong && wrong.text.find(rerun) != std::string::npos ? 0 : 1;
}
