#include "studies/runs/values.hpp"

#include <algorithm>
#include <charconv>
#include <set>

#include <fmt/format.h>

namespace normlab::studies {
namespace {

json parsed(const std::string& word) {
    std::int64_t whole = 0;
    double real = 0;
    const char *first = word.data(), *last = first + word.size();
    if (const auto r = std::from_chars(first, last, whole); r.ec == std::errc() && r.ptr == last) return whole;
    if (const auto r = std::from_chars(first, last, real); r.ec == std::errc() && r.ptr == last) return real;
    return word;
}

}  // namespace

std::vector<json> combinations(const Settings& settings, const std::vector<std::string>& flags) {
    std::vector<json> all{json::object()};
    for (const std::string& flag : flags) {
        std::vector<json> longer;
        for (const json& one : all)
            for (const std::string& word : settings.list(flag)) {
                longer.push_back(one);
                longer.back()[flag == "--seeds" ? "seed" : flag.substr(2)] = parsed(word);
            }
        all = std::move(longer);
    }
    return all;
}

std::string run_name(const json& settings, const std::vector<std::string>& keys) {
    std::string name;
    for (const std::string& key : keys) {
        const json& v = settings.at(key);
        name += fmt::format("{}{}={}", name.empty() ? "" : "-", key,
                            v.is_string() ? v.get<std::string>() : fmt::format("{}", v.get<double>()));
    }
    std::erase(name, '+');  // of an exponent
    return name;
}

double number(const json& value) { return value.is_null() ? NAN : value.get<double>(); }

std::vector<double> numbers(const json& array) {
    std::vector<double> values;
    for (const json& v : array) values.push_back(number(v));
    return values;
}

Selected select(const std::vector<Record>& records, const json& wanted) {
    Selected found;
    for (const Record& r : records) {
        const auto has = [&](const auto& item) {
            return r.settings.contains(item.key()) && r.settings[item.key()] == item.value();
        };
        if (std::ranges::all_of(wanted.items(), has)) found[r.settings.at("seed").get<std::int64_t>()] = &r;
    }
    return found;
}

std::vector<double> values_of(const std::vector<Record>& records, const std::string& key) {
    std::set<double> values;
    for (const Record& r : records)
        if (r.settings.contains(key)) values.insert(r.settings[key].get<double>());
    return {values.begin(), values.end()};
}

std::vector<double> each(const Selected& runs, const std::function<double(const Record&)>& f) {
    std::vector<double> values;
    for (const auto& [seed, record] : runs) values.push_back(f(*record));
    return values;
}

std::vector<double> each_pair(const Selected& a, const Selected& b,
                              const std::function<double(const Record&, const Record&)>& f) {
    std::vector<double> values;
    for (const auto& [seed, record] : a)
        if (const auto other = b.find(seed); other != b.end()) values.push_back(f(*record, *other->second));
    return values;
}

Interval mean_ratio(std::span<const double> ratios) {
    std::vector<double> logarithms;
    for (const double r : ratios) logarithms.push_back(std::log(r));
    const Interval i = mean_of(logarithms);
    return {std::exp(i.value), std::exp(i.low), std::exp(i.high)};
}

}  // namespace normlab::studies
