#pragma once
// The cases behind the names of the catalogue, which says what each is.

#include "verify/check/check.hpp"

namespace normlab::verify::hostile {

using Cases = std::vector<Case>;

Cases kappa_ladder(const Case& base);
Cases eps_matched(const Case& base);
Cases big_eps(const Case& base);
Cases constant(const Case& base);
Cases constant_ulp(const Case& base);
Cases pair(const Case& base);
Cases single(const Case& base);
Cases empty(const Case& base);
Cases spike(const Case& base);
Cases outlier_first(const Case& base);
Cases sorted(const Case& base);
Cases alternating(const Case& base);
Cases huge(const Case& base);
Cases tiny(const Case& base);
Cases half_range(const Case& base);
Cases nan_or_inf(const Case& base);
Cases exact_statistics(const Case& base);
Cases unique_tag(const Case& base);
Cases layouts(const Case& base);
Cases odd_sizes(const Case& base);
Cases many_rows(const Case& base);
Cases null_cotangent(const Case& base);
Cases gradient_masks(const Case& base);
Cases gamma_signs(const Case& base);
Cases batch_split(const Case& base);
Cases repeat(const Case& base);
Cases two_steps(const Case& base);
Cases renorm_clip(const Case& base);
Cases zero_vector(const Case& base);
Cases shifted(const Case& base);
Cases near_constant(const Case& base);
Cases large_group(const Case& base);
Cases channels_last_large(const Case& base);
Cases index_32bit(const Case& base);
Cases second_order(const Case& base);
Cases nothing(const Case& base);

}  // namespace normlab::verify::hostile
