#pragma once
// The settings of a study: every one a flag that takes a comma list, with a value for each of the three sizes.

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace normlab::studies {

enum class Size { quick, standard, paper };   ///< no flag, --standard, --paper
std::string_view name_of(Size size);

struct Setting {
    std::string flag, help;                      ///< "--steps"; what it is, its unit, what is accepted
    std::string quick, standard, paper;          ///< comma lists; an empty one: as the size before
    std::function<void(const Setting&, const std::string& word)> check;   ///< throws Error for a word that is not accepted
    const std::string& of(Size size) const;
};

/// Checks of one word of a list.
std::function<void(const Setting&, const std::string&)> integers(std::int64_t low, std::int64_t high);
std::function<void(const Setting&, const std::string&)> numbers(double low, double high);
std::function<void(const Setting&, const std::string&)> words(std::vector<std::string> accepted);

/// `given`: flag -> comma list, those that the caller changes.
class Settings {
public:
    /// Throws Error for a list that is empty or names a word twice, and what the checks throw.
    Settings(const std::vector<Setting>& known, Size size, const std::map<std::string, std::string>& given);

    Size size() const { return size_; }
    bool changed() const { return changed_; }   ///< some list is another than that of the size: the criteria do not speak of it
    const std::vector<std::string>& list(const std::string& flag) const;
    std::vector<std::int64_t> integers(const std::string& flag) const;
    std::vector<double> numbers(const std::string& flag) const;
    std::int64_t integer(const std::string& flag) const;   ///< throws Error where the list has several
    double number(const std::string& flag) const;
    std::string word(const std::string& flag) const;

private:
    Size size_;
    bool changed_ = false;
    std::map<std::string, std::vector<std::string>> lists_;
};

}  // namespace normlab::studies
