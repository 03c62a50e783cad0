#pragma once
// The CPU kernels as they are compiled for machines without AVX2, on one thread, whatever this machine has.

#include <memory>

#include "norms/cpu/kernels.hpp"

namespace normlab {

class Baseline final : public Implementation {
public:
    std::string name() const override { return "baseline"; }
    std::string description() const override { return "the CPU kernels without AVX2"; }
    Support supports(const Problem&) const override { return {}; }
    std::unique_ptr<Plan> plan(const Problem& p) const override {
        struct BaselinePlan final : Plan {
            explicit BaselinePlan(const Problem& problem)
                : setup(problem, *block_layout(problem)), kernels(cpu::baseline::kernels(problem.dtype)) {}
            std::size_t workspace_bytes() const override { return kernels.workspace_bytes(setup); }
            void forward(const ForwardArgs& args) const override { kernels.forward(setup, args, 1); }
            void backward(const BackwardArgs& args) const override { kernels.backward(setup, args, 1); }
            cpu::Setup setup;
            cpu::Kernels kernels;
        };
        return std::make_unique<BaselinePlan>(p);
    }
};

}  // namespace normlab
