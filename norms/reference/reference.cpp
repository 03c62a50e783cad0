#include "norms/reference/plans.hpp"

namespace normlab::reference {

constexpr std::int64_t most_elements = std::int64_t{1} << 28;

class Reference final : public Implementation {
public:
    std::string name() const override { return "reference"; }
    std::string description() const override {
        return "the formulas in xtensor, two passes, accumulated in the compute precision";
    }
    Support supports(const Problem& p) const override {
        if (p.device != Device::host) return {"it works on host memory"};
        if (p.shape.size() > most_elements)
            return {"its temporaries take some 60 bytes an element; up to 2^28 elements are accepted"};
        return {};
    }
    bool parallel() const override { return false; }
    std::unique_ptr<Plan> plan(const Problem& p) const override {
        return is_kernel_dtype(p.dtype) ? native_plan(p) : verification_plan(p);
    }
};

}  // namespace normlab::reference

namespace normlab {

std::unique_ptr<Implementation> make_reference() { return std::make_unique<reference::Reference>(); }

}  // namespace normlab
