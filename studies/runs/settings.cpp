#include "studies/runs/settings.hpp"

#include <algorithm>
#include <set>
#include <sstream>

#include <fmt/format.h>

#include "norms/names.hpp"
#include "verify/case.hpp"

namespace normlab::studies {
namespace {

std::vector<std::string> split(const std::string& text) {
    std::vector<std::string> words;
    std::istringstream in(text);
    for (std::string word; std::getline(in, word, ',');) words.push_back(word);
    return words;
}

}  // namespace

std::string_view name_of(Size size) { return size == Size::quick ? "default" : size == Size::standard ? "standard" : "paper"; }

const std::string& Setting::of(Size size) const {
    if (size == Size::paper && !paper.empty()) return paper;
    return size != Size::quick && !standard.empty() ? standard : quick;
}

std::function<void(const Setting&, const std::string&)> integers(std::int64_t low, std::int64_t high) {
    return [=](const Setting& s, const std::string& word) {
        const std::int64_t value = verify::parse_integer(s.flag, word);
        if (value < low || value > high) throw Error(fmt::format("{} {}; {} to {} is accepted", s.flag, value, low, high));
    };
}

std::function<void(const Setting&, const std::string&)> numbers(double low, double high) {
    return [=](const Setting& s, const std::string& word) {
        const double value = verify::parse_number(s.flag, word);
        if (!(value >= low && value <= high)) throw Error(fmt::format("{} {}; {:g} to {:g} is accepted", s.flag, word, low, high));
    };
}

std::function<void(const Setting&, const std::string&)> words(std::vector<std::string> accepted) {
    return [accepted = std::move(accepted)](const Setting& s, const std::string& word) {
        const std::vector<std::string_view> views(accepted.begin(), accepted.end());
        if (std::ranges::find(views, word) == views.end()) throw Error(unknown(s.flag, word, views));
    };
}

Settings::Settings(const std::vector<Setting>& known, Size size, const std::map<std::string, std::string>& given) : size_(size) {
    for (const Setting& s : known) {
        const auto own = given.find(s.flag);
        const std::string& text = own == given.end() ? s.of(size) : own->second;
        std::vector<std::string> list = split(text);
        if (list.empty()) throw Error(s.flag + " is empty; a comma list is accepted: " + s.help);
        if (std::set(list.begin(), list.end()).size() != list.size()) throw Error(fmt::format("{} {}: a value is named twice", s.flag, text));
        for (const std::string& word : list)
            if (s.check) s.check(s, word);
        changed_ = changed_ || list != split(s.of(size));
        lists_[s.flag] = std::move(list);
    }
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
