#pragma once
// Verbs that are programs of their own, normlab-VERB beside normlab: who verifies does not build them.

namespace normlab::cli {

/// Becomes normlab-VERB, with the same arguments, where VERB is one of these; where it is not built says so and ends
/// with 2. Returns for other verbs.
void become_own_program(int argc, char** argv);

}  // namespace normlab::cli
