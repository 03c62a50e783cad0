#pragma once
// The calls of an exported folder (export.hpp), and the arrays that a script wrote for each.

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "verify/exchange/call_index.hpp"
#include "verify/exchange/vector_steps.hpp"

namespace normlab::verify {

/// One call, and what the script gave.
struct Answer {
    std::string name;
    Inputs<double> in;
    std::map<Quantity, std::vector<double>> outputs;  ///< logical order
    std::map<Quantity, std::string> missing;          ///< needed: why there is none
    std::map<Quantity, std::string> not_given;        ///< optional: likewise
    std::string nan;                                  ///< which file has one, though no input has
    bool blank = true;                                ///< no file is there at all
    bool zero_over_zero = false;                      ///< some output is not finite where x_hat is 0 / 0

    std::string_view variant() const { return in.problem.spec.variant; }
    const std::vector<double>* find(Quantity q) const {
        const auto found = outputs.find(q);
        return found == outputs.end() ? nullptr : &found->second;
    }
};

/// Of the calls of these names. An optional output that some call of a variant has is needed of all calls of that
/// variant, but those for which nothing was written. Throws io::InputError where the folder or its inputs are not what
/// export_cases wrote, or the script wrote nothing at all.
class Answers {
public:
    /// `outputs`: where the script wrote OUTPUTS/CALL/*.npy; empty: beside the inputs. With accept_nan, what is not
    /// finite where x_hat is 0 / 0 is taken for what normlab gives there.
    Answers(const std::filesystem::path& folder, const std::filesystem::path& outputs,
            const std::set<std::string>& names, bool accept_nan);

    const CallIndex& index() const { return index_; }
    const Answer& operator[](std::size_t number) const { return all_[number]; }
    template <class Visit>
    void each(Visit visit) const {
        for (const Answer& a : all_) visit(a);
    }
    std::vector<const Answer*> of(const std::vector<std::string>& names) const;

    /// Whether some call has it, of the variant or of any.
    bool given(std::string_view variant, Quantity quantity) const { return given_.contains({variant, quantity}); }
    bool given(Quantity quantity) const;

    /// f32 where all running statistics of the variant and dtype are float32, or float64 that a float32 holds.
    DType state_dtype(std::string_view variant, DType dtype) const;

    /// What is not judged, a line each.
    std::vector<std::string> left_out() const;

private:
    std::vector<Answer> all_;
    std::set<std::pair<std::string_view, Quantity>> given_;
    CallIndex index_;
};

}  // namespace normlab::verify
