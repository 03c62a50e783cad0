// Catch2 3 or 2, whichever is installed, under the same names.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
#else
#include <catch2/catch.hpp>  // declares Approx globally
#endif

// Under a sanitizer, which looks for other faults than numbers show and is ten times as slow, the longest tests look at
// less.
#ifdef __SANITIZE_ADDRESS__
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif

// Leaves the test case, saying why. Catch2 before 3.3 has no state "skipped": there it prints a warning.
#ifdef SKIP
#define NORMLAB_SKIP(reason) SKIP(reason)
#else
#define NORMLAB_SKIP(reason)           \
    do {                               \
        WARN("skipped: " << (reason)); \
        SUCCEED();                     \
        return;                        \
    } while (false)
#endif
