#include "io/npy_header.hpp"

#include <algorithm>
#include <charconv>
#include <string>
#include <system_error>

#include "io/error.hpp"

namespace normlab::io {

namespace {

constexpr std::string_view white_space = " \t\r\n";

class Parser {
public:
    Parser(std::string_view text, const std::filesystem::path& path) : text_(text), path_(path) {}

    NpyHeader parse() {
        expect('{');
        while (peek() != '}') {
            const std::string_view key = string();
            expect(':');
            if (key == "descr") {
                once(key, has_descr_);
                descr();
            } else if (key == "fortran_order") {
                once(key, has_order_);
                header_.fortran_order = boolean();
            } else if (key == "shape") {
                once(key, has_shape_);
                shape();
            } else {
                reject("unknown key " + in_quotes(key) + "; accepted: 'descr', 'fortran_order', 'shape'");
            }
            if (peek() != ',') break;
            ++at_;
        }
        expect('}');
        if (peek() != '\0' || at_ < text_.size()) reject("text after the closing }: " + in_quotes(rest()));
        if (!has_descr_) reject("the key 'descr' is missing");
        if (!has_order_) reject("the key 'fortran_order' is missing");
        if (!has_shape_) reject("the key 'shape' is missing");
        return header_;
    }

private:
    [[noreturn]] void reject(const std::string& what) const { refuse(path_, ".npy header: " + what); }

    std::string_view rest() const { return text_.substr(at_); }

    /// The next character that is no white space, not consumed; '\0' at the end.
    char peek() {
        at_ = std::min(text_.find_first_not_of(white_space, at_), text_.size());
        return at_ < text_.size() ? text_[at_] : '\0';
    }

    void expect(char wanted) {
        if (peek() != wanted) reject_here(in_quotes({&wanted, 1}));
        ++at_;
    }

    [[noreturn]] void reject_here(const std::string& wanted) const {
        reject("expected " + wanted + " at character " + std::to_string(at_) + ", found " +
               (at_ < text_.size() ? in_quotes(rest()) : "the end"));
    }

    void once(std::string_view key, bool& seen) const {
        if (seen) reject("the key " + in_quotes(key) + " appears twice");
        seen = true;
    }

    std::string_view string() {
        const char quote = peek();
        if (quote != '\'' && quote != '"') reject_here("a quoted string");
        const std::size_t end = text_.find(quote, at_ + 1);
        if (end == std::string_view::npos) reject_here("a string with a closing quote");
        const std::string_view value = text_.substr(at_ + 1, end - at_ - 1);
        at_ = end + 1;
        return value;
    }

    bool boolean() {
        peek();
        for (const std::string_view word : {"True", "False"}) {
            if (!rest().starts_with(word)) continue;
            at_ += word.size();
            return word == "True";
        }
        reject_here("True or False");
    }

    void descr() {
        if (peek() == '[') reject_dtype(rest());  // a list of fields: a structured dtype
        std::string_view name = string();
        if (name == "bfloat16") name = "<V2";
        if (name.size() != 3) reject_dtype(name);
        const std::string_view kind = name.substr(1);
        if (kind == "f4") header_.type = ElementType::f32;
        else if (kind == "f8") header_.type = ElementType::f64;
        else if (kind == "i1") header_.type = ElementType::i8;
        else if (kind == "i2") header_.type = ElementType::i16;
        else if (kind == "i4") header_.type = ElementType::i32;
        else if (kind == "i8") header_.type = ElementType::i64;
        else if (kind == "f2") header_.type = ElementType::f16;
        else if (kind == "V2") header_.type = ElementType::bf16;  // as NumPy writes ml_dtypes.bfloat16
        else if (kind == "u2") header_.type = ElementType::u16;
        else if (kind == "u1") header_.type = ElementType::u8;
        else reject_dtype(name);
        const bool one_byte = element_size(header_.type) == 1;
        if (name[0] != '<' && name[0] != '>' && !(name[0] == '|' && (one_byte || kind == "V2"))) reject_dtype(name);
        header_.big_endian = name[0] == '>';
    }

    [[noreturn]] void reject_dtype(std::string_view name) const {
        reject("dtype " + in_quotes(name) + " is not supported; accepted: '<f4', '<f8', '<f2', '<i2', '<i4', " +
               "'<i8', '<u2', '<V2' (bfloat16), the same with > (big-endian), '|i1', '|u1'");
    }

    void shape() {
        expect('(');
        bool comma = true;
        while (peek() != ')') {
            if (!comma) reject_here("',' or ')'");
            header_.shape.push_back(dimension());
            comma = peek() == ',';
            if (comma) ++at_;
        }
        ++at_;
        if (header_.shape.size() == 1 && !comma) {
            reject("shape (" + std::to_string(header_.shape[0]) + ") is a number in Python; accepted: (" +
                   std::to_string(header_.shape[0]) + ",)");
        }
    }

    std::int64_t dimension() {
        if (header_.shape.size() == npy_most_dimensions) {
            reject("the shape has more than " + std::to_string(npy_most_dimensions) + " dimensions");
        }
        const std::size_t length = std::min(rest().find_first_of(",) \t\r\n"), rest().size());
        const std::string_view digits = rest().substr(0, length);
        std::int64_t value = 0;
        const char* const end = digits.data() + digits.size();
        const auto [stop, error] = std::from_chars(digits.data(), end, value);
        if (error != std::errc{} || stop != end || digits[0] == '-') {
            reject("dimension " + in_quotes(digits) + "; accepted: a whole number from 0 to 2^63 - 1");
        }
        at_ += length;
        return value;
    }

    std::string_view text_;
    const std::filesystem::path& path_;
    std::size_t at_ = 0;
    NpyHeader header_;
    bool has_descr_ = false, has_order_ = false, has_shape_ = false;
};

}  // namespace

NpyHeader parse_npy_header(std::string_view text, const std::filesystem::path& path) {
    return Parser(text, path).parse();
}

}  // namespace normlab::io
