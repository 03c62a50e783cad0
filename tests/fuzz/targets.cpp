#include "tests/fuzz/targets.hpp"

#include <cstdlib>
#include <filesystem>
#include <iostream>

#include <sys/mman.h>
#include <unistd.h>

#include "bench/workloads.hpp"
#include "io/error.hpp"
#include "io/idx.hpp"
#include "io/npy.hpp"
#include "io/npz.hpp"
#include "verify/case/case.hpp"
#include "verify/exchange/vector_steps.hpp"

namespace normlab::fuzz {
namespace {

// A file in memory, to be opened by its path as any other.
class MemoryFile {
public:
    explicit MemoryFile(const std::string& bytes) : descriptor_(memfd_create("fuzz", MFD_CLOEXEC)) {
        if (descriptor_ < 0 || ::write(descriptor_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
            std::abort();
    }
    ~MemoryFile() { ::close(descriptor_); }
    MemoryFile(const MemoryFile&) = delete;
    MemoryFile& operator=(const MemoryFile&) = delete;
    std::filesystem::path path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

private:
    int descriptor_;
};

template <class Call>
void accepted_or_refused(Call call) {
    try {
        call();
    } catch (const io::InputError&) {
    } catch (const Error&) {
    }
}

void require(bool holds, const std::string& what) {
    if (holds) return;
    std::cerr << what << "\n";
    std::abort();
}

}  // namespace

void npy(const std::string& bytes) {
    const MemoryFile file(bytes);
    accepted_or_refused([&] { io::read_npy(file.path()).count(); });
}

void npz(const std::string& bytes) {
    const MemoryFile file(bytes);
    accepted_or_refused([&] {
        io::NpzFile archive(file.path());
        for (const std::string& name : archive.names()) accepted_or_refused([&] { archive.read(name).count(); });
    });
}

void idx(const std::string& bytes) {
    const MemoryFile file(bytes);
    accepted_or_refused([&] { io::read_idx(file.path()).count(); });
}

void json(const std::string& bytes) {
    const MemoryFile file(bytes);
    accepted_or_refused([&] { bench::read_workloads(file.path()); });
    accepted_or_refused([&] {
        verify::VectorFile vector = verify::read_vector(file.path());
        for (auto& [name, array] : vector.inputs) {  // as if its file held zeros
            const auto bytes_there = io::byte_count(array.shape, io::ElementType::u8);
            if (!bytes_there || *bytes_there > 10000) return;
            array.values.assign(*bytes_there, 0);
        }
        verify::steps_of(vector);
    });
}

void text(const std::string& bytes) {
    accepted_or_refused([&] { verify::parse_shape(bytes); });
    accepted_or_refused([&] { verify::parse_number("number", bytes); });
    accepted_or_refused([&] { verify::parse_integer("integer", bytes); });
    accepted_or_refused([&] { verify::parse_seed("seed", bytes); });
    accepted_or_refused([&] { verify::parse_momentum(bytes); });
    accepted_or_refused([&] {
        const std::string once = verify::parse_case(bytes).text();
        std::string twice;
        accepted_or_refused([&] { twice = verify::parse_case(once).text(); });
        require(once == twice, "'" + once + "' reads back as '" + twice + "'");
    });
}

}  // namespace normlab::fuzz
