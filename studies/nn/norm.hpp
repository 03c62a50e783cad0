#pragma once
// A normalization as a layer: any Spec (norms/variants/) through any implementation, before or after an activation.

#include <map>
#include <memory>
#include <optional>

#include "norms/operation.hpp"
#include "norms/variants/batch_renorm.hpp"
#include "studies/nn/layer.hpp"

namespace normlab::nn {

/// Which statistics evaluation uses, where the variant keeps running ones (batch norm, batch renorm); the others have none and always use the input's own.
enum class Statistics {
    moving,          ///< the moving average as the Spec has it (batch norm: of the unbiased variance; batch renorm: of sigma)
    moving_biased,   ///< batch norm: the moving average of the biased variance, kept beside the other in the same training run
    population,      ///< "precise": what measure_population (score.hpp) or set_population gave
    batch            ///< the batch's own, also in evaluation
};

struct NormOptions {
    std::string implementation = "cpu";
    bool affine = true;                         ///< gamma (begins at 1) and beta (0)
    std::optional<RenormSchedule> schedule;     ///< of batch renorm's r_max and d_max by step; absent: the Spec's own, always. A new limit costs a new plan
};

/// y = norm(x), x[N, H, W, C]. The normalisation batch is spec.stat_batch (0: all of the optimiser's batch), which divides N. Throws Error for weight norm,
/// which is an option of Dense and Conv; for an implementation that works on another device than the backend, or declines.
class Norm : public Layer {
public:
    Norm(const Setup& setup, std::int64_t channels, const Spec& spec, const NormOptions& options = {});
    ~Norm() override;

    std::string name() const override;   ///< "batch_norm (cpu)"
    void forward(const Array& x, Array& y, const Pass& pass) override;
    void backward(const Array& x, const Array& y, const Array& dy, Array* dx) override;
    std::vector<Parameter*> parameters() override;

    const Spec& spec() const { return spec_; }
    bool keeps_running() const { return spec_.running != Running::none; }

    /// How evaluation normalises from now on. Throws Error where the variant does not have it; nothing happens where it keeps no running statistics at all.
    void evaluate_with(Statistics which);
    /// From now on training too uses the statistics chosen by evaluate_with as constants (Mode::eval's gradient), and moving averages stop; `thaw` ends it.
    void freeze() { frozen_ = true; }
    void thaw() { frozen_ = false; }

    /// moving, moving_biased or population. Throws Error where there are none.
    State state(Statistics which) const;
    /// Replaces moving or population statistics. Throws Error for sizes that do not fit.
    void set_state(Statistics which, const State& state);

    /// Population statistics afresh: every Task::population pass after this adds its batch, until `end_population` keeps the result as
    /// Statistics::population.
    void begin_population(Average average = Average::paper);
    void end_population();

    /// gamma and beta; absent where options.affine is false.
    std::optional<Parameter>& gamma() { return gamma_; }
    std::optional<Parameter>& beta() { return beta_; }

private:
    struct Prepared;   // an Operation and what it keeps, for one number of samples and one way to normalise
    enum class Way { train, given, batch };

    Way way(const Pass& pass) const;
    Prepared& prepared(const Dims& dims, Way way, const Pass& pass);
    StateView view(Statistics which) const;
    bool has(Statistics which) const;
    void track_biased(const Prepared& p);

    Spec spec_;
    NormOptions options_;
    const Implementation& implementation_;
    std::int64_t channels_;
    std::optional<Parameter> gamma_, beta_;
    Statistics evaluation_ = Statistics::moving;
    bool frozen_ = false;
    Memory moving_, population_;        // mean, then var or sigma: C each, on the device
    State biased_;
    mutable std::int64_t moving_count_ = 0, population_count_ = 0;
    bool population_known_ = false;
    std::optional<Population> measuring_;
    std::map<std::pair<std::int64_t, Way>, std::unique_ptr<Prepared>> prepared_;
    Prepared* last_ = nullptr;          // of the last forward
};

}  // namespace normlab::nn
