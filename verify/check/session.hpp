#pragma once
// One plan, and memory for its calls that stays where it is while its contents change: calls as a training loop makes
// them.

#include "norms/operation.hpp"
#include "verify/check/exact.hpp"
#include "verify/truth/quantities.hpp"

namespace normlab::verify {

/// How a session calls, and where its arrays lie.
struct Placement {
    int threads = 1;  ///< 0: the implementation's default
    /// every array but the workspace and Saved::opaque begins this many of its elements beyond a multiple of 256 bytes
    std::size_t offset = 0;
    InPlace in_place = InPlace::none;
    /// bytes that outputs hold before, and what lies between elements and arrays; NaN in every dtype
    std::byte poison{0xff};
};

class Session {
public:
    Session(const Implementation& implementation, const Problem& problem, const Placement& placement = {});

    /// What calls read from now on, in the memory where it lay before. Empty gamma or beta: absent.
    void write(const Inputs<double>& in);
    /// Before each call the outputs hold the poison, the workspace anything, and State what was written.
    void forward();
    void backward(Wanted wanted = {});
    /// What the last forward kept for its backward; and that again, whatever has run since.
    std::vector<std::byte> kept() const;
    /// How many bytes are not the poison any more that belong to no array, or lie between the elements of one.
    std::size_t written_between() const;
    void bring_back(const std::vector<std::byte>& kept);
    /// From now on x lies where dy did, gamma where beta did, and so on. The next call is a forward.
    void exchange_addresses();

    /// What the last forward and backward gave: the rows of quantities::outputs() and saved(), State, the count, and
    /// the scale of a y of 8 bits. Saved statistics that are not kept are empty.
    const std::vector<Array>& results() const { return results_; }
    /// The same in logical order; gradients that were not asked for are empty.
    Outputs<double> outputs() const;

private:
    struct Slot {
        std::size_t begin, bytes;
        Gaps gaps = {};  // of a tensor
        bool operator==(const Slot&) const = default;
    };
    enum Role : std::size_t {
        x,
        dy,
        gamma,
        beta,
        tau,
        residual,
        ds,
        mask,
        scale,
        workspace,
        opaque,
        state,
        result = state + std::size(state_arrays)
    };

    Slot& slot(Quantity q) { return slots_[result + static_cast<std::size_t>(q)]; }
    std::size_t add(Role role, std::size_t bytes, std::size_t begin, std::size_t shift);
    std::size_t add(Role role, bool there, DType dtype, const Gaps& gaps, std::size_t begin);
    void pack(const Slot& slot, const std::vector<double>& values, DType dtype);
    void pack_tensor(const Slot& slot, const std::vector<double>& values, DType dtype);
    void upload(std::size_t begin, std::size_t end);
    void fetch(std::size_t k, const Slot& from) { memory_.download(results_[k].bytes, from.begin); }
    void* at(const Slot& s) const { return s.bytes ? memory_.at(s.begin) : nullptr; }
    Tensor tensor(const Slot& s) const { return p_.tensor(at(s), p_.dtype, s.gaps); }
    Tensor of_y() { return p_.tensor(at(slot(Quantity::y)), p_.outputs(), slot(Quantity::y).gaps); }
    Tensor of_sum(const Slot& s) const { return p_.tensor(at(s), p_.residuals(), s.gaps); }
    Affine affine() const;
    Mask mask_of() const { return static_cast<Mask>(at(slots_[mask])); }
    SavedView saved();

    Problem p_;
    Placement placement_;
    Operation operation_;
    std::vector<Slot> slots_;
    std::size_t kept_ = 0;          // from here on lies what backward reads of forward
    std::vector<std::byte> image_;  // what the memory holds before a forward
    Memory memory_;
    bool has_gamma_ = false, has_beta_ = false, has_ds_ = false;
    Wanted wanted_;
    std::int64_t count_ = 0, count_before_ = 0;
    std::vector<Array> results_;
};

/// Of written_between.
Finding gaps_written(std::size_t bytes);

/// Results of a plan that has run nothing else, in memory that held nothing else.
std::vector<Array> fresh_results(const Implementation& implementation, const Inputs<double>& in,
                                 const Placement& placement = {});

}  // namespace normlab::verify
