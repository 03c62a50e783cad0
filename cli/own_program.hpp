#pragma once
// Verbs that are programs of their own, normlab-VERB beside normlab: who verifies does not build them.

#include <string>

namespace normlab::cli {

bool is_own_program(const std::string& verb);

/// The path of normlab-VERB.
std::string own_program(const std::string& verb);

/// Becomes normlab-VERB, with the same arguments, where VERB is one of these. Where it is not built, says what the verb
/// does and how to get it, and ends: with 0 where --help was asked for, otherwise with 2. Returns for other verbs.
void become_own_program(int argc, char** argv);

}  // namespace normlab::cli
