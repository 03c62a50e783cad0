#include "verify/exchange/export.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <stdlib.h>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "io/atomic_file.hpp"
#include "io/error.hpp"
#include "norms/names.hpp"
#include "norms/variants.hpp"
#include "verify/exchange/call_index.hpp"
#include "verify/exchange/export_call.hpp"
#include "verify/exchange/not_asked.hpp"
#include "verify/exchange/recorder.hpp"

namespace normlab::verify {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view index_name = "normlab.json";

// A folder that becomes `path` when it is complete, and is removed otherwise.
class NewFolder {
public:
    explicit NewFolder(const fs::path& path) : path_(io::target_of(path)) {
        std::error_code error;
        if (fs::exists(path, error) && !(fs::is_directory(path, error) && fs::is_empty(path, error)))
            io::refuse(path, "exists already; a new folder, or an empty one, is accepted");
        std::string beside = path_.parent_path() / ".normlab-XXXXXX";
        if (!mkdtemp(beside.data())) io::refuse_with_errno(path, "cannot be created", errno);
        own_ = beside;
        if (fs::create_directory(temporary(), error)) return;  // mkdtemp's own folder is closed to others
        fs::remove(own_);
        io::refuse(path, fmt::format("cannot be created: {}", error.message()));
    }
    ~NewFolder() {
        std::error_code none;
        fs::remove_all(own_, none);
    }
    NewFolder(const NewFolder&) = delete;
    NewFolder& operator=(const NewFolder&) = delete;

    fs::path temporary() const { return own_ / "cases"; }
    void complete() {
        std::error_code error;
        // An empty folder may be somebody's working directory: it stays, and is filled; the index comes last.
        if (fs::is_directory(path_)) {
            for (const fs::directory_entry& entry : fs::directory_iterator(temporary()))
                if (entry.path().filename() != index_name) fs::rename(entry.path(), path_ / entry.path().filename());
            fs::rename(temporary() / index_name, path_ / index_name, error);
        } else {
            fs::rename(temporary(), path_, error);
        }
        if (error) io::refuse(path_, fmt::format("cannot be created: {}", error.message()));
    }

private:
    fs::path path_, own_;
};

}  // namespace

Case as_a_script(Case c) {
    const Spec s = c.spec();
    if (is_by_element(s) && !c.tile && c.gamma.given.empty() && c.beta.given.empty())
        c.shape = {c.shape.N, c.shape.C * c.shape.S, 1};
    if (!has_beta(s) && c.affine == AffineUse::both) c.affine = AffineUse::gamma;
    return c;
}

std::vector<Case> plan_export(Selection selection, Tier tier, std::vector<std::string>& left_out,
                              const FixedSettings& fixed) {
    if (selection.dtypes.empty())  // those that every language has
        std::ranges::copy_if(kernel_dtypes, std::back_inserter(selection.dtypes),
                             [](DType d) { return !is_narrow(d); });
    fixed.require_takers(selection.variants, selection.dtypes);
    if (selection.layouts.empty()) selection.layouts = {Layout::channels_first};
    selection.implementations = {"reference"};
    const std::set<std::string> named(selection.checks.begin(), selection.checks.end());
    std::vector<Case> cases;
    std::set<std::string> seen;
    std::map<std::string_view, std::set<std::string>> reasons;
    for (Case c : plan(selection, tier)) {
        const NotAsked* row = find_not_asked(c.check);
        if (row && !row->of_script.empty() && !(row->unless_named && named.contains(c.check))) {
            reasons[row->of_script].insert(c.check);
            continue;
        }
        if (c.strides != Strides::dense && !fixed.strided) {
            reasons["views with strides, which a script makes of its arrays; --strides exports them"].insert(c.check);
            continue;
        }
        c = as_a_script(fixed.applied(std::move(c)));
        c.implementation = script_name;
        if (fixed.running == Running::none && c.spec().correction == Correction::renorm) {
            reasons["r and d need running statistics"].insert(c.variant);
            continue;
        }
        if (is_valid(c) && find_check(c.check).refuses(c).empty() && seen.insert(c.text()).second)
            cases.push_back(std::move(c));
    }
    for (const auto& [why, checks] : reasons) left_out.push_back(fmt::format("{}: {}", fmt::join(checks, ", "), why));
    if (cases.empty()) throw Error("nothing to export: no check of this selection looks at what a script gives");
    return cases;
}

Exported export_cases(const fs::path& folder, const std::vector<Case>& cases, std::vector<std::string>& left_out,
                      const std::function<void(std::size_t, std::size_t)>& progress, const FixedSettings& fixed) {
    NewFolder target(folder.has_filename() ? fs::absolute(folder) : fs::absolute(folder).parent_path());
    CallIndex index;
    std::vector<Inputs<double>> calls;
    nlohmann::ordered_json listed = nlohmann::ordered_json::array();
    std::vector<std::set<std::size_t>> numbers;
    std::map<std::string, std::size_t> reasons;
    std::set<std::string_view> variants;
    for (const Case& c : cases) variants.insert(c.variant);
    for (std::size_t i = 0; i < cases.size(); ++i) {
        progress(i, cases.size());
        Recording recording = record(cases[i], fixed);
        const auto other = std::ranges::find_if(
            recording.calls, [&](const auto& call) { return !variants.contains(call.problem.spec.variant); });
        if (other != recording.calls.end())
            recording = {{}, fmt::format("it calls {} too, which is not selected", other->problem.spec.variant)};
        if (recording.calls.empty()) {
            ++reasons[fmt::format("{}: {}", cases[i].check,
                                  recording.left_out.empty() ? "no call" : recording.left_out)];
            continue;
        }
        listed.push_back({{"case", cases[i].text()}});
        numbers.emplace_back();
        for (const Inputs<double>& call : recording.calls) {
            const std::size_t n = index.add(call);
            if (n == calls.size()) calls.push_back(call);
            else if (calls[n].dy.empty()) calls[n] = call;
            if (call.twice()) calls[n].v = call.v, calls[n].u = call.u, calls[n].w = call.w;
            numbers.back().insert(n);
        }
    }
    progress(cases.size(), cases.size());
    for (const auto& [reason, count] : reasons) left_out.push_back(fmt::format("{} ({} cases)", reason, count));
    if (calls.empty()) throw Error("nothing to export: " + reasons.begin()->first);

    Exported out{listed.size(), calls.size(), 1, 0};
    std::vector<std::string> names;
    for (std::size_t n = 0; n < calls.size(); ++n) {
        const Problem& p = calls[n].problem;
        names.push_back(fmt::format("{}_{}_{:04}", p.spec.variant, name_of(p.dtype), n + 1));
        out.files += write_call(target.temporary() / names.back(), calls[n], fixed.weighs_old());
    }
    for (std::size_t i = 0; i < listed.size(); ++i)
        for (const std::size_t n : numbers[i]) listed[i]["calls"].push_back(names[n]);
    const nlohmann::ordered_json document{{"schema", 1}, {"cases", listed}};
    io::write_atomically(target.temporary() / index_name, document.dump(1) + "\n");
    for (const auto& entry : fs::recursive_directory_iterator(target.temporary()))
        if (entry.is_regular_file()) out.bytes += entry.file_size();
    target.complete();
    return out;
}

}  // namespace normlab::verify
