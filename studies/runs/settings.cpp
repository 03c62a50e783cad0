#include "studies/runs/settings.hpp"

#include <algorithm>
#include <charconv>
#include <set>
#include <sstream>

#include <fmt/format.h>

#include "norms/names.hpp"
#include "studies/nn/backend.hpp"
#include "verify/case/case.hpp"

namespace normlab::studies {
namespace {

std::vector<std::string> split(const std::string& text) {
    std::vector<std::string> words;
    std::istringstream in(text + ',');
    for (std::string word; std::getline(in, word, ',');) words.push_back(word);
    return words;
}

// 1, 01 and 1.0 are one value.
std::string value_of(const std::string& word) {
    double value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    return error == std::errc() && end == word.data() + word.size() ? fmt::format("{}", value) : word;
}

}  // namespace

std::string_view name_of(Size size) {
    return size == Size::quick ? "default" : size == Size::standard ? "standard" : "paper";
}

const std::string& Setting::of(Size size) const {
    if (size == Size::paper && !paper.empty()) return paper;
    return size != Size::quick && !standard.empty() ? standard : quick;
}

std::function<void(const Setting&, const std::string&)> integers(std::int64_t low, std::int64_t high) {
    return [=](const Setting& s, const std::string& word) {
        const std::int64_t value = verify::parse_integer(s.flag, word);
        if (value < low || value > high)
            throw Error(fmt::format("{} {}; {} to {} is accepted", s.flag, value, low, high));
    };
}

std::function<void(const Setting&, const std::string&)> numbers(double low, double high) {
    return [=](const Setting& s, const std::string& word) {
        const double value = verify::parse_number(s.flag, word);
        if (!(value >= low && value <= high))
            throw Error(fmt::format("{} {}; {:g} to {:g} is accepted", s.flag, word, low, high));
    };
}

std::function<void(const Setting&, const std::string&)> words(std::vector<std::string> accepted) {
    return [accepted = std::move(accepted)](const Setting& s, const std::string& word) {
        const std::vector<std::string_view> views(accepted.begin(), accepted.end());
        if (std::ranges::find(views, word) == views.end()) throw Error(unknown(s.flag, word, views));
    };
}

Setting implementation_setting(std::string quick, std::string standard, bool together) {
    return {"--impl",
            "implementation of the normalizations, a name of `normlab list`",
            std::move(quick),
            std::move(standard),
            "",
            [](const Setting&, const std::string& word) { nn::backend_for(word); },
            together};
}

Settings::Settings(const std::vector<Setting>& known, Size size, const std::map<std::string, std::string>& given)
    : size_(size) {
    for (const Setting& s : known) {
        const auto own = given.find(s.flag);
        const std::string& text = own == given.end() ? s.of(size) : own->second;
        std::vector<std::string> list = split(text);
        if (std::ranges::find(list, "") != list.end())
            throw Error(fmt::format("{} '{}': a value is empty; a comma list is accepted: {}", s.flag, text, s.help));
        std::set<std::string> values;
        for (const std::string& word : list)
            if (!values.insert(value_of(word)).second)
                throw Error(fmt::format("{} {}: {} is named twice; each value once is accepted", s.flag, text, word));
        for (const std::string& word : list)
            if (s.check) s.check(s, word);
        changed_ = changed_ || (!s.free && list != split(s.of(size)));
        if (list.size() > 1 && !s.together) apart_.push_back(s.flag);
        lists_[s.flag] = std::move(list);
    }
}

std::vector<Settings> Settings::apart() const {
    std::vector<Settings> all{*this};
    for (const std::string& flag : apart_) {
        std::vector<Settings> longer;
        for (const Settings& one : all)
            for (const std::string& word : list(flag)) {
                longer.push_back(one);
                longer.back().lists_[flag] = {word};
                longer.back().label_ += fmt::format("-{}={}", flag.substr(2), word);
            }
        all = std::move(longer);
    }
    return all;
}

const std::vector<std::string>& Settings::list(const std::string& flag) const { return lists_.at(flag); }

std::vector<std::int64_t> Settings::integers(const std::string& flag) const {
    std::vector<std::int64_t> values;
    for (const std::string& word : list(flag)) values.push_back(verify::parse_integer(flag, word));
    return values;
}

std::vector<double> Settings::numbers(const std::string& flag) const {
    std::vector<double> values;
    for (const std::string& word : list(flag)) values.push_back(verify::parse_number(flag, word));
    return values;
}

std::string Settings::word(const std::string& flag) const {
    if (list(flag).size() != 1) throw Error(fmt::format("{} has {} values; one is accepted", flag, list(flag).size()));
    return list(flag)[0];
}

std::int64_t Settings::integer(const std::string& flag) const { return verify::parse_integer(flag, word(flag)); }
double Settings::number(const std::string& flag) const { return verify::parse_number(flag, word(flag)); }

}  // namespace normlab::studies
