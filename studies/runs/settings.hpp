#pragma once
// The settings of a study: every one a flag that takes a comma list, with a value for each of the three sizes.

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace normlab::studies {

enum class Size { quick, standard, paper };  ///< no flag, --standard, --paper
std::string_view name_of(Size size);

struct Setting {
    std::string flag, help;              ///< "--steps"; what it is, its unit, what is accepted
    std::string quick, standard, paper;  ///< comma lists; an empty one: as the size before
    /// throws Error for a word that is not accepted
    std::function<void(const Setting&, const std::string& word)> check;
    /// one report shows all values of the list; otherwise each value has a report of its own (Settings::apart)
    bool together = false;
    bool free = false;  ///< the criteria speak of all its values, not of the size's alone
    const std::string& of(Size size) const;
};

/// Checks of one word of a list.
std::function<void(const Setting&, const std::string&)> integers(std::int64_t low, std::int64_t high);
std::function<void(const Setting&, const std::string&)> numbers(double low, double high);
std::function<void(const Setting&, const std::string&)> words(std::vector<std::string> accepted);

/// --impl: whose normalizations a net has; of those that nn::backend_for accepts.
Setting implementation_setting(std::string quick, std::string standard = "", bool together = false);

/// `given`: flag -> comma list, those that the caller changes.
class Settings {
public:
    /// Throws Error for a list that is empty, has an empty word or names a value twice, and what the checks throw.
    Settings(const std::vector<Setting>& known, Size size, const std::map<std::string, std::string>& given);

    /// One for each combination of the values of settings that no report shows together.
    std::vector<Settings> apart() const;
    /// Of one of these, what tells it from the others: "-rate=0.1"; empty where it is alone.
    const std::string& label() const { return label_; }

    Size size() const { return size_; }
    /// a list that is not free is another than that of the size: the criteria do not speak of it
    bool changed() const { return changed_; }
    const std::vector<std::string>& list(const std::string& flag) const;
    std::vector<std::int64_t> integers(const std::string& flag) const;
    std::vector<double> numbers(const std::string& flag) const;
    std::int64_t integer(const std::string& flag) const;  ///< throws Error where the list has several
    double number(const std::string& flag) const;
    std::string word(const std::string& flag) const;

private:
    Size size_;
    bool changed_ = false;
    std::string label_;
    std::vector<std::string> apart_;  // flags whose several values are not shown together
    std::map<std::string, std::vector<std::string>> lists_;
};

}  // namespace normlab::studies
