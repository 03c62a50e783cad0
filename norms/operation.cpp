#include "norms/operation.hpp"

#include <fmt/format.h>

#include "norms/running_stats.hpp"
#include "norms/views.hpp"
#include "system/memory_budget.hpp"

namespace normlab {

// Of what an implementation asks for itself. To ask for more is its failure on this problem.
static void require_memory(const Implementation& implementation, std::string_view what, std::size_t bytes) {
    if (const double most = system::memory_budget(); static_cast<double>(bytes) > most)
        throw Failure(fmt::format("{} asks for {} bytes of {}; up to {:.0f} are accepted on this machine",
                                  implementation.name(), bytes, what, most));
}

Operation::Operation(const Problem& problem, const Implementation& implementation, Options options)
    : problem_(problem), implementation_(&implementation), stream_(options.stream) {
    validate(problem);
    if (options.threads < 0)
        throw Error(fmt::format("threads = {}; 1 or more, or 0 for the implementation's default, is accepted",
                                options.threads));
    if (const Support s = implementation.available(); !s)
        throw Error(fmt::format("{} cannot run here: {}", implementation.name(), s.reason));
    if (const Support s = implementation.supports(problem); !s)
        throw Declined(fmt::format("{} declines this problem: {}", implementation.name(), s.reason));
    const bool moves = problem.mode == Mode::train && problem.spec.running != Running::none && problem.shape.size() > 0;
    moves_state_ = moves && !implementation.updates_state();
    if (problem.shape.size() == 0) return;  // no call has anything to work out
    plan_ = implementation.plan(problem);
    if (options.threads > 0) plan_->set_threads(options.threads);
    require_memory(implementation, "workspace", plan_->workspace_bytes());
    require_memory(implementation, "saved values", plan_->opaque_bytes());
    workspace_ = Memory(problem.device, plan_->workspace_bytes());
    workspace_at_ = workspace_.data();
}

void Operation::forward(ConstTensor x, Affine affine, StateView state, SavedView saved, Tensor y, Added added,
                        Mask mask, float* scale) {
    if (problem_.shape.size() == 0) return;
    check_mask(problem_.spec, mask), check_threshold(problem_.spec, affine.tau);
    plan_->forward({x, affine, state, saved, y, workspace_at_, stream_, added, mask, scale});
    if (!moves_state_) return;
    if (problem_.device == Device::host) return update_running(problem_, state, saved.mean, saved.var, mask);
    // Little, and rare: an implementation for a device that cares for speed moves them itself.
    const auto C = static_cast<std::size_t>(problem_.shape.C),
               blocks = static_cast<std::size_t>(problem_.statistics_count());
    const auto fetched = [&](const double* from, std::size_t count) {
        std::vector<double> v(from ? count : 0);
        copy(v.data(), Device::host, from, problem_.device, v.size() * sizeof(double));
        return v;
    };
    synchronize(problem_.device);
    std::vector<double> mean = fetched(state.mean, C), var = fetched(state.var, C), sigma = fetched(state.sigma, C);
    const std::vector<double> batch_mean = fetched(saved.mean, blocks), batch_var = fetched(saved.var, blocks);
    std::vector<std::uint8_t> of_mask(mask ? static_cast<std::size_t>(problem_.shape.N * problem_.shape.S) : 0);
    copy(of_mask.data(), Device::host, mask, problem_.device, of_mask.size());
    const auto at = [](auto& v) { return v.empty() ? nullptr : v.data(); };
    update_running(problem_, {at(mean), at(var), at(sigma), state.count}, batch_mean.data(), batch_var.data(),
                   at(of_mask));
    for (const auto& [to, v] :
         {std::pair(state.mean, &mean), std::pair(state.var, &var), std::pair(state.sigma, &sigma)})
        copy(to, problem_.device, v->data(), Device::host, v->size() * sizeof(double));
}

void Operation::backward(ConstTensor x, ConstTensor dy, Affine affine, ConstSavedView saved, Gradients gradients,
                         ConstTensor ds, Mask mask) {
    if (problem_.shape.size() == 0) return write_zeros({gradients.dgamma, gradients.dbeta, gradients.dtau});
    if (problem_.gaps.dy.expands() && gradients.dx.data && gradients.dx.data == dy.data)
        throw Error("dx lies where dy does, which is expanded; memory of its own is accepted");
    check_mask(problem_.spec, mask), check_threshold(problem_.spec, affine.tau, gradients.dtau);
    plan_->backward({x, dy, affine, saved, gradients, workspace_at_, stream_, ds, mask});
}

Support Operation::supports_backward_backward() const {
    if (problem_.spec.adds()) return {"no double backward is asked for with a residual"};
    if (problem_.spec.masked) return {"no double backward is asked for with a mask"};
    if (problem_.spec.activates()) return {"no double backward is asked for behind an activation"};
    if (problem_.spec.is_partial()) return {"no double backward is asked for where statistics are of a part"};
    return plan_ ? plan_->supports_backward_backward() : Support{};
}

void Operation::backward_backward(ConstTensor x, ConstTensor dy, Affine affine, ConstSavedView saved,
                                  Cotangents cotangents, SecondGradients gradients) {
    if (problem_.shape.size() == 0) return write_zeros({gradients.ddgamma});
    if (const Support s = supports_backward_backward(); !s)
        throw Declined(fmt::format("{} declines double backward: {}", implementation_->name(), s.reason));
    plan_->backward_backward({x, dy, affine, saved, cotangents, gradients, workspace_at_, stream_});
}

// Those of parameters, of an empty tensor.
void Operation::write_zeros(std::initializer_list<void*> gradients) const {
    const std::vector<std::byte> zeros(static_cast<std::size_t>(problem_.affine_count()) * size_of(problem_.params()));
    for (void* p : gradients)
        if (p) copy(p, problem_.device, zeros.data(), Device::host, zeros.size());
}

SavedMemory::SavedMemory(const Operation& operation)
    : correction_(operation.problem().has_correction()),
      blocks_(static_cast<std::size_t>(operation.problem().statistics_count())),
      memory_(operation.problem().device, opaque_offset() + operation.opaque_bytes()) {}

std::size_t SavedMemory::opaque_offset() const {
    return ((correction_ ? 5 : 3) * blocks_ * sizeof(double) + 255) / 256 * 256;
}

SavedView SavedMemory::view() const {
    const auto column = [&](std::size_t i) { return static_cast<double*>(memory_.data()) + i * blocks_; };
    return {column(0),
            column(1),
            column(2),
            correction_ ? column(3) : nullptr,
            correction_ ? column(4) : nullptr,
            memory_.at(opaque_offset())};
}

}  // namespace normlab
