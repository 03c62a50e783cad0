// Data sets: files right and wrong, digits from strokes, transforms, samplers.

#include <algorithm>
#include <bit>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <set>

#include <zlib.h>

#include "io/error.hpp"
#include "io/npy.hpp"
#include "norms/tensor.hpp"
#include "studies/data/batches.hpp"
#include "studies/data/digits.hpp"
#include "studies/data/transforms.hpp"
#include "tests/catch.hpp"
#include "tests/folder.hpp"

using namespace normlab;
using namespace normlab::data;
namespace fs = std::filesystem;
using Catch::Matchers::Contains;

namespace {

using Bytes = std::vector<unsigned char>;

Bytes idx(const std::vector<unsigned>& dims, const Bytes& elements) {
    Bytes b{0, 0, 8, static_cast<unsigned char>(dims.size())};
    for (unsigned d : dims)
        for (int shift : {24, 16, 8, 0}) b.push_back(static_cast<unsigned char>(d >> shift));
    b.insert(b.end(), elements.begin(), elements.end());
    return b;
}

void write(const fs::path& to, const Bytes& bytes) {
    std::ofstream(to, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

Bytes pixels(std::size_t count) {
    Bytes b;
    for (std::size_t i = 0; i < count; ++i) b.push_back(static_cast<unsigned char>(i * 5));
    return b;
}

// Six training images and two test images of 2 x 3, labels 0, 1, 2.
void write_four(const fs::path& folder) {
    write(folder / "train-images-idx3-ubyte", idx({6, 2, 3}, pixels(36)));
    write(folder / "train-labels-idx1-ubyte", idx({6}, {0, 1, 2, 0, 1, 2}));
    write(folder / "t10k-images-idx3-ubyte", idx({2, 2, 3}, pixels(12)));
    write(folder / "t10k-labels-idx1-ubyte", idx({2}, {2, 0}));
}

// A zip archive whose members are stored.
void write_npz(const fs::path& to, const std::vector<std::pair<std::string, io::Array>>& arrays) {
    Bytes file, directory;
    const auto put = [](Bytes& at, std::uint64_t value, int bytes) {
        for (int k = 0; k < bytes; ++k) at.push_back(static_cast<unsigned char>(value >> (8 * k)));
    };
    for (const auto& [name, array] : arrays) {
        const fs::path part = to.string() + ".part";
        io::write_npy(part, array);
        std::ifstream in(part, std::ios::binary);
        const Bytes bytes{std::istreambuf_iterator<char>(in), {}};
        fs::remove(part);
        const std::string member = name + ".npy";
        const auto crc = crc32(0, bytes.data(), static_cast<uInt>(bytes.size()));
        const std::size_t start = file.size();
        const auto header = [&](Bytes& at) {
            put(at, 20, 2), put(at, 0, 8), put(at, crc, 4), put(at, bytes.size(), 4), put(at, bytes.size(), 4);
            put(at, member.size(), 2), put(at, 0, 2);
        };
        put(file, 0x04034b50, 4), header(file);
        file.insert(file.end(), member.begin(), member.end());
        file.insert(file.end(), bytes.begin(), bytes.end());
        put(directory, 0x02014b50, 4), put(directory, 20, 2), header(directory);
        put(directory, 0, 8), put(directory, 0, 2), put(directory, start, 4);
        directory.insert(directory.end(), member.begin(), member.end());
    }
    const std::size_t start = file.size();
    file.insert(file.end(), directory.begin(), directory.end());
    put(file, 0x06054b50, 4), put(file, 0, 4), put(file, arrays.size(), 2), put(file, arrays.size(), 2);
    put(file, directory.size(), 4), put(file, start, 4), put(file, 0, 2);
    write(to, file);
}

template <class T>
io::Array filled(std::vector<std::int64_t> shape, std::vector<T> values) {
    return io::make_array<T>(std::move(shape), std::span<const T>(values));
}

std::string refusal(const fs::path& path) {
    try {
        load(path);
    } catch (const io::InputError& e) {
        return e.what();
    }
    return "accepted";
}

template <class F>
std::string error(F&& f) {
    try {
        f();
    } catch (const Error& e) {
        return e.what();
    }
    return "accepted";
}

Dataset small(std::int64_t samples, int classes) {
    Dataset set{"small", "a small set", 2, 2, classes, {}, {}};
    for (std::int64_t i = 0; i < samples; ++i) {
        set.labels.push_back(static_cast<std::int32_t>(i % classes));
        for (int p = 0; p < 4; ++p) set.x.push_back(static_cast<float>(i % 4 + p) / 8);
    }
    return set;
}

}  // namespace

TEST_CASE("a folder of IDX files is read as it is") {
    TemporaryFolder f;
    write_four(f.path);
    const Split split = load(f.path);
    CHECK(split.train.size() == 6);
    CHECK(split.test.size() == 2);
    CHECK((split.train.H == 2 && split.train.W == 3 && split.train.classes == 3 && split.test.classes == 3));
    // in the file: of the sixth sample
    const std::size_t last =
        static_cast<std::size_t>(std::ranges::find(split.train.x, 175.0f / 255) - split.train.x.begin());
    REQUIRE(last < 36);
    CHECK(split.train.labels[last / 6] == 2);
    CHECK(std::multiset(split.test.labels.begin(), split.test.labels.end()) == std::multiset{0, 2});
    CHECK_THAT(split.train.description,
               Contains(f.path.filename().string()) && Contains("6 train samples of 2 x 3, 3 classes"));
    CHECK(split.test.name == f.path.filename().string() + " test");
}

TEST_CASE("what is wrong with a folder of IDX files is said by name and value") {
    TemporaryFolder f;
    CHECK_THAT(refusal(f.path / "absent"), Contains("absent"));
    CHECK_THAT(refusal(f.path), Contains("train-images-idx3-ubyte"));
    const auto spoilt = [&](const char* name, const Bytes& bytes) {
        write_four(f.path);
        write(f.path / name, bytes);
        return refusal(f.path);
    };
    CHECK_THAT(spoilt("train-labels-idx1-ubyte", idx({5}, {0, 1, 2, 0, 1})), Contains("5 labels for 6 images"));
    CHECK_THAT(spoilt("train-labels-idx1-ubyte", idx({6}, {0, 0, 0})), Contains("truncated"));
    CHECK_THAT(spoilt("train-labels-idx1-ubyte", idx({6, 1}, {0, 1, 2, 0, 1, 2})), Contains("(6, 1)"));
    CHECK_THAT(spoilt("train-images-idx3-ubyte", idx({36}, pixels(36))), Contains("(36,)") && Contains("(N, H, W)"));
    CHECK_THAT(spoilt("t10k-images-idx3-ubyte", idx({2, 3, 2}, pixels(12))), Contains("2 x 3") && Contains("3 x 2"));
    CHECK_THAT(spoilt("t10k-images-idx3-ubyte", idx({0, 2, 3}, {})), Contains("(0, 2, 3)"));
    CHECK_THAT(spoilt("t10k-images-idx3-ubyte", {'n', 'o', 'n', 's', 'e', 'n', 's', 'e'}), Contains("not an IDX file"));
    write_four(f.path);
    write(f.path / "train-labels-idx1-ubyte", idx({6}, Bytes(6, 0))),
        write(f.path / "t10k-labels-idx1-ubyte", idx({2}, Bytes(2, 0)));
    CHECK_THAT(refusal(f.path), Contains("two classes"));
    write_four(f.path);
    fs::remove(f.path / "t10k-labels-idx1-ubyte");
    CHECK_THAT(refusal(f.path), Contains("t10k-labels-idx1-ubyte"));
}

TEST_CASE("an .npz file is read with its test set, or divided by the seed, which is said") {
    TemporaryFolder f;
    std::vector<float> x(12 * 4);
    std::iota(x.begin(), x.end(), 0.0f);
    for (float& v : x) v /= 64;
    std::vector<std::int64_t> y;
    for (int i = 0; i < 12; ++i) y.push_back(i % 3);
    const fs::path file = f.path / "set.npz";
    write_npz(file, {{"x", filled<float>({12, 2, 2}, x)}, {"y", filled<std::int64_t>({12}, y)}});
    const Split split = load(file, 5);
    CHECK(split.train.size() == 10);
    CHECK(split.test.size() == 2);
    CHECK_THAT(split.test.description, Contains("seed 5") && Contains("set.npz"));
    std::multiset<float> all(split.train.x.begin(), split.train.x.end());
    all.insert(split.test.x.begin(), split.test.x.end());
    CHECK(all == std::multiset<float>(x.begin(), x.end()));
    for (const Dataset& part : {split.train, split.test})
        for (std::size_t i = 0; i < part.labels.size(); ++i)
            CHECK(part.labels[i] == static_cast<int>(part.x[4 * i] * 16) % 3);
    CHECK(load(file, 5).test.x == split.test.x);
    CHECK(load(file, 6).test.x != split.test.x);

    write_npz(file, {{"x", filled<std::uint8_t>({2, 1, 1, 2}, {0, 255, 51, 102})},
                     {"y", filled<std::uint8_t>({2}, {1, 0})},
                     {"x_test", filled<double>({1, 1, 2}, {0.5, 1})},
                     {"y_test", filled<std::int32_t>({1}, {1})}});
    const Split given = load(file);
    const std::vector<float> as_given{0, 1, 0.2f, 0.4f}, other_way_round{0.2f, 0.4f, 0, 1};
    CHECK(given.train.x == (given.train.labels[0] == 1 ? as_given : other_way_round));
    CHECK(given.test.x == std::vector<float>{0.5f, 1});
    CHECK(given.test.labels == std::vector<std::int32_t>{1});
}

TEST_CASE("what is wrong with an .npz file is said by member and value") {
    TemporaryFolder f;
    const fs::path file = f.path / "set.npz";
    const auto said = [&](const std::vector<std::pair<std::string, io::Array>>& arrays) {
        write_npz(file, arrays);
        return refusal(file);
    };
    const io::Array x = filled<float>({6, 1, 1}, {0, .1f, .2f, .3f, .4f, .5f}),
                    y = filled<std::int64_t>({6}, {0, 1, 0, 1, 0, 1});
    CHECK_THAT(said({{"x", x}}), Contains("no array y"));
    CHECK_THAT(said({{"x", x}, {"y", y}, {"x_test", x}}), Contains("one of x_test and y_test"));
    CHECK_THAT(said({{"x", x}, {"y", filled<std::int64_t>({6}, {0, 1, 0, -1, 0, 1})}}),
               Contains("label -1 of sample 3"));
    CHECK_THAT(said({{"x", x}, {"y", filled<std::int64_t>({6}, {0, 1, 0, 1 << 20, 0, 1})}}), Contains("label 1048576"));
    CHECK_THAT(said({{"x", x}, {"y", filled<float>({6}, {0, 1, 0, 1, 0, 1})}}), Contains("labels of f32"));
    CHECK_THAT(said({{"x", filled<float>({6, 1, 1}, {0, 0, 0, 1.5f, 0, 0})}, {"y", y}}), Contains("1.5 at element 3"));
    CHECK_THAT(said({{"x", filled<float>({6, 1, 1}, {0, 0, NAN, 0, 0, 0})}, {"y", y}}), Contains("nan at element 2"));
    CHECK_THAT(said({{"x", filled<std::int32_t>({6, 1, 1}, {0, 0, 0, 0, 0, 0})}, {"y", y}}), Contains("images of i32"));
    CHECK_THAT(said({{"x", filled<float>({3, 2, 1, 1}, {0, 0, 0, 0, 0, 0})}, {"y", y}}), Contains("(3, 2, 1, 1)"));
    write(file, {'P', 'K', 3, 4, 0, 0});
    CHECK_THAT(refusal(file), Contains("set.npz"));
    write(file, {'n', 'o'});
    CHECK_THAT(refusal(file), Contains(".npz"));
}

TEST_CASE(
    "the first samples of a sorted file are of all classes, and other contents under the same name have another "
    "description") {
    TemporaryFolder f;
    const fs::path file = f.path / "sorted.npz";
    const auto load_with = [&](float last) {
        std::vector<float> x(200, 0.5f);
        x.back() = last;
        std::vector<std::int64_t> y;
        for (int i = 0; i < 200; ++i) y.push_back(i / 50);
        write_npz(file, {{"x", filled<float>({200, 1, 1}, x)},
                         {"y", filled<std::int64_t>({200}, y)},
                         {"x_test", filled<float>({200, 1, 1}, x)},
                         {"y_test", filled<std::int64_t>({200}, y)}});
        return load(file);
    };
    const Split a = load_with(0.5f);
    for (const Dataset& part : {first(a.train, 40), first(a.test, 40)})
        CHECK(std::set(part.labels.begin(), part.labels.end()).size() == 4);
    CHECK(load_with(0.25f).train.description != a.train.description);
    CHECK(load_with(0.5f).train.description == a.train.description);
    CHECK_THAT(a.train.description, !Contains(f.path.string()));  // a path would be another where the file is moved
}

TEST_CASE("MNIST is what it is known to be") {
    const fs::path folder = fs::path(SHARED_DIR) / "data" / "mnist";
    if (!fs::exists(folder)) NORMLAB_SKIP("no MNIST files in ../shared/data/mnist");
    const Split mnist = load(folder);
    CHECK((mnist.train.size() == 60000 && mnist.test.size() == 10000 && mnist.train.H == 28 && mnist.train.W == 28 &&
           mnist.train.classes == 10));
    const double mean =
        std::accumulate(mnist.train.x.begin(), mnist.train.x.end(), 0.0) / static_cast<double>(mnist.train.x.size());
    CHECK(mean == Approx(0.1307).margin(5e-5));
    std::vector<int> counts(10);
    for (const std::int32_t label : mnist.train.labels) ++counts[static_cast<std::size_t>(label)];
    CHECK(counts == std::vector{5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949});
}

TEST_CASE("digits are the same for a seed, however many, and differ between seeds and between training and test") {
    const Split a = digits({.train = 40, .test = 20}), more = digits({.train = 80, .test = 20}),
                other = digits({.train = 40, .test = 20, .seed = 2});
    CHECK(std::equal(a.train.x.begin(), a.train.x.end(), more.train.x.begin()));
    CHECK(a.train.x != other.train.x);
    CHECK(!std::equal(a.test.x.begin(), a.test.x.end(), a.train.x.begin()));
    CHECK(std::ranges::count(a.train.labels, 7) == 4);
    CHECK(std::ranges::all_of(a.train.x, [](float v) { return v >= 0 && v <= 1; }));
    CHECK_THAT(a.train.description, Contains("embedded") && Contains("seed 1"));
    // FNV-1a of all bits: the same everywhere, and a change of the drawing is seen
    std::uint64_t hash = 14695981039346656037u;
    for (const float v : a.train.x) hash = (hash ^ std::bit_cast<std::uint32_t>(v)) * 1099511628211u;
    CHECK(hash == 0x435cafec868f93a6u);
    const Split clean = digits({.train = 10, .test = 1, .noise = 0});
    CHECK(std::ranges::count(clean.train.x, 0.0f) > 10 * 784 / 2);
    CHECK_THAT(error([] { digits({.train = 0}); }), Contains("0 training"));
    CHECK_THAT(error([] { digits({.noise = 2}); }), Contains("noise 2"));
}

TEST_CASE("transforms do what they say, and say it") {
    Dataset set{"s", "d", 2, 2, 2, {0.1f, 0.5f, 0.9f, 1.0f}, {1}};
    CHECK(binarise(set).x == std::vector<float>{0, 1, 1, 1});
    CHECK_THAT(binarise(set).description, Contains("d, binarised at 0.5"));
    CHECK(halve(set).x == std::vector<float>{0.625f});
    CHECK((halve(set).H == 1 && halve(set).W == 1 && halve(set).labels == set.labels));
    CHECK(shift(set, 1, 0).x == std::vector<float>{0, 0, 0.1f, 0.5f});
    CHECK(shift(set, 0, -1).x == std::vector<float>{0.5f, 0, 1.0f, 0});
    CHECK(shift(set, 5, 5).x == std::vector<float>(4, 0.0f));
    const auto faint = contrast(set, 0.5, 0.25).x, strong = contrast(set, 2).x;
    CHECK((faint[1] == 0.5f && faint[3] == 0.75f && strong[3] == 1 && strong[0] == 0.2f));
    CHECK(add_noise(set, 0, 1).x == set.x);
    set.x.assign(40000, 0.5f), set.labels.assign(10000, 0);
    const auto noisy = add_noise(set, 0.1, 3).x, coins = binarise_at_random(set, 3).x;
    const auto sum = [](const std::vector<float>& v) { return std::accumulate(v.begin(), v.end(), 0.0); };
    CHECK(std::abs(sum(noisy) / 4e4 - 0.5) < 5 * 0.1 / 200);  // five standard errors
    CHECK(std::abs(sum(coins) / 4e4 - 0.5) < 5 * 0.5 / 200);
    CHECK(add_noise(set, 0.1, 3).x == noisy);
    CHECK(add_noise(set, 0.1, 4).x != noisy);
    set.H = 3;
    CHECK_THAT(error([&] { halve(set); }), Contains("3 x 2"));
}

TEST_CASE("every epoch has every sample once, in an order that the seed and the epoch give") {
    Epochs epochs(10, 3, 1), again(10, 3, 1), other(10, 3, 2);
    CHECK(epochs.steps_per_epoch() == 3);
    std::set<std::int64_t> seen;
    std::vector<std::int64_t> first, second;
    for (std::int64_t step = 0; step < 3; ++step)
        for (std::int64_t i : epochs.batch(step)) seen.insert(i), first.push_back(i);
    for (std::int64_t step = 3; step < 6; ++step)
        for (std::int64_t i : epochs.batch(step)) second.push_back(i);
    CHECK(seen.size() == 9);
    CHECK(first != second);
    // a run that goes on sees what one without a break sees
    CHECK(std::ranges::equal(again.batch(4), epochs.batch(4)));
    CHECK(!std::ranges::equal(other.batch(0), again.batch(0)));
    CHECK_THAT(error([] { Epochs(10, 11, 1); }), Contains("batches of 11 of 10"));
}

TEST_CASE("class groups have as many classes as asked for, and all classes come") {
    const Dataset set = small(100, 10);
    ClassGroups sampler(set, 24, 8, 2, 1), again(set, 24, 8, 2, 1);
    std::vector<int> hits(10);
    for (std::int64_t step = 0; step < 200; ++step) {
        const auto batch = sampler.batch(step);
        REQUIRE(batch.size() == 24);
        for (std::size_t group = 0; group < 24; group += 8) {
            std::set<int> classes;
            for (std::size_t i = group; i < group + 8; ++i)
                classes.insert(set.labels[static_cast<std::size_t>(batch[i])]);
            CHECK(classes.size() == 2);
            for (int c : classes) ++hits[static_cast<std::size_t>(c)];
        }
    }
    for (int h : hits) CHECK(std::abs(h - 120) < 5 * std::sqrt(120 * 0.8));  // of 1200 choices of two of ten
    CHECK(std::ranges::equal(again.batch(7), sampler.batch(7)));
    CHECK_THAT(error([&] { ClassGroups(set, 24, 8, 3, 1); }), Contains("multiple of 3"));
    CHECK_THAT(error([&] { ClassGroups(set, 20, 8, 2, 1); }), Contains("multiple of 8"));
    CHECK_THAT(error([&] { ClassGroups(set, 24, 8, 11, 1); }), Contains("11 classes"));
}

TEST_CASE("a batch holds its samples' pixels, targets and labels") {
    const Dataset set = small(8, 3);
    Batch batch;
    const std::vector<std::int64_t> indices{5, 0};
    gather(set, indices, batch);
    CHECK(batch.N == 2);
    CHECK(batch.labels == std::vector<std::int32_t>{2, 0});
    CHECK(batch.targets == std::vector<float>{0, 0, 1, 1, 0, 0});
    CHECK(std::equal(batch.x.begin(), batch.x.begin() + 4, set.x.begin() + 20));
    CHECK_THAT(error([&] { gather(set, std::vector<std::int64_t>{8}, batch); }), Contains("sample 8; 0 to 7"));
}
