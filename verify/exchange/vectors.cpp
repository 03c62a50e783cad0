#include "verify/exchange/vectors.hpp"

#include <algorithm>
#include <chrono>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "io/error.hpp"
#include "norms/names.hpp"
#include "norms/operation.hpp"
#include "norms/variants.hpp"
#include "system/interrupt.hpp"
#include "system/shell.hpp"
#include "verify/exchange/vector_case.hpp"
#include "verify/exchange/vector_steps.hpp"
#include "verify/report/report.hpp"

namespace normlab::verify {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> names_in(const fs::path& folder, const std::vector<std::string>& only) {
    std::error_code error;
    if (!fs::is_directory(folder, error))
        io::refuse(folder, "is no folder that can be read; one of outside test vectors is accepted");
    std::vector<std::string> names;
    bool any = false;
    for (const auto& entry : fs::directory_iterator(folder)) {
        const std::string name = entry.path().filename().string();
        if (!entry.is_directory() || name.starts_with('.')) continue;
        names.push_back(name);
        any |= fs::exists(entry.path() / "case.json");
    }
    if (!any) io::refuse(folder, "holds no vector; folders with a case.json are accepted");
    std::ranges::sort(names);
    const std::vector<std::string_view> known(names.begin(), names.end());
    for (const std::string& name : only)
        if (std::ranges::find(names, name) == names.end())
            throw Error(known.size() > 20
                            ? fmt::format("unknown vector '{}'; the folders in {} are accepted", name, folder.string())
                            : unknown("vector", name, known));
    if (!only.empty())
        std::erase_if(names, [&](const std::string& name) { return std::ranges::find(only, name) == only.end(); });
    return names;
}

const VectorRunner* runs_itself(const std::string& implementation) {
    return dynamic_cast<const VectorRunner*>(&find_implementation(implementation));
}

template <class T>
bool chosen(const std::vector<T>& asked, const T& value) {
    return asked.empty() || std::ranges::find(asked, value) != asked.end();
}

}  // namespace

std::vector<Outcome> run_vectors(const fs::path& folder, const std::vector<std::string>& only,
                                 const Selection& selection,
                                 const std::function<void(std::size_t, std::size_t)>& progress,
                                 const std::function<bool(const std::vector<Outcome>&)>& stop) {
    for (const std::string& name : selection.variants) find_variant(name);
    Selection here = selection;
    here.implementations = chosen_implementations(selection);
    std::vector<std::string> themselves;
    std::ranges::copy_if(here.implementations, std::back_inserter(themselves), runs_itself);
    std::erase_if(here.implementations, runs_itself);
    const std::vector<std::string> names = names_in(folder, only);
    std::vector<Outcome> all;
    const auto run = [&](const std::string& name) {
        Outcome unread;
        unread.name = name;
        unread.rerun =
            fmt::format("normlab verify --vectors {} --only {}", system::shell_word(folder), system::shell_word(name));
        unread.test.implementation.clear();  // none ran it
        try {
            VectorFile file = read_vector(folder / name / "case.json");
            if (!chosen(selection.dtypes, file.dtype)) return;
            unread.test.variant = file.op, unread.test.dtype = file.dtype;
            if (std::ranges::find(absent_ops, file.op) != std::end(absent_ops)) {
                if (!selection.variants.empty()) return;
                unread.skipped = "normlab has no " + file.op;
                all.push_back(unread);
                return;
            }
            if (!chosen(selection.variants, std::string(variant_of(file.op).name))) return;
            for (const std::string& implementation : themselves)
                for (Outcome& out : runs_itself(implementation)->run_vector(folder, name, selection))
                    // truth: once
                    if (out.test.implementation == implementation ||
                        (here.implementations.empty() && implementation == themselves.front()))
                        all.push_back(std::move(out));
            if (!here.implementations.empty())
                std::ranges::move(run_vector(std::move(file), folder, here), std::back_inserter(all));
        } catch (const io::InputError& e) {
            all.push_back(failed_vector(unread, e.what()));
        } catch (const Error& e) {
            all.push_back(failed_vector(unread, e.what()));
        }
    };
    for (std::size_t i = 0; i < names.size(); ++i) {
        progress(i, names.size());
        if (system::interrupted()) return all;
        const auto start = std::chrono::steady_clock::now();
        const std::size_t before = all.size();
        try {
            run(names[i]);
        } catch (const system::Interrupted&) {
            return all;
        }
        const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
        for (std::size_t k = before; k < all.size(); ++k)
            all[k].seconds = time.count() / static_cast<double>(all.size() - before);
        if (stop && stop(all)) return progress(i + 1, names.size()), all;
    }
    progress(names.size(), names.size());
    if (all.empty()) throw Error("nothing to verify: the selection leaves none of the vectors");
    return all;
}

std::string vectors_text(const std::vector<Outcome>& outcomes) {
    std::map<std::pair<std::string, std::string>, std::vector<Outcome>> rows;
    std::map<std::string, int> absent;
    std::string notes;
    for (const Outcome& o : outcomes) {
        if (o.test.implementation.empty() && !o.skipped.empty()) ++absent[o.test.variant];
        else rows[{o.test.variant, o.test.implementation}].push_back(o);
        for (const Finding& f : o.findings)
            if (!f.note.empty())
                notes += fmt::format("{}, {}{}: {}\n", o.title(), f.quantity,
                                     f.verdict == Verdict::skipped ? " (no target)" : "", f.note);
    }
    std::string text =
        fmt::format("{:<15} {:<11} {:>5} {:>6} {:>6} {:>10} {:>9} {:>7}  {:>11}  {}\n", "variant", "of", "runs", "held",
                    "failed", "unresolved", "no target", "skipped", "error/bound", "worst");
    for (const auto& [key, list] : rows) {
        const Summary s = summarize(list);
        std::size_t no_target = 0;
        for (const Outcome& o : list)
            no_target += static_cast<std::size_t>(std::ranges::count(o.findings, Verdict::skipped, &Finding::verdict));
        text +=
            fmt::format("{:<15} {:<11} {:>5} {:>6} {:>6} {:>10} {:>9} {:>7}  {:>11.2g}  {}\n", key.first, key.second,
                        list.size(), s.held, s.failed, s.unresolved, no_target, s.skipped, s.worst_ratio, s.worst_case);
    }
    if (!notes.empty()) text += "\nwhere the outside gives no number, or refuses\n" + notes;
    std::vector<std::string> words;
    for (const auto& [op, count] : absent) words.push_back(fmt::format("{} {}", op, count));
    if (!words.empty()) text += fmt::format("\nskipped, normlab does not have them: {}\n", fmt::join(words, ", "));
    return text;
}

}  // namespace normlab::verify
