#include "studies/data/dataset.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>
#include <zlib.h>

#include "io/error.hpp"
#include "io/idx.hpp"
#include "io/npz.hpp"
#include "norms/tensor.hpp"
#include "system/memory_budget.hpp"
#include "system/random.hpp"

namespace normlab::data {
namespace {

using std::filesystem::path;
constexpr std::int64_t largest_label = 999;

// Calls f with the elements as they are stored.
template <class F>
void with_elements(const io::Array& a, F&& f) {
    switch (a.type) {
        case io::ElementType::f32: return f(a.as<float>());
        case io::ElementType::f64: return f(a.as<double>());
        case io::ElementType::i8: return f(a.as<std::int8_t>());
        case io::ElementType::i16: return f(a.as<std::int16_t>());
        case io::ElementType::i32: return f(a.as<std::int32_t>());
        case io::ElementType::i64: return f(a.as<std::int64_t>());
        case io::ElementType::u8: return f(a.as<std::uint8_t>());
        case io::ElementType::u16: return f(a.as<std::uint16_t>());
        case io::ElementType::f16:
        case io::ElementType::bf16: break;  // refused before
    }
}

// What is read is held as it was and as f32, and copied where it is mixed.
double most_elements() { return system::memory_budget() / 24; }

bool is_real(const io::Array& a) { return a.type == io::ElementType::f32 || a.type == io::ElementType::f64; }

void take_images(const path& where, const io::Array& a, Dataset& to) {
    const auto& shape = a.shape;
    const std::string text = io::shape_text(shape);
    if (shape.size() != 3 && !(shape.size() == 4 && shape[1] == 1))
        io::refuse(where, fmt::format("images of shape {}; (N, H, W) and (N, 1, H, W) are accepted", text));
    if (!is_real(a) && a.type != io::ElementType::u8)
        io::refuse(where, fmt::format("images of {}; u8, f32 and f64 are accepted", io::element_name(a.type)));
    if (a.count() == 0)
        io::refuse(where, fmt::format("images of shape {}; at least one sample and one pixel is needed", text));
    to.H = shape[shape.size() - 2], to.W = shape.back();
    to.x.reserve(static_cast<std::size_t>(a.count()));
    with_elements(a, [&](auto elements) {
        for (const auto v : elements) {
            const double value = is_real(a) ? static_cast<double>(v) : static_cast<double>(v) / 255;
            if (!(value >= 0 && value <= 1))
                io::refuse(where, fmt::format("image value {} at element {}; 0 to 1 is accepted", value, to.x.size()));
            to.x.push_back(static_cast<float>(value));
        }
    });
}

void take_labels(const path& where, const io::Array& a, Dataset& to) {
    if (a.type == io::ElementType::f16 || a.type == io::ElementType::bf16)
        io::refuse(where, fmt::format("labels of {}; integers are accepted", io::element_name(a.type)));
    if (a.shape.size() != 1)
        io::refuse(where, fmt::format("labels of shape {}; (N,) is accepted", io::shape_text(a.shape)));
    if (is_real(a)) io::refuse(where, fmt::format("labels of {}; integers are accepted", io::element_name(a.type)));
    const std::int64_t images = static_cast<std::int64_t>(to.x.size()) / (to.H * to.W);
    if (a.count() != images)
        io::refuse(where, fmt::format("{} labels for {} images; as many are accepted", a.count(), images));
    with_elements(a, [&](auto elements) {
        for (const auto v : elements) {
            const auto label = static_cast<std::int64_t>(v);
            if (label < 0 || label > largest_label)
                io::refuse(where, fmt::format("label {} of sample {}; 0 to {} are accepted", label, to.labels.size(),
                                              largest_label));
            to.labels.push_back(static_cast<std::int32_t>(label));
        }
    });
}

// One number of classes, and the same size of image.
Split checked(const path& where, Split split) {
    Dataset &train = split.train, &test = split.test;
    if (train.H != test.H || train.W != test.W)
        io::refuse(where,
                   fmt::format("training images of {} x {} and test images of {} x {}; the same size is accepted",
                               train.H, train.W, test.H, test.W));
    const auto most = std::max(std::ranges::max(train.labels), std::ranges::max(test.labels));
    if (most < 1) io::refuse(where, "all labels are 0; at least two classes are accepted");
    train.classes = test.classes = most + 1;
    return split;
}

// Of what it holds, so that records of other images under the same name are told apart.
std::uint32_t checksum(const Split& split) {
    uLong sum = 0;
    const auto add = [&](const auto& values) {
        sum = crc32_z(sum, reinterpret_cast<const Bytef*>(values.data()), values.size() * sizeof(values[0]));
    };
    for (const Dataset* part : {&split.train, &split.test}) add(part->x), add(part->labels);
    return static_cast<std::uint32_t>(sum);
}

void name(Split& split, const std::string& set, const std::string& from, const std::string& how) {
    const std::string sum = fmt::format("{:08x}", checksum(split));
    split.train = mixed(split.train), split.test = mixed(split.test);
    for (const auto& [part, word] : {std::pair(&split.train, "train"), std::pair(&split.test, "test")}) {
        part->name = set + " " + word;
        part->description = fmt::format("{} (crc32 {}), {} {} samples of {} x {}, {} classes{}", from, sum,
                                        part->size(), word, part->H, part->W, part->classes, how);
    }
}

std::string last_name(const path& where) {
    const path clean = where.has_filename() ? where : where.parent_path();
    return clean.filename().string();
}

Split load_idx(const path& folder) {
    const io::MnistFiles files = io::find_mnist(folder);
    Split split;
    const auto read = [&](const auto& images, const auto& labels, const char* word, Dataset& to) {
        for (const auto& [file, what] :
             {std::pair(&images, "images-idx3-ubyte"), std::pair(&labels, "labels-idx1-ubyte")})
            if (!*file)
                io::refuse(folder,
                           fmt::format("holds no {}-{}, with or without .gz; the four files of MNIST are accepted",
                                       word, what));
        take_images(*images, io::read_idx(*images, most_elements()), to);
        take_labels(*labels, io::read_idx(*labels, most_elements()), to);
    };
    read(files.train_images, files.train_labels, "train", split.train);
    read(files.t10k_images, files.t10k_labels, "t10k", split.test);
    split = checked(folder, std::move(split));
    name(split, last_name(folder), "IDX files in " + last_name(folder), "");
    return split;
}

Split load_npz(const path& file, std::uint64_t seed) {
    io::NpzFile archive(file);
    const std::vector<std::string> names = archive.names();
    const auto has = [&](const char* member) { return std::ranges::find(names, member) != names.end(); };
    for (const char* member : {"x", "y"})
        if (!has(member))
            io::refuse(file,
                       fmt::format("holds no array {}; x and y, and perhaps x_test and y_test, are accepted", member));
    if (has("x_test") != has("y_test")) io::refuse(file, "holds one of x_test and y_test; both or neither is accepted");
    const auto read = [&](const char* images, const char* labels) {
        Dataset set;
        take_images(file / images, archive.read(images, most_elements()), set);
        take_labels(file / labels, archive.read(labels, most_elements()), set);
        return set;
    };
    Split split;
    split.train = read("x", "y");
    std::string how;
    if (has("x_test")) {
        split.test = read("x_test", "y_test");
    } else {
        const std::int64_t all = split.train.size(), tests = all / 6;
        if (tests < 1)
            io::refuse(
                file,
                fmt::format("{} samples without x_test; at least 6 are accepted, of which a sixth becomes the test set",
                            all));
        split.train.classes = std::ranges::max(split.train.labels) + 1;
        const std::vector<std::int64_t> order = permutation(all, seed, 0);
        const std::span all_of_it(order);
        split = {pick(split.train, all_of_it.subspan(static_cast<std::size_t>(tests))),
                 pick(split.train, all_of_it.first(static_cast<std::size_t>(tests)))};
        how = fmt::format(" (a sixth drawn as test set with seed {})", seed);
    }
    split = checked(file, std::move(split));
    name(split, file.stem().string(), file.filename().string(), how);
    return split;
}

}  // namespace

std::vector<std::int64_t> permutation(std::int64_t n, std::uint64_t seed, std::uint64_t purpose) {
    std::vector<std::int64_t> order(static_cast<std::size_t>(n));
    std::iota(order.begin(), order.end(), 0);
    const random::Stream stream{seed, purpose};
    for (std::int64_t i = n - 1; i > 0; --i)
        std::swap(order[static_cast<std::size_t>(i)],
                  order[static_cast<std::size_t>(stream.below(i + 1, static_cast<std::uint64_t>(i)))]);
    return order;
}

void copy_samples(const Dataset& set, std::span<const std::int64_t> indices, std::vector<float>& x,
                  std::vector<std::int32_t>& labels) {
    const auto pixels = static_cast<std::size_t>(set.H * set.W);
    x.resize(indices.size() * pixels);
    labels.resize(indices.size());
    for (std::size_t i = 0; i < indices.size(); ++i) {
        if (indices[i] < 0 || indices[i] >= set.size())
            throw Error(fmt::format("{}: sample {}; 0 to {} are accepted", set.name, indices[i], set.size() - 1));
        const auto from = static_cast<std::size_t>(indices[i]);
        std::copy_n(set.x.data() + from * pixels, pixels, x.data() + i * pixels);
        labels[i] = set.labels[from];
    }
}

Dataset pick(const Dataset& set, std::span<const std::int64_t> indices) {
    Dataset picked{set.name, set.description, set.H, set.W, set.classes, {}, {}};
    copy_samples(set, indices, picked.x, picked.labels);
    return picked;
}

Dataset mixed(const Dataset& set) { return pick(set, permutation(set.size(), 0, 0)); }

Dataset first(const Dataset& set, std::int64_t count) {
    if (count >= set.size()) return set;
    Dataset out = set;
    out.labels.resize(static_cast<std::size_t>(std::max<std::int64_t>(count, 0)));
    out.x.resize(out.labels.size() * static_cast<std::size_t>(set.H * set.W));
    out.description += fmt::format(", the first {} of them", out.size());
    return out;
}

Split load(const path& where, std::uint64_t seed) {
    std::error_code error;
    if (std::filesystem::is_directory(where, error)) return load_idx(where);
    if (!io::is_npz(where))
        io::refuse(where,
                   "is no .npz file; a folder with the four files of MNIST, or an .npz file with x and y, is accepted");
    return load_npz(where, seed);
}

}  // namespace normlab::data
