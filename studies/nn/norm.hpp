#pragma once
// A normalization as a layer: any Spec (norms/variants/) through any implementation, before or after an activation.

#include <map>
#include <optional>
#include <tuple>

#include "norms/operation.hpp"
#include "norms/variants/batch_renorm.hpp"
#include "studies/nn/layer.hpp"

namespace normlab::nn {

/// Which statistics evaluation uses, where the variant keeps running ones (batch norm, batch renorm); the others have
/// none and always use the input's own.
enum class StatisticsFrom {
    /// the moving average as the Spec has it (batch norm: of the unbiased variance; batch renorm: of sigma)
    moving,
    /// batch norm: the moving average of the biased variance, kept beside the other in the same training run
    moving_biased,
    population,  ///< "precise": what measure_population (score.hpp) or set_state gave
    batch        ///< the batch's own, also in evaluation
};

struct NormOptions {
    std::string implementation = "cpu";
    bool affine = true;  ///< gamma (begins at 1) and beta (0)
    /// of batch renorm's r_max and d_max by step; absent: the Spec's own, always. A new limit costs a new plan
    std::optional<RenormSchedule> schedule;
};

/// y = norm(x), x[N, H, W, C]. The normalisation batch is spec.stat_batch (0: all of the optimiser's batch), which
/// divides N. Throws Error for weight norm, which is an option of Dense and Conv; for an implementation that works on
/// another device than the backend, or declines.
class Norm : public Layer {
public:
    Norm(const Setup& setup, std::int64_t channels, const Spec& spec, const NormOptions& options = {});
    std::string name() const override;  ///< "batch_norm (cpu)"
    void forward(const Array& x, Array& y, const Pass& pass) override;
    void backward(const Array& x, const Array& y, const Array& dy, Array* dx) override;
    std::vector<Parameter*> parameters() override;

    const Spec& spec() const { return spec_; }
    bool keeps_running() const { return spec_.running != Running::none; }
    /// Whether evaluation depends on which samples are in its batch.
    bool evaluates_by_batch() const {
        return spec_.block.samples && (!keeps_running() || evaluation_ == StatisticsFrom::batch);
    }

    /// How evaluation normalises from now on. Throws Error where the variant does not have it; without running
    /// statistics there is nothing to choose, and all are accepted.
    void evaluate_with(StatisticsFrom which);
    /// From now on training too takes the statistics chosen by evaluate_with as constants (Mode::eval's gradient), and
    /// moving averages stand still, until `thaw`. Throws Error for StatisticsFrom::batch; nothing happens without
    /// running statistics.
    void freeze();
    void thaw() { frozen_ = false; }

    /// moving, moving_biased or population. Throws Error where there are none.
    State state(StatisticsFrom which) const;
    /// Replaces them. Throws Error for sizes that do not fit.
    void set_state(StatisticsFrom which, const State& state);

    /// Every Task::population pass from now on adds its batch, until `end_population` makes the result
    /// StatisticsFrom::population.
    void begin_population(Average average = Average::paper);
    void end_population();

    /// gamma and beta; absent where options.affine is false.
    std::optional<Parameter>& gamma() { return gamma_; }
    std::optional<Parameter>& beta() { return beta_; }

private:
    // training; by statistics from outside the batch; by the batch alone, moving nothing
    enum class Way { train, given, batch };
    struct Prepared {
        Operation operation;
        SavedMemory saved;
    };

    Way way(const Pass& pass) const;
    Prepared& prepared(const Dims& dims, Way way, const Pass& pass);
    StateView given();
    StateView moving();
    const std::optional<State>& kept(StatisticsFrom which) const;
    void track_biased(const Prepared& p);
    Affine affine() const;

    Spec spec_;
    NormOptions options_;
    const Implementation& implementation_;
    std::int64_t channels_;
    std::optional<Parameter> gamma_, beta_;
    StatisticsFrom evaluation_ = StatisticsFrom::moving;
    bool frozen_ = false;
    Memory moving_, given_;  // on the device: mean, then var or sigma, C each
    std::int64_t moving_count_ = 0, given_count_ = 0;
    std::optional<State> biased_, population_;
    std::optional<Population> measuring_;
    std::map<std::tuple<std::int64_t, std::int64_t, Way>, Prepared> prepared_;  // by samples, positions and way
    Prepared* last_ = nullptr;                                                  // of the last forward
};

}  // namespace normlab::nn
